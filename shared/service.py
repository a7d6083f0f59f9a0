"""How one service asks another, on behalf of a request: with its id, its trace and what is left of its time."""

import time
from typing import Any, NamedTuple

import aiohttp
import orjson

from shared import tracing
from shared.context import RequestContext, taken_or_made

_BROKEN = (aiohttp.ClientError, OSError, TimeoutError, ValueError)


class Away(Exception):
    """The service cannot be reached, broke off, took too long, or says that it cannot now (429, 5xx). What was asked
    may have been done all the same."""


class Errand(NamedTuple):
    """What of a request goes on with it."""

    request_id: str
    traceparent: str | None
    deadline: float

    @classmethod
    def of(cls, context: RequestContext | None, longest_s: float) -> "Errand":
        """`deadline` is the request's, or `longest_s` from now where that is sooner."""
        latest = time.monotonic() + longest_s
        if context is None:
            return cls(taken_or_made(None), None, latest)
        return cls(context.request_id, context.traceparent, min(latest, context.deadline))

    @property
    def headers(self) -> list[tuple[str, str]]:
        left_ms = max(1, int((self.deadline - time.monotonic()) * 1e3))
        trace = [("traceparent", self.traceparent)] if self.traceparent else []
        return [*tracing.onward(trace), ("X-Request-ID", self.request_id), ("X-Request-Timeout-Ms", str(left_ms))]


class Reply(NamedTuple):
    """`content` is JSON, parsed."""

    status: int
    content: Any

    @property
    def detail(self) -> str:
        """What a problem says."""
        said = self.content.get("detail") if isinstance(self.content, dict) else None
        return said if isinstance(said, str) else f"it was answered {self.status}"


class ServiceClient:
    """Of the service at `url`; to be made and closed on the event loop."""

    def __init__(self, url: str, *, connect_timeout_s: float = 1.0, connections: int = 16) -> None:
        self._url = url.rstrip("/")
        self._connect_timeout_s = connect_timeout_s
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=3.0),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent",),
        )

    async def ask(
        self, method: str, path: str, errand: Errand, *, content: Any = None, key: str | None = None
    ) -> Reply:
        """`content` goes as JSON, `key` as Idempotency-Key. Raises Away."""
        headers = errand.headers
        if key is not None:
            headers.append(("Idempotency-Key", key))
        body = None
        if content is not None:
            body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
            headers.append(("Content-Type", "application/json"))
        left_s = max(0.001, errand.deadline - time.monotonic())
        timeout = aiohttp.ClientTimeout(total=left_s, sock_connect=self._connect_timeout_s)
        try:
            async with self._session.request(
                method, self._url + path, headers=headers, data=body, timeout=timeout, allow_redirects=False
            ) as response:
                answer = await response.read()
                if response.status in {408, 429} or response.status >= 500:
                    raise Away(f"it answers {response.status}")
                return Reply(response.status, orjson.loads(answer) if answer else None)
        except _BROKEN as error:
            raise Away(str(error) or type(error).__name__) from error

    async def aclose(self) -> None:
        await self._session.close()
