"""A service falls ill: clients get a right answer or a clear refusal, soon; the other services are not touched.

| what happens to a service              | what a client may see                                                      |
|----------------------------------------|----------------------------------------------------------------------------|
| killed, not started again              | 200 and the right answer (kept ones); 502 for what it was working on and   |
|                                        | for who has waited in vain; then 503 with Retry-After at once              |
| killed and started again               | 200; 502 for what it was working on and cannot be sent twice; 503 with     |
|                                        | Retry-After for a moment, where that was much at once                      |
| stopped: its sockets open, no replies  | 200 (kept answers); 504 at the deadline; 503 with Retry-After              |
| awake again                            | 200                                                                        |

Requests to other services: 200, always. A request that must not be done twice never is.
"""

import signal

import pytest

from tests.chaos.load import Ledger, load
from tests.chaos.stack import Stack
from tests.polling import until

DEADLINE_MS = 1500
LATE_S = 20.0
"""Past its deadline an answer may come by so much at most: this machine may be slow, not the gateway."""
SERVICES = ["stats", "text", "speed"]


@pytest.mark.parametrize("name", SERVICES)
def test_killed_and_started_again(stack: Stack, name: str) -> None:
    with load(stack) as clients:
        clients.more()
        stack.services[name].stop(signal.SIGKILL)
        stack.services[name].start()
        clients.until_only("200")
    clients.ledger.check(stack, {"200", "502", "503+"})
    assert_others_untouched(clients.ledger, name)


@pytest.mark.parametrize("name", ["stats"])
def test_killed_for_good(stack: Stack, name: str) -> None:
    with load(stack, pick=lambda: stack.gateways[1].url, x_request_timeout_ms=str(DEADLINE_MS)) as clients:
        clients.more()
        stack.services[name].stop(signal.SIGKILL)
        until(lambda: "503+" in clients.ledger.outcomes, "the gateway leaves it alone")
        clients.more(200)
        stack.services[name].start()
        clients.until_only("200")
    clients.ledger.check(stack, {"200", "502", "503+", "504"})
    assert_others_untouched(clients.ledger, name)


@pytest.mark.parametrize("name", SERVICES)
def test_stopped_and_awake_again(stack: Stack, name: str) -> None:
    with load(stack, x_request_timeout_ms=str(DEADLINE_MS)) as clients:
        clients.more()
        stack.services[name].send(signal.SIGSTOP)
        until(lambda: "504" in clients.ledger.outcomes, "a deadline passes")
        clients.more(20)
        stack.services[name].send(signal.SIGCONT)
        clients.until_only("200")
    clients.ledger.check(stack, {"200", "503+", "504"})
    assert_others_untouched(clients.ledger, name)
    assert max(each.seconds for each in clients.ledger.seen) < DEADLINE_MS / 1e3 + LATE_S


def assert_others_untouched(ledger: Ledger, name: str) -> None:
    others = {each.outcome for each in ledger.seen if each.question.service != name}
    assert others == {"200"}
