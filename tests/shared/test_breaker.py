import pytest

from shared.breaker import Breaker


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(failures=3, pause_s=1.0, longest_s=4.0, clock=clock)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.failure()


def test_it_opens_after_so_many_failures_running(breaker: Breaker) -> None:
    fail(breaker, 2)
    breaker.success()
    fail(breaker, 2)
    assert breaker.state == "closed"
    assert breaker.enter()
    breaker.failure()
    assert breaker.state == "open"
    assert not breaker.allows()
    assert not breaker.enter()
    assert breaker.wait_s == 1.0


def test_one_probe_at_a_time_and_its_success_closes(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 1.0
    assert breaker.state == "half_open"
    assert breaker.allows()
    assert breaker.enter()
    assert not breaker.enter()
    assert not breaker.allows()
    breaker.success()
    assert breaker.state == "closed"
    assert breaker.enter()
    assert breaker.enter()


def test_a_probe_that_fails_doubles_the_pause_up_to_the_longest(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    for pause in (1.0, 2.0, 4.0, 4.0):
        assert breaker.wait_s == pause
        clock.now += pause
        assert breaker.enter()
        breaker.failure()
    clock.now += 4.0
    assert breaker.enter()
    breaker.success()
    fail(breaker, 3)
    assert breaker.wait_s == 1.0


def test_a_probe_that_ends_without_an_answer_leaves_room_for_another(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 1.0
    assert breaker.enter()
    breaker.withdraw()
    assert breaker.enter()


def test_failures_of_requests_that_were_inside_when_it_opened_change_nothing(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 10)
    assert breaker.wait_s == 1.0
    clock.now += 1.0
    fail(breaker, 10)
    assert breaker.allows()


def test_who_sees_it_well_closes_it_early(breaker: Breaker) -> None:
    fail(breaker, 3)
    breaker.success()
    assert breaker.state == "closed"
    fail(breaker, 2)
    assert breaker.state == "closed"


def test_openings_are_told(clock: Clock) -> None:
    told: list[int] = []
    breaker = Breaker(failures=1, pause_s=1.0, opened=lambda: told.append(1), clock=clock)
    fail(breaker, 3)
    clock.now += 1.0
    breaker.enter()
    breaker.failure()
    assert len(told) == 1
    breaker.success()
    breaker.failure()
    assert len(told) == 2
