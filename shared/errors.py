"""Everything that Vernier refuses or fails at, as one tree.

VernierError
├── Malformed            400  the request cannot be read
├── NotFound             404  no such path, model or thing
├── MethodNotAllowed     405
├── NotAcceptable        406  no representation that `Accept` allows
├── Conflict             409
├── TooLarge             413  beyond a limit that exists before anything is allocated
├── UnsupportedMedia     415
├── Unprocessable        422  readable, but without meaning
│   └── Empty                 a list that may not be empty is
├── UpgradeRequired      426  only a WebSocket is offered here
├── Unavailable          503  tells when to come back
│   ├── Overloaded            the queue is full
│   ├── NotReady              starting or draining
│   └── CircuitOpen           a service failed several times running
├── UpstreamFailed       502  a service is unreachable or broke off
├── DeadlinePassed       504
└── ClientGone           499  nobody is left to answer; only logged and counted
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

INTERNAL = "an error of ours, not of the request; it has been logged under this request id"


@dataclass(frozen=True)
class FieldError:
    """One field at fault: `pointer` is its JSON pointer, `place` the part of the request it stands in."""

    pointer: str
    detail: str
    place: str = "body"


class VernierError(Exception):
    """Base of all; `detail` says what, where and what would be right."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    type: ClassVar[str] = "about:blank"

    def __init__(self, detail: str, *, errors: Sequence[FieldError] = (), headers: dict[str, str] | None = None):
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = headers or {}


class Malformed(VernierError):
    """The body, a tensor or a parameter cannot be read as what it should be."""

    status = 400
    title = "Malformed request"


class NotFound(VernierError):
    """The path names nothing."""

    status = 404
    title = "Not found"


class MethodNotAllowed(VernierError):
    """The path exists, but not for this method; `Allow` lists those that do."""

    status = 405
    title = "Method not allowed"

    def __init__(self, detail: str, *, allow: Sequence[str]):
        super().__init__(detail, headers={"Allow": ", ".join(sorted(allow))})


class NotAcceptable(VernierError):
    """`Accept` rules out every representation there is."""

    status = 406
    title = "Not acceptable"


class Conflict(VernierError):
    """The request contradicts what is stored."""

    status = 409
    title = "Conflict"


class TooLarge(VernierError):
    """A limit on bytes, pixels, frames, rows, tokens or texts is passed."""

    status = 413
    title = "Too large"


class UnsupportedMedia(VernierError):
    """The content is of a type that is not read here."""

    status = 415
    title = "Unsupported media type"


class Unprocessable(VernierError):
    """The request reads well and means nothing: empty text, one frame, unequal columns."""

    status = 422
    title = "Unprocessable content"


class Empty(Unprocessable):
    """There is nothing to work on where there must be something."""


class UpgradeRequired(VernierError):
    """The path offers a WebSocket and nothing else."""

    status = 426
    title = "Upgrade required"

    def __init__(self, detail: str):
        super().__init__(detail, headers={"Upgrade": "websocket", "Connection": "Upgrade"})


class Unavailable(VernierError):
    """Not now; `retry_after_s` is sent as `Retry-After`, in whole seconds rounded up."""

    status = 503
    title = "Service unavailable"

    def __init__(self, detail: str, *, retry_after_s: float = 1.0):
        super().__init__(detail, headers={"Retry-After": str(max(1, -int(-retry_after_s // 1)))})


class Overloaded(Unavailable):
    """More is waiting than may wait."""

    title = "Overloaded"
    type = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"


class NotReady(Unavailable):
    """The process is starting or draining."""

    title = "Not ready"


class CircuitOpen(Unavailable):
    """A service failed several times running and is not asked for a moment."""

    title = "Service left alone"


class UpstreamFailed(VernierError):
    """A service cannot be reached or broke off. `reason` is `connect` (nothing has been sent), `stale` (the connection
    ended before a byte of the answer came) or `broken`."""

    status = 502
    title = "Service unreachable"

    def __init__(self, detail: str, *, reason: str = "broken"):
        super().__init__(detail)
        self.reason = reason


class DeadlinePassed(VernierError):
    """The time that the client allowed is over."""

    status = 504
    title = "Deadline passed"


class ClientGone(VernierError):
    """The client hung up."""

    status = 499
    title = "Client gone"
