"""No answer is ever another's: not another request's, and not that of a version that is gone.

Requests go on while things happen to what lies between them and their service, in any order: Redis is emptied,
stopped, killed; what it keeps is damaged or stored under another name; the service becomes another version, in its
place or by a restart. Each answer is that of the version that was there while it was asked for: as long as the change
from one to the next is under way, the old or the new one.
"""

import contextlib
import hashlib
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from redis.exceptions import RedisError

from shared.asgi import Receive, Scope, Send
from tests.chaos.stack import Member, Redis
from tests.gateway.upstream import Upstream
from tests.polling import until
from tests.processes import PATIENCE_S

BODIES = [b"", b"1", b"2", b"x" * 5000, b"y" * 20_000]
QUERIES = ["", "a=1", "a=2", "a=1&b=2", "b=2&a=1", "a=1&a=2", "a=2&a=1"]
UNITS = ["", "m", "km"]
ASKERS = 3


class Versioned(Upstream):
    """Says which version it is and what exactly it was asked."""

    async def _pure(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:  # noqa: ARG002
        unit = dict(scope["headers"]).get(b"x-unit", b"").decode()
        parameters = sorted(scope["query_string"].decode().split("&"), key=lambda each: each.partition("=")[0])
        answer = {"version": self.identity, "asked": fingerprint("&".join(parameters), unit, body)}
        await self._json(send, answer)


def fingerprint(query: str, unit: str, body: bytes) -> str:
    return f"{query} {unit} {hashlib.sha256(body).hexdigest()}"


class World:
    """`settled`: the version that every gateway knows of; `latest`: the one that is there, or coming."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.settled = self.latest = 1
        self.redis = Redis(folder)
        stack.callback(self.redis.kill)
        self.upstream = Versioned(identity="1").start()
        stack.callback(self.upstream.stop)
        self.gateways = [
            Member(
                "gateway",
                REDIS_URL=self.redis.url,
                VERNIER_GATEWAY_STATS_URL=self.upstream.url,
                VERNIER_GATEWAY_SPEED_URL="",
                VERNIER_GATEWAY_TEXT_URL="",
                VERNIER_GATEWAY_POLL_INTERVAL_S="0.2",
                VERNIER_GATEWAY_RESTART_PATIENCE_S="60",
                VERNIER_GATEWAY_REDIS_COOLDOWN_S="0.05",
                VERNIER_GATEWAY_REDIS_TIMEOUT_S="0.1",
                VERNIER_GATEWAY_CACHE_MEMORY_BYTES=str(memory),
            )
            for memory in (0, 1 << 20)
        ]
        for gateway in self.gateways:
            stack.callback(gateway.stop)
            gateway.start()
        self._await_version()

    def _await_version(self) -> None:
        until(self._all_know, f"every gateway knows of version {self.latest}", PATIENCE_S)
        self.settled = self.latest

    def _all_know(self) -> bool:
        states = [httpx.get(f"{each.url}/readyz", timeout=PATIENCE_S).json() for each in self.gateways]
        return all(state["ready"] and state["services"]["stats"]["identity"] == str(self.latest) for state in states)

    def heal(self) -> None:
        self.redis.heal()

    # What happens to it

    def nothing(self, draw: random.Random) -> None:
        pass

    def empty(self, draw: random.Random) -> None:  # noqa: ARG002
        with self.redis.client() as client, contextlib.suppress(RedisError):
            client.flushall()

    def stop_redis(self, draw: random.Random) -> None:  # noqa: ARG002
        self.redis.popen.send_signal(signal.SIGSTOP)

    def wake_redis(self, draw: random.Random) -> None:  # noqa: ARG002
        self.redis.popen.send_signal(signal.SIGCONT)

    def restart_redis(self, draw: random.Random) -> None:  # noqa: ARG002
        self.redis.restart()

    def damage(self, draw: random.Random) -> None:
        """A flipped bit, a lost end, or two entries that change places."""
        with self.redis.client() as client, contextlib.suppress(RedisError):
            names = sorted(client.scan_iter("vernier:cache:*"))
            for name in names:
                frame = bytearray(client.get(name) or b"\0")
                frame[draw.randrange(len(frame))] ^= 1 << draw.randrange(8)
                kind = draw.randrange(3)
                if kind == 0:
                    client.set(name, bytes(frame))
                elif kind == 1:
                    client.set(name, bytes(frame[: draw.randrange(len(frame))]))
                else:
                    client.set(name, client.get(draw.choice(names)) or b"")

    def new_version(self, draw: random.Random) -> None:  # noqa: ARG002
        self.latest += 1
        self.upstream.identity = str(self.latest)
        self._await_version()

    def restart_as_new_version(self, draw: random.Random) -> None:  # noqa: ARG002
        self.upstream.stop()
        self.latest += 1
        self.upstream.identity = str(self.latest)
        self.upstream.start()
        self._await_version()


EVENTS = ("nothing", "empty", "stop_redis", "wake_redis", "restart_redis", "damage", "damage", "new_version",
          "restart_as_new_version")  # fmt: skip


class Asker:
    """One client, on a thread. `faults`: what it was told and must not have been."""

    def __init__(self, world: World, seed: int) -> None:
        self.faults: list[str] = []
        self.asked = 0
        self.hits = 0
        self._world = world
        self._draw = random.Random(seed)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with httpx.Client(timeout=PATIENCE_S) as client:
            while not self._stopped.is_set():
                self._ask(client)

    def _ask(self, client: httpx.Client) -> None:
        draw, world = self._draw, self._world
        gateway, body = draw.choice(world.gateways), draw.choice(BODIES)
        query, unit = draw.choice(QUERIES), draw.choice(UNITS)
        headers = {"Content-Type": "text/plain", **({"X-Unit": unit} if unit else {})}
        if draw.random() < 0.1:
            headers["Cache-Control"] = "no-cache"
        settled = world.settled
        answer = client.post(f"{gateway.url}/pure?{query}", content=body, headers=headers)
        latest = world.latest
        self.asked += 1
        if answer.status_code != 200:
            self.faults.append(f"{answer.status_code} {answer.text}")
            return
        self.hits += answer.headers["x-cache-status"] == "HIT"
        said = answer.json()
        parameters = "&".join(sorted(query.split("&"), key=lambda each: each.partition("=")[0]))
        if said["asked"] != fingerprint(parameters, unit, body):
            self.faults.append(f"asked {query!r} {unit!r} {body[:9]!r}, told {said}")
        if not settled <= int(said["version"]) <= latest:
            self.faults.append(f"version {said['version']}, between {settled} and {latest}; {answer.headers}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack, tmp_path_factory.mktemp("redis"))


@pytest.mark.parametrize("seed", range(4))
def test_every_answer_is_the_right_one_whatever_happens(world: World, seed: int) -> None:
    draw = random.Random(seed)
    events = draw.sample(EVENTS, len(EVENTS))
    world.heal()
    askers = [Asker(world, seed + number) for number in range(ASKERS)]
    try:
        for event in events:
            asked = sum(each.asked for each in askers)
            until(lambda asked=asked: sum(each.asked for each in askers) > asked + 8, "requests go on")  # type: ignore[misc]
            getattr(world, event)(draw)
        world.heal()
        hits = sum(each.hits for each in askers)
        until(lambda: sum(each.hits for each in askers) > hits + 5, "answers are kept")
    finally:
        for each in askers:
            each.stop()
    assert not (faults := [fault for each in askers for fault in each.faults]), faults[:5]
