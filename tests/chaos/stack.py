"""A Vernier to break: Redis, a gateway and services as processes, each on a port that it keeps over restarts.

In the place of the speed service stands the tally, whose requests must not be sent twice.
"""

import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from scripts.machine import free_port
from tests.polling import until
from tests.processes import PATIENCE_S, Process, running_redis

REDIS_TIMEOUT_S = 0.1
PATIENT_S, IMPATIENT_S = 60.0, 1.0
"""So long the first gateway waits for a service that restarts, more than that takes on any machine; and the second."""


class Member:
    """A process that is killed, paused and started again."""

    def __init__(self, module: str, **env: str) -> None:
        name = module.rpartition(".")[2].upper()
        self.module = module
        self.port = free_port()
        self.env = {f"VERNIER_{name}_PORT": str(self.port), **env}
        self.process: Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "Member":
        self.process = Process("-m", self.module, env=self.env)
        assert self.process.address == self.url
        return self

    def send(self, sign: signal.Signals) -> None:
        assert self.process is not None
        self.process.popen.send_signal(sign)

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status."""
        if self.process is None:
            return 0
        if self.process.popen.poll() is None:
            self.send(signal.SIGCONT)
        process, self.process = self.process, None
        return process.stop(sign)

    def rss_bytes(self) -> int:
        assert self.process is not None
        for line in Path(f"/proc/{self.process.popen.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) << 10
        raise AssertionError("no VmRSS")

    def descriptors(self) -> int:
        assert self.process is not None
        return len(list(Path(f"/proc/{self.process.popen.pid}/fd").iterdir()))


class Redis:
    """One that is killed, paused, filled and started again, empty."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._running = ExitStack()
        self._start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def _start(self) -> None:
        self.popen, _ = self._running.enter_context(running_redis(self.folder, port=self.port))

    def kill(self) -> None:
        self._running.close()

    def restart(self) -> None:
        self.kill()
        self._start()

    def heal(self) -> None:
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGCONT)
            with self.client() as client:
                client.config_set("maxmemory", 0)
                client.flushall()
        else:
            self.restart()

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=1, retry=Retry(NoBackoff(), 0))


class Stack:
    def __init__(self, folder: Path) -> None:
        self.tallied = folder / "tally"
        self.tallied.touch()
        self.redis = Redis(folder)
        self.services = {
            "stats": Member("services.stats"),
            "text": Member("services.text"),
            "speed": Member("tests.chaos.tally", TALLY=str(self.tallied)),
        }
        self.gateways = [self._gateway(each) for each in (PATIENT_S, IMPATIENT_S)]

    @property
    def gateway(self) -> Member:
        return self.gateways[0]

    def _gateway(self, patience_s: float) -> Member:
        return Member(
            "gateway",
            REDIS_URL=self.redis.url,
            VERNIER_GATEWAY_REDIS_TIMEOUT_S=str(REDIS_TIMEOUT_S),
            VERNIER_GATEWAY_REDIS_COOLDOWN_S="0.2",
            VERNIER_GATEWAY_CACHE_MEMORY_BYTES="0",  # so that every hit comes from Redis
            VERNIER_GATEWAY_POLL_INTERVAL_S="0.2",
            VERNIER_GATEWAY_RESTART_PATIENCE_S=str(patience_s),
            VERNIER_GATEWAY_DRAIN_DELAY_S="1",
            **{f"VERNIER_GATEWAY_{name.upper()}_URL": member.url for name, member in self.services.items()},
        )

    def start(self) -> None:
        for member in self.members:
            member.start()
        self.await_ready()

    def heal(self) -> None:
        """Starts what does not run, wakes what sleeps, empties Redis."""
        self.redis.heal()
        for member in self.members:
            if member.process is None or member.process.popen.poll() is not None:
                member.stop()
                member.start()
            member.send(signal.SIGCONT)
        self.await_ready()

    @property
    def members(self) -> list[Member]:
        return [*self.services.values(), *self.gateways]

    def await_ready(self) -> None:
        for gateway in self.gateways:
            until(lambda gateway=gateway: ready(gateway.url), "every service is ready", PATIENCE_S)  # type: ignore[misc]

    def stop(self) -> None:
        for member in reversed(self.members):
            member.stop(signal.SIGKILL)
        self.redis.kill()


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=PATIENCE_S).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def whole_stack(folder: Path) -> Iterator[Stack]:
    stack = Stack(folder)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()
        shutil.rmtree(folder, ignore_errors=True)
