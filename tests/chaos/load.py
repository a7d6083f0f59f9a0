"""Many clients at once, and a ledger of what each of them saw."""

import asyncio
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.chaos.caller import Answer, Caller, Cut
from tests.chaos.questions import Question, question, tallied, truths
from tests.chaos.stack import Stack
from tests.polling import until
from tests.processes import PATIENCE_S

CLIENTS = 8
TOGETHER = 4
"""So many clients ask the same new question at about the same time."""
PAUSE_S = 0.02
KNOWN = 24
"""Questions that are asked over and over."""


@dataclass(frozen=True)
class Seen:
    """`outcome`: the status, with `+` after it where Retry-After came; `cut` or `refused` where there was none."""

    question: Question
    outcome: str
    cache: str
    body: bytes
    seconds: float


class Ledger:
    """What all clients have seen. Read it when the load has ended."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.odd: list[str] = []

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(each.outcome for each in self.seen)

    @property
    def caches(self) -> Counter[str]:
        return Counter(each.cache for each in self.seen if each.cache)

    def add(self, asked: Question, answer: Answer, seconds: float) -> None:
        outcome = str(answer.status) + ("+" if "retry-after" in answer.headers else "")
        self.seen.append(Seen(asked, outcome, answer.headers.get("x-cache-status", ""), answer.body, seconds))
        if answer.status != 200 and (fault := _fault(asked, answer)):
            self.odd.append(fault)

    def check(self, stack: Stack, allowed: set[str]) -> None:
        """Nothing outside `allowed` was seen, every refusal is a problem, every answer is right, and nothing that
        must not be done twice was. To be called when the services are well again."""
        strange = {each.outcome: each.body[:300] for each in self.seen if each.outcome not in allowed}
        assert not strange, f"{self.outcomes}: {strange}"
        assert not self.odd, self.odd[:3]
        answered = [each for each in self.seen if each.outcome == "200"]
        pure = [each for each in answered if each.question.service != "speed"]
        right = truths((each.question for each in pure), {name: each.url for name, each in stack.services.items()})
        wrong = [each for each in pure if not each.question.same(each.body, right[each.question])]
        assert not wrong, f"{len(wrong)} wrong answers of {len(pure)}: {wrong[0]}"
        self._check_tally(stack)

    def _check_tally(self, stack: Stack) -> None:
        counted = tallied(stack.tallied)
        for each in self.seen:
            if each.question.service == "speed":
                entry = json.loads(each.question.body)["id"]
                assert counted[entry] <= 1, f"{each} was done {counted[entry]} times"
                if each.outcome == "200":
                    assert counted[entry] == 1, f"{each} was answered and not done"
                    assert json.loads(each.body) == {"id": entry}


def _fault(asked: Question, answer: Answer) -> str | None:
    """What is wrong with how a refusal is told: as a problem, or as those who ask this operation are used to."""
    if asked.path == "/v1/embeddings" and answer.headers.get("content-type") == "application/json":
        told = json.loads(answer.body)["error"]
        return None if {"message", "type", "param", "code"} <= set(told) else f"{answer.status} with {told}"
    if answer.headers.get("content-type") != "application/problem+json":
        return f"{answer.status} as {answer.headers.get('content-type')}: {answer.body[:200]!r}"
    body = json.loads(answer.body)
    if body["status"] != answer.status or body["request_id"] != answer.headers["x-request-id"]:
        return f"{answer.status} with the body {body}"
    return None


class Load:
    """Asks until `stop`, on a thread. `pick` says which gateway a client is to turn to."""

    def __init__(self, pick: Callable[[], str], headers: dict[str, str]) -> None:
        self.ledger = Ledger()
        self._pick = pick
        self._headers = headers
        self._numbers = itertools.count()
        self._base = random.SystemRandom().getrandbits(48) << 16
        self._stopped = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()

    def more(self, count: int = 60) -> None:
        """Waits until so many more requests have ended."""
        goal = len(self.ledger.seen) + count
        until(lambda: len(self.ledger.seen) >= goal, f"{count} more requests end", PATIENCE_S)

    def until_only(self, outcome: str, count: int = 40) -> None:
        """Waits until the last `count` requests all ended so."""
        until(
            lambda: [each.outcome for each in self.ledger.seen[-count:]] == [outcome] * count,
            f"the last {count} requests end with {outcome}",
            PATIENCE_S,
        )

    def stop(self) -> Ledger:
        self._stopped = True
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "requests hang"
        return self.ledger

    async def _run(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(CLIENTS)))

    async def _client(self) -> None:
        callers: dict[str, Caller] = {}
        while not self._stopped:
            asked, headers = self._next()
            url = self._pick()
            caller = callers.setdefault(url, Caller(url))
            began = time.monotonic()
            try:
                answer = await caller.ask(asked.path, asked.body, {**headers, **self._headers})
                self.ledger.add(asked, answer, time.monotonic() - began)
            except Cut as cut:
                outcome = "cut" if cut.sent else "refused"
                self.ledger.seen.append(Seen(asked, outcome, "", str(cut).encode(), time.monotonic() - began))
            await asyncio.sleep(PAUSE_S)
        for caller in callers.values():
            caller.close()

    def _next(self) -> tuple[Question, dict[str, str]]:
        number = next(self._numbers)
        kind = number // TOGETHER % 4
        if kind == 0:
            return question(self._base + number // (TOGETHER * 4)), {}
        if kind == 1:
            return question(self._base + number), {"cache-control": random.choice(("no-cache", "no-store"))}
        known = random.randrange(KNOWN)
        return question(known - 2 if known % 8 == 5 else known), {}


@contextmanager
def load(stack: Stack, *, pick: Callable[[], str] | None = None, **headers: str) -> Iterator[Load]:
    """Headers by their names with `_` for `-`."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    running = Load(pick or (lambda: stack.gateway.url), given)
    try:
        yield running
    finally:
        running.stop()
