"""Whether a process lives, has started and is ready, and what it is."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from fastapi import APIRouter, Response

from shared import VERSION

PATHS = frozenset({"/livez", "/readyz", "/startupz", "/v2/health/live", "/v2/health/ready"})


class Health:
    """Of one process: starting until `loaded()`, ready until `drain()`. Redis is not part of it.

    `models` maps the names of the models that answer to their versions, `versions` all that are loaded to their
    sha256; `identity` is a digest of service, version and models, so it changes exactly when answers may. `offers`
    names the models that there are, loaded or not; without one of those in `expects` the process is not ready. A
    drain waits while `busy`, as it does for requests.
    """

    def __init__(self, service: str, version: str = VERSION) -> None:
        self.service = service
        self.version = version
        self.models: dict[str, str] = {}
        self.versions: dict[str, dict[str, str]] = {}
        self.expects: Sequence[str] = ()
        self.offers: Callable[[], list[str]] = lambda: sorted(self.models)
        self.started = False
        self.draining = False
        self.busy: Callable[[], bool] = lambda: False
        self.identity = self._digest()
        self.details: Callable[[], tuple[bool, dict[str, Any]]] = lambda: (True, {})

    def loaded(self, models: dict[str, str] | None = None) -> None:
        """`models`, unless `serve` has named them."""
        if models is not None:
            self.models = models
            self.identity = self._digest()
        self.started = True

    def serve(self, versions: Mapping[str, Mapping[str, str]]) -> None:
        """What is loaded from now on: by name and version, the one that answers first, the sha256."""
        self.versions = {name: dict(each) for name, each in versions.items()}
        self.models = {name: next(iter(each)) for name, each in self.versions.items()}
        self.identity = self._digest()

    def drain(self) -> None:
        self.draining = True

    @property
    def state(self) -> str:
        return "draining" if self.draining else "ready" if self.started else "starting"

    def report(self) -> tuple[bool, dict[str, Any]]:
        """Ready or not, and what `/readyz` says."""
        fine, details = self.details()
        if missing := [name for name in self.expects if name not in self.models]:
            fine, details = False, {**details, "detail": f"not loaded: {', '.join(missing)}"}
        ready = fine and self.state == "ready"
        body = {
            "ready": ready,
            "state": self.state,
            "service": self.service,
            "version": self.version,
            "models": self.models,
            "versions": {name: list(each) for name, each in self.versions.items()},
            "offers": self.offers(),
            "identity": self.identity,
        }
        return ready, {**body, **details}

    def _digest(self) -> str:
        facts = orjson.dumps([self.service, self.version, self.models, self.versions], option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(facts).hexdigest()[:16]


def health_router(health: Health) -> APIRouter:
    router = APIRouter(tags=["health"])

    async def live() -> Response:
        return _answer(True, {"live": True})

    async def started() -> Response:
        return _answer(health.started, {"started": health.started})

    async def ready() -> Response:
        return _answer(*health.report())

    for path, endpoint, summary in (
        ("/livez", live, "The process runs"),
        ("/startupz", started, "The process has started: its model is loaded and warm"),
        ("/readyz", ready, "The process takes requests: started and not draining"),
        ("/v2/health/live", live, "As /livez"),
        ("/v2/health/ready", ready, "As /readyz"),
    ):
        router.add_api_route(
            path, endpoint, summary=summary, responses={503: {"description": "Not yet, or not any more"}}
        )
    return router


def _answer(fine: bool, body: dict[str, Any]) -> Response:
    headers = {} if fine else {"Retry-After": "1"}
    return Response(orjson.dumps(body), 200 if fine else 503, headers, media_type="application/json")
