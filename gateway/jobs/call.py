"""Sends a job's request to its service, by HTTP as everyone does, and asks how far it is."""

import io
from collections.abc import Iterable

import aiohttp
from yarl import URL

from gateway.jobs.job import Answer, Work
from shared import tracing
from shared.errors import TooLarge
from shared.progress import PATH

PROGRESS_TIMEOUT_S = 2.0
_OF_THE_EXCHANGE = frozenset(
    {
        "connection", "keep-alive", "transfer-encoding", "upgrade", "trailer", "content-length",
        "date", "server", "server-timing", "x-request-id", "vernier-identity",
    }
)  # fmt: skip
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_BROKEN = (aiohttp.ClientError, OSError, TimeoutError)


class NotNow(Exception):
    """The service is away, starting, draining or overloaded: to be asked again, after `pause_s` where it says so."""

    def __init__(self, reason: str, pause_s: float | None = None) -> None:
        super().__init__(reason)
        self.pause_s = pause_s


class BrokenOff(Exception):
    """The service had the request and closed the connection without an answer."""


class Caller:
    """One pool of connections to the services, whose addresses `services` gives by name."""

    def __init__(self, services: dict[str, str], *, connect_timeout_s: float, max_answer_bytes: int) -> None:
        self._services = services
        self._max_answer_bytes = max_answer_bytes
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            auto_decompress=False,
        )

    async def ask(self, work: Work, remaining_s: float) -> Answer:
        """Raises NotNow, BrokenOff, and TooLarge for an answer beyond the limit. Cancelled, it hangs up."""
        request = work.request
        headers = [
            *tracing.onward(request.headers),
            ("X-Request-ID", work.id),
            ("X-Request-Timeout-Ms", str(max(1, int(remaining_s * 1e3)))),
        ]
        url = URL(self._services[request.service] + request.target, encoded=True)
        body = io.BytesIO(request.body) if request.body else None
        try:
            async with self._session.request(
                request.method, url, headers=headers, data=body, allow_redirects=False
            ) as response:
                if response.status in {429, 503}:
                    raise NotNow(f"the {request.service} service answers {response.status}", _pause_s(response))
                return Answer(response.status, _described(response.headers.items()), await self._read(response))
        except _NOT_SENT as error:
            raise NotNow(f"the {request.service} service cannot be reached: {error}") from error
        except _BROKEN as error:
            reason = str(error) or type(error).__name__
            raise BrokenOff(f"the {request.service} service broke off: {reason}") from error

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        parts, size = [], 0
        async for part in response.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > self._max_answer_bytes:
                raise TooLarge(
                    f"the answer is larger than the {self._max_answer_bytes:,} bytes that are kept of a job; "
                    "ask in parts, or without Prefer: respond-async"
                )
        return b"".join(parts)

    async def progress(self, work: Work) -> float:
        """As far as the service says; 0 where it does not."""
        url = f"{self._services[work.request.service]}{PATH}?request_id={work.id}"
        try:
            timeout = aiohttp.ClientTimeout(total=PROGRESS_TIMEOUT_S)
            async with self._session.get(url, timeout=timeout) as response:
                return float((await response.json())["progress"]) if response.status == 200 else 0.0
        except (*_BROKEN, ValueError, KeyError):
            return 0.0

    async def aclose(self) -> None:
        await self._session.close()


def _pause_s(response: aiohttp.ClientResponse) -> float | None:
    stated = response.headers.get("Retry-After", "")
    return float(stated) if stated.isdigit() else None


def _described(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in headers if name.lower() not in _OF_THE_EXCHANGE]
