"""Redis is a help, not a need: whatever becomes of it, clients go on getting right answers.

| what happens to Redis                  | what a client may see                                                      |
|----------------------------------------|----------------------------------------------------------------------------|
| killed                                 | 200 and the right answer, not kept ones; nothing waits for it              |
| killed and started again, empty        | the same, and kept answers again                                           |
| stopped: its sockets open, no replies  | 200 and the right answer; one of them later by the configured timeout      |
| emptied                                | 200 and the right answer, computed once more                               |
| full, and it refuses to store          | 200 and the right answer, nothing more is kept                             |
"""

import signal
from collections.abc import Callable

import pytest
from redis.exceptions import OutOfMemoryError

from tests.chaos.load import Ledger, Load, load
from tests.chaos.stack import Stack
from tests.polling import until

ALLOWED = {"200"}
HANGS_S = 20.0
"""No answer takes this long but one that waits for what never comes: the load itself may slow a machine a lot."""


def kill(stack: Stack) -> None:
    stack.redis.kill()


def restart(stack: Stack) -> None:
    stack.redis.restart()


def pause(stack: Stack) -> None:
    stack.redis.popen.send_signal(signal.SIGSTOP)


def empty(stack: Stack) -> None:
    with stack.redis.client() as client:
        client.flushall()


def fill(stack: Stack) -> None:
    with stack.redis.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
        with pytest.raises(OutOfMemoryError):
            client.set("one", "more")


FAULTS = [kill, restart, pause, empty, fill]


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_becomes_of_redis(stack: Stack, fault: Callable[[Stack], None]) -> None:
    with load(stack) as clients:
        until(lambda: clients.ledger.caches["HIT"] >= 10, "answers come from Redis")
        clients.more()
        fault(stack)
        clients.more(200)
        stack.redis.heal()
        await_hits(clients)
    assert_right(clients.ledger, stack)


def test_redis_paused_again_and_again(stack: Stack) -> None:
    with load(stack) as clients:
        for _ in range(3):
            stack.redis.popen.send_signal(signal.SIGSTOP)
            clients.more(50)
            stack.redis.popen.send_signal(signal.SIGCONT)
            await_hits(clients)
    assert_right(clients.ledger, stack)


def await_hits(clients: Load) -> None:
    before = len(clients.ledger.seen)
    until(lambda: sum(each.cache == "HIT" for each in clients.ledger.seen[before:]) >= 5, "answers are kept again")


def assert_right(ledger: Ledger, stack: Stack) -> None:
    ledger.check(stack, ALLOWED)
    assert {"HIT", "MISS", "COALESCED", "BYPASS"} == set(ledger.caches)
    assert max(each.seconds for each in ledger.seen) < HANGS_S
