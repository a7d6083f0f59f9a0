"""The connections to one service: kept while they are in use, bounded in number."""

import asyncio
import ssl
from collections import deque
from urllib.parse import urlsplit

from gateway.connection import Connection
from shared.errors import UpstreamFailed

FRESH_S = 0.75
"""A request that must not be sent twice goes out only on a connection that was in use so short a time ago: a service
that shuts down keeps its connections for longer than that after their last answer."""


class Pool:
    """At most `connections` to the service at `url`; an idle one is closed after `keepalive_s`."""

    def __init__(
        self, service: str, url: str, *, connections: int, keepalive_s: float, connect_timeout_s: float
    ) -> None:
        parts = urlsplit(url)
        self.service = service
        self.host = parts.netloc.rpartition("@")[2].encode("ascii")
        self.base = parts.path.rstrip("/").encode("ascii")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._address = parts.hostname or "", parts.port or (443 if self._tls else 80)
        self._most = connections
        self._keepalive_s = keepalive_s
        self._connect_timeout_s = connect_timeout_s
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._opening = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    async def take(self, *, kept_s: float) -> Connection:
        """One that nobody uses, idle for no longer than `kept_s`, or a new one. Raises UpstreamFailed."""
        waited = False
        while True:
            now = asyncio.get_running_loop().time()
            while self._idle:
                connection = self._idle[-1]
                if now - connection.idle_since > min(kept_s, self._keepalive_s):
                    break
                self._idle.pop()
                if connection.usable:
                    return connection
            if len(self._open) + self._opening < self._most:
                return await self._connect()
            if self._idle:
                self._idle.pop(0).abort()
            await self._room(first=waited)
            waited = True

    async def _room(self, *, first: bool) -> None:
        turn = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if first else self._waiting.append)(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._call_next()
            raise

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        self._opening += 1
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, connection = await loop.create_connection(
                    lambda: Connection(self.service, loop, self._freed, self._lost), *self._address, ssl=self._tls
                )
            self._open.add(connection)
        except TimeoutError:
            raise self._unreachable(f"no connection within {self._connect_timeout_s:g} s") from None
        except OSError as error:
            raise self._unreachable(str(error) or type(error).__name__) from error
        finally:
            self._opening -= 1
            if len(self._open) + self._opening < self._most:
                self._call_next()
        return connection

    def _unreachable(self, why: str) -> UpstreamFailed:
        return UpstreamFailed(f"the {self.service} service cannot be reached: {why}", reason="connect")

    def _freed(self, connection: Connection) -> None:
        if self._closed:
            connection.abort()
            return
        connection.idle_since = connection.loop.time()
        self._idle.append(connection)
        self._call_next()
        if self._sweep is None:
            self._sweep = connection.loop.call_later(self._keepalive_s, self._close_old, connection.loop)

    def _lost(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        self._open.discard(connection)
        self._call_next()

    def _call_next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _close_old(self, loop: asyncio.AbstractEventLoop) -> None:
        """The idle are in the order in which they became so."""
        end = loop.time() - self._keepalive_s
        while self._idle and self._idle[0].idle_since <= end:
            self._idle.pop(0).abort()
        self._sweep = None
        if self._idle:
            pause = max(0.05, self._idle[0].idle_since - end)
            self._sweep = loop.call_later(pause, self._close_old, loop)

    def close(self) -> None:
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in self._open:
            connection.abort()
        self._idle.clear()
