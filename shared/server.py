"""Serves one application until a signal, then drains: not ready, serve on, finish, exit 0."""

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from types import FrameType
from typing import Any, TypeVar

import structlog
import uvicorn
from pydantic import ValidationError
from uvicorn.server import HANDLED_SIGNALS

from shared import logs, tracing
from shared.app import App
from shared.connections import Connection, Patience, ending
from shared.listeners import HANDSHAKE_S, arrived, turn_away_newcomers
from shared.settings import Settings

log = structlog.get_logger()

S = TypeVar("S", bound=Settings)

LINGER_S = 1.0
"""At the end, a connection stays open for so long after its last answer: a request may be on its way. A client that
sends what must not be sent twice only on connections used within less than that is never cut off by a shutdown."""
CUT_S = 2.0
"""Requests that outlast the drain have so long to end, once their connections are gone."""
LEAVE_S = 10.0
"""Then the process leaves with 1, whatever still runs in it."""
THREADS_S = 1.0
"""Once all is done, threads have so long to end: one that waits for a dead name server is nobody's work."""
LOOK_EVERY_TICKS = 5


class Server(uvicorn.Server):
    """On SIGTERM or SIGINT answers not ready, serves on for `drain_delay_s`, then finishes what is in flight.

    From the signal on every answer says `Connection: close`. A second signal cuts the delay short, a third does not
    wait for what is in flight.
    """

    def __init__(self, config: uvicorn.Config, app: App, settings: Settings) -> None:
        super().__init__(config)
        self.app = app
        self.settings = settings
        self.patience = Patience(settings.slow_client_s)
        self.done, self.left = threading.Event(), threading.Event()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.app.state.health.draining:
            self.force_exit = self.should_exit
            self.should_exit = True
            return
        self.app.state.health.drain()
        asyncio.get_running_loop().call_soon_threadsafe(self._drain, sig)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn's gives the signals back at the end, so that one more of them would end with its number a process
        that has done all its work."""
        for sig in HANDLED_SIGNALS:
            signal.signal(sig, self.handle_exit)
        yield
        for sig in HANDLED_SIGNALS:
            signal.signal(sig, signal.SIG_IGN)

    def _drain(self, sig: int) -> None:
        log.info("draining", signal=signal.Signals(sig).name, delay_s=self.settings.drain_delay_s)
        app = self.config.loaded_app = ending(self.config.loaded_app)
        for connection in self.server_state.connections:
            if isinstance(connection, Connection):
                connection.announce_end(app)
        asyncio.get_running_loop().call_later(self.settings.drain_delay_s, setattr, self, "should_exit", True)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            settle_garbage()
            log.info("serving", addresses=[_address(each) for server in self.servers for each in server.sockets])

    async def on_tick(self, counter: int) -> bool:
        if counter % LOOK_EVERY_TICKS == 0:
            self.patience.look(list(self.server_state.connections))
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self._stop_listening()
        await self._finish(began + self.settings.drain_timeout_s)
        cut = await self._cut()
        threading.Thread(target=_leave, args=(self.done, self.left), daemon=True).start()
        if not self.force_exit:
            await self.lifespan.shutdown()
        log.info("drained", seconds=round(loop.time() - began, 3), cut_off=cut)
        self.done.set()

    async def _stop_listening(self) -> None:
        """Whom the kernel has let in by then is served."""
        for server in self.servers:
            for listener in server.sockets:
                turn_away_newcomers(listener.fileno())
        await asyncio.sleep(HANDSHAKE_S)
        late = []
        for server in self.servers:
            for listener in server.sockets:
                late += arrived(listener.fileno())
            server.close()
        for sock in late:
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().connect_accepted_socket(self._connection, sock)

    def _connection(self) -> Connection:
        return Connection(self.config, self.server_state, self.lifespan.state)

    async def _finish(self, end: float) -> None:
        """Returns when all requests are answered, all connections closed, the idle ones after a while, and what else
        the process does is done."""
        loop, state = asyncio.get_running_loop(), self.server_state
        first_seen: dict[Any, float] = {}
        busy = self.app.state.health.busy
        while (state.connections or state.tasks or busy()) and loop.time() < end and not self.force_exit:
            now = loop.time()
            for connection in list(state.connections):
                if not isinstance(connection, Connection):
                    if connection not in first_seen:
                        connection.shutdown()
                    first_seen[connection] = now
                elif not connection.busy:
                    since = connection.idle_since or first_seen.setdefault(connection, now)
                    if now - since >= LINGER_S:
                        connection.transport.close()
            self.patience.look(list(state.connections))
            await asyncio.sleep(0.01)

    async def _cut(self) -> int:
        """Ends what is left; how many requests that were."""
        tasks = set(self.server_state.tasks)
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        if tasks and not self.force_exit:
            log.error("requests cut off: they outlasted the drain", requests=len(tasks))
            _, left = await asyncio.wait(tasks, timeout=CUT_S)
            for task in left:
                task.cancel()
        return len(tasks)


def settle_garbage() -> None:
    """What start-up made stays: the collector need not walk it again and again. Requests leave few cycles behind."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _address(sock: Any) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://{host}:{port}"


def _leave(done: threading.Event, left: threading.Event) -> None:
    """On a daemon thread, so that it ends with the process where that ends by itself. `done`: nothing is owed any more;
    `left`: the event loop is closed, its threads too."""
    if done.wait(LEAVE_S):
        if not left.wait(THREADS_S):
            tracing.shutdown()
            log.info("left idle threads behind", threads=_threads())
            os._exit(0)
        threading.Event().wait(LEAVE_S)
    log.error("left while something still ran", threads=_threads())
    os._exit(1)


def _threads() -> list[str]:
    return [each.name for each in threading.enumerate()]


def _websockets() -> Any:
    """Not every process needs the library."""
    if find_spec("websockets") is None:
        return "none"
    return import_module("shared.sansio").WebSocketProtocol


def _allow_connections() -> None:
    """As many file descriptors as the system lets the process have: each connection takes one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main(kind: type[S], create: Callable[[S], App]) -> None:
    """What `python -m` runs: settings from the environment, the application, until it has drained.

    Whatever goes wrong on the way is one line of the log, and the exit status is not 0.
    """
    logs.configure(_common(), kind.process)
    try:
        settings = kind()
    except ValidationError as error:
        log.critical("settings make no sense", problems=_problems(error, kind.process))
        raise SystemExit(1) from None
    logs.configure(settings)
    serve(create(settings), settings)


def _common() -> Settings:
    """What all processes share, as far as it can be read, so that a refusal looks like every other line."""
    try:
        return Settings()
    except ValidationError:
        return Settings.model_construct()


def _problems(error: ValidationError, process: str) -> list[str]:
    """By variable; the values stay unsaid."""
    own = f"VERNIER_{process}_".upper()
    details = error.errors(include_url=False, include_input=False, include_context=False)
    return [f"{own}{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in details]


def serve(app: App, settings: Settings) -> None:
    """Returns when drained; raises SystemExit, not 0, when the application cannot start."""
    logs.configure(settings)
    tracing.configure(settings.process)
    _allow_connections()
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=Connection,
        ws=_websockets(),
        ws_max_size=settings.max_message_bytes,
        ws_ping_timeout=None,  # who is made to wait for a slow reader reads no pong meanwhile
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
    )
    server = Server(config, app, settings)
    server.run()
    server.left.set()
    tracing.shutdown()
    if not server.started:
        raise SystemExit(1)
