"""Processes come and go under load, and no client notices.

| what happens                                            | what a client may see                         |
|---------------------------------------------------------|-----------------------------------------------|
| each service in turn ended by SIGTERM, started again    | 200 and the right answer, nothing else        |
| a gateway ended by SIGTERM, another one beside it       | the same, where clients turn to a ready one   |
| a gateway ended by SIGTERM while it works               | all that it has taken is answered             |
"""

import signal
import threading

import httpx

from tests.chaos.load import load
from tests.chaos.stack import Member, Stack
from tests.polling import until
from tests.processes import PATIENCE_S

ALLOWED = {"200"}


def test_each_service_in_turn_is_restarted(stack: Stack) -> None:
    with load(stack) as clients:
        for service in stack.services.values():
            clients.more()
            assert service.stop(signal.SIGTERM) == 0
            service.start()
        clients.more()
    clients.ledger.check(stack, ALLOWED)


class Balancer:
    """Looks which gateways are ready, over and over; turns clients to one of them."""

    def __init__(self, gateways: list[Member]) -> None:
        self.ready = list(gateways)
        self._gateways = gateways
        self._turn = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def pick(self) -> str:
        self._turn += 1
        return self.ready[self._turn % len(self.ready)].url

    def _look(self) -> None:
        with httpx.Client(timeout=PATIENCE_S) as client:
            while not self._stopped.wait(0.05):
                self.ready = [each for each in self._gateways if _ready(client, each.url)] or self.ready

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(PATIENCE_S)


def _ready(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_each_gateway_in_turn_is_restarted(stack: Stack) -> None:
    balancer = Balancer(stack.gateways)
    try:
        with load(stack, pick=balancer.pick) as clients:
            for gateway in stack.gateways:
                clients.more()
                assert gateway.stop(signal.SIGTERM) == 0
                clients.more()
                gateway.start()
                until(lambda gateway=gateway: gateway in balancer.ready, "the balancer finds it ready")  # type: ignore[misc]
            clients.more()
    finally:
        balancer.stop()
    clients.ledger.check(stack, ALLOWED)


def test_a_gateway_ends_though_redis_hangs(stack: Stack) -> None:
    gateway = stack.gateways[1]
    with load(stack, pick=lambda: stack.gateways[1].url) as clients:
        clients.more()
        stack.redis.popen.send_signal(signal.SIGSTOP)
        clients.more()
    clients.ledger.check(stack, ALLOWED)
    process = gateway.process
    assert process is not None
    assert gateway.stop(signal.SIGTERM) == 0
    assert not [line for line in process.lines if line.get("level") == "error" or line.get("raw")]
    drained = next(line for line in process.lines if line["event"] == "drained")
    assert drained["cut_off"] == 0


def test_a_gateway_that_works_answers_all_that_it_has_taken(stack: Stack) -> None:
    """Without a balancer: whoever is connected is answered, whoever comes too late cannot connect."""
    with load(stack, pick=lambda: stack.gateways[1].url) as clients:
        clients.more()
        assert stack.gateways[1].stop(signal.SIGTERM) == 0
        until(lambda: "refused" in clients.ledger.outcomes, "nobody is let in any more")
    clients.ledger.check(stack, {"200", "refused"})
