"""One open stream: frames in, replies out, in order; what has to outlive it is kept as it goes."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import structlog
from fastapi import WebSocket, WebSocketDisconnect
from prometheus_client import Counter

from services.speed.additions import Additions
from services.speed.aggregation import Aggregation
from services.speed.backlog import Backlog
from services.speed.service import Service
from services.speed.sessions import Sessions, TakenOver
from services.speed.streaming import Stream
from shared.context import RequestContext
from shared.ending import end
from shared.errors import ClientGone, Overloaded, VernierError
from shared.responses import json_bytes
from shared.websockets import GOING_AWAY, LEAVING, SERVICE_RESTART
from shared.workers import Workers

log = structlog.get_logger()

SAVE_EVERY_S = 1.0
ADD_EVERY_S = 5.0
FRAME_COST = 0.01
"""Of a frame, where a video's is 1: the shortest have about a hundred."""
NOT_KEPT = "this stream cannot be taken up again after a break: no Redis answers that would keep its state"


@dataclass(slots=True)
class Streams:
    """What all streams of a process share."""

    service: Service
    workers: Workers
    sessions: Sessions
    dropped: Counter
    open: int = 0

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Room for one more. Raises Overloaded."""
        if self.open >= self.service.settings.streams:
            raise Overloaded(f"{self.open} streams are open, as many as may be")
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


@dataclass(frozen=True, slots=True)
class Asked:
    """The session to go on with, and the aggregate that the speeds go to, if any."""

    session: str | None
    aggregate: str | None


class Every:
    """Says about every `seconds` that it is time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = time.monotonic() + seconds

    def due(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True


class Conversation:
    """With one client, from the handshake to the end."""

    def __init__(self, websocket: WebSocket, stream: Stream, streams: Streams, asked: Asked) -> None:
        settings = streams.service.settings
        self._websocket = websocket
        self._context: RequestContext = websocket.scope["vernier.context"]
        self._stream = stream
        self._streams = streams
        self._asked = asked
        self._backlog = Backlog(settings.stream_frames, settings.stream_bytes, settings.stream_wait_s)
        self._session, self._owner = secrets.token_hex(16), 1
        self._additions: Additions | None = None
        self._replied = -1
        self._kept = True
        self._news: dict[str, Any] = {}
        self._warnings: list[str] = []
        self._care: asyncio.Task[None] | None = None

    @property
    def _aggregation(self) -> Aggregation:
        return cast(Aggregation, self._websocket.app.state.aggregation)

    async def run(self) -> None:
        """Returns when it is over; raises what ends it as a fault."""
        await self._begin()
        await self._websocket.accept()
        self._context.admitted = True  # the number of streams is limited: a frame waits its turn
        leaving: asyncio.Event = self._websocket.scope.setdefault(LEAVING, asyncio.Event())
        receiving = asyncio.create_task(self._receive())
        watching = asyncio.create_task(_when(leaving, receiving.cancel))
        try:
            with contextlib.suppress(ClientGone, WebSocketDisconnect):
                await self._answer()
            await self._finish()
            if leaving.is_set():
                await self._close(SERVICE_RESTART, f"a restart; go on with session={self._session}")
        except TakenOver:
            await self._close(GOING_AWAY, "this session goes on over another connection")
        finally:
            await end(*(each for each in (receiving, watching, self._care) if each is not None))

    async def _begin(self) -> None:
        """A session: the one asked for, if it is known and was opened alike, else another."""
        asked, resumed = self._asked.session, False
        if asked is not None:
            found = await self._streams.sessions.take(asked)
            why = "it is not known any more" if found is None else await self._resume(asked, *found)
            resumed = not why
            if why:
                self._warnings.append(f"session {asked} cannot be gone on with: {why}; the filter begins anew")
        if self._asked.aggregate is not None and self._additions is None:
            self._additions = Additions(self._aggregation, self._asked.aggregate, self._session)
        self._news = {"session": self._session, "resumed": resumed}
        await self._keep(self._state())
        if not self._kept:
            self._news["session"] = None

    async def _resume(self, session: str, owner: int, state: Mapping[str, Any]) -> str:
        """Why it cannot go on with this state, else nothing. Speeds that waited to be added are, in any case."""
        try:
            if (left := state["additions"]) is not None:
                additions = Additions.restored(self._aggregation, session, left)
                self._warn(await additions.send(self._context))
                if additions.aggregate == self._asked.aggregate:
                    self._additions = additions
            self._stream.restore(state["stream"])
        except (KeyError, TypeError, ValueError) as error:
            self._additions = None
            return str(error) if isinstance(error, ValueError) else "its state is damaged"
        self._session, self._owner = session, owner
        return ""

    async def _receive(self) -> None:
        """Until the client leaves, or is left."""
        try:
            while (message := await self._websocket.receive())["type"] == "websocket.receive":
                if (data := message.get("bytes")) is not None:
                    self._backlog.put(data)
                    continue
                try:
                    self._stream.told(message["text"], begun=self._backlog.count > 0)
                except VernierError as error:
                    await self._send({"error": error.detail})
        finally:
            self._backlog.end()

    async def _answer(self) -> None:
        saving, adding = Every(SAVE_EVERY_S), Every(ADD_EVERY_S)
        while await self._backlog.ready():
            reply = await self._reply()
            reply |= self._news
            if self._warnings:
                reply["warnings"] = [*self._warnings, *reply.get("warnings", [])]
            self._news, self._warnings = {}, []
            await self._send(reply)
            if saving.due():
                await self._look_after(adding.due())

    async def _reply(self) -> dict[str, Any]:
        self._context.deadline = time.monotonic() + self._streams.service.settings.request_timeout_s
        reply = await self._streams.workers.run_costing(FRAME_COST, self._next)
        if "error" not in reply:
            self._streams.service.frames.inc()
            if self._additions is not None:
                self._additions.note(reply["speed_mps"])
        if "dropped" in reply:
            self._streams.dropped.inc(reply["dropped"])
        return reply

    def _next(self) -> dict[str, Any]:
        """The reply to the frame whose turn it is when a thread is free for it."""
        waiting = self._backlog.take()
        dropped = waiting.index - self._replied - 1
        try:
            reply = self._stream.push(waiting.index, waiting.data, dropped)
        except VernierError as error:
            self._context.check()
            reply = {"frame": waiting.index, "error": error.detail}
        if dropped:
            reply |= {"dropped": dropped, "dropped_frames": [self._replied + 1, waiting.index - 1]}
        self._replied = waiting.index
        return reply

    async def _look_after(self, add: bool) -> None:
        """Keeps the state, as it is between two frames, while the next is measured. Raises TakenOver."""
        if self._care is not None:
            if not self._care.done():
                return
            self._care.result()
        self._care = asyncio.create_task(self._keep_and_add(self._state(), add))

    async def _keep_and_add(self, state: dict[str, Any], add: bool) -> None:
        await self._keep(state)
        if add and self._additions is not None:
            self._warn(await self._additions.send(self._context))

    async def _finish(self) -> None:
        """Nothing is left behind: the state is there for another connection, and what was measured is added, unless
        another connection does that already. Raises TakenOver."""
        if self._care is not None:
            await self._care
        await self._keep(self._state())
        if self._additions is not None:
            self._context.deadline = time.monotonic() + self._streams.service.settings.request_timeout_s
            if warning := await self._additions.send(self._context):
                log.warning("speeds of a stream", session=self._session, warning=warning)
            await self._keep(self._state())

    def _state(self) -> dict[str, Any]:
        additions = None if self._additions is None else self._additions.state()
        return {"stream": self._stream.state(), "additions": additions}

    async def _keep(self, state: dict[str, Any]) -> None:
        kept = await self._streams.sessions.save(self._session, self._owner, state)
        if self._kept and not kept:
            self._warnings.append(NOT_KEPT)
        self._kept = kept

    def _warn(self, warning: str | None) -> None:
        if warning:
            self._warnings.append(warning)

    async def _send(self, reply: dict[str, Any]) -> None:
        await self._websocket.send_text(json_bytes(reply).decode())

    async def _close(self, code: int, reason: str) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await self._websocket.close(code, reason)


async def _when(event: asyncio.Event, then: Callable[[], object]) -> None:
    await event.wait()
    then()
