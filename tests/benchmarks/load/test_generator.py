from pathlib import Path

import pytest

from benchmarks.load import Load, Outcome, write_bodies
from benchmarks.load.generator import Generator, requests_of
from benchmarks.servers import run_load
from tests.benchmarks.load.server import CLOSE, DROP, FAIL, FINE, HANG, REFUSE, STALL, STALL_S, planned


def load(url: str, folder: Path, *bodies: bytes, **how: float) -> Load:
    settings = {"connections": 2, "seconds": 0.4, "warmup_s": 0.1, **how}
    return Load(url, "POST", bodies=write_bodies(folder / "bodies", bodies), **settings)  # type: ignore[arg-type]


def applied(url: str, folder: Path, *bodies: bytes, **how: float) -> Outcome:
    return Generator(load(url, folder, *bodies, **how)).run()


def test_a_closed_loop_sends_when_it_was_answered(tmp_path: Path) -> None:
    with planned() as url:
        outcome = applied(url, tmp_path, FINE, connections=3)
    assert outcome.accepted_s
    assert set(outcome.statuses) == {200}
    assert (outcome.failed, outcome.refused_s, outcome.late) == (0, [], 0)
    assert [(each.status, each.answer) for each in outcome.kept] == [(200, b"fine")]
    assert outcome.rate * outcome.seconds == pytest.approx(len(outcome.accepted_s))
    assert len(outcome.accepted_s) <= outcome.statuses[200]
    assert outcome.steady_rate == pytest.approx(3 / (sum(outcome.accepted_s) / len(outcome.accepted_s)))


def test_bodies_are_sent_in_turn_and_a_later_window_goes_on(tmp_path: Path) -> None:
    with planned() as url:
        first = applied(url, tmp_path, FINE, CLOSE, FAIL, connections=1)
        second = applied(url, tmp_path, FINE, CLOSE, FAIL, connections=1, first_body=first.next_body)
    counts = first.statuses
    assert sum(counts.values()) >= first.next_body - 1
    assert abs(counts[200] - 2 * counts[500]) <= 2
    assert {each.body for each in first.kept} == {each.body for each in second.kept} == {0, 1, 2}
    assert second.next_body > first.next_body


def test_refusals_errors_and_timeouts_are_told_apart(tmp_path: Path) -> None:
    with planned() as url:
        refused = applied(url, tmp_path, REFUSE)
        dropped = applied(url, tmp_path, DROP)
        hung = applied(url, tmp_path, HANG, timeout_s=0.1, seconds=1.0)
        failed = applied(url, tmp_path, FAIL)
    assert refused.refused_s
    assert (refused.failed, refused.accepted_s) == (0, [])
    assert dropped.errors > 0
    assert (dropped.timeouts, dropped.statuses) == (0, {})
    assert hung.timeouts > 0
    assert (hung.errors, hung.statuses) == (0, {})
    assert failed.failed == failed.statuses[500] > 0


def test_the_window_of_a_closed_loop_lasts_until_it_holds_enough(tmp_path: Path) -> None:
    with planned() as url:
        outcome = applied(url, tmp_path, STALL, connections=1, seconds=0.1, least=3)
        patience = applied(url, tmp_path, REFUSE, connections=1, seconds=0.1, least=3, timeout_s=0.3)
    assert len(outcome.accepted_s) >= 3
    assert outcome.seconds >= 2 * STALL_S
    assert outcome.rate == pytest.approx(len(outcome.accepted_s) / outcome.seconds)
    assert patience.accepted_s == []
    assert patience.seconds >= 0.4


def test_a_closed_loop_does_not_storm_who_refuses(tmp_path: Path) -> None:
    with planned() as url:
        outcome = applied(url, tmp_path, REFUSE, connections=2, seconds=0.9)
    assert outcome.statuses[503] <= 2 * (1.0 / 0.05 + 2)


def test_an_open_loop_sends_by_the_clock(tmp_path: Path) -> None:
    """The times are those of the seed's Poisson process: as many as it has in the window, whenever they were sent."""
    with planned() as url:
        outcome = applied(url, tmp_path, FINE, rate=200.0, connections=64, seconds=1.0, seed=4)
    assert len(outcome.accepted_s) == arrivals(200.0, 4, 0.1, 1.1)
    assert outcome.failed == 0


def arrivals(rate: float, seed: int, since: float, until: float) -> int:
    import random

    gaps, now, count = random.Random(seed), 0.0, 0
    while now < until:
        now += gaps.expovariate(rate)
        count += since <= now < until
    return count


def test_waiting_behind_a_slow_answer_is_not_left_out(tmp_path: Path) -> None:
    """One connection and a server that stalls: who was due meanwhile has waited since then, not since it was sent."""
    with planned() as url:
        outcome = applied(url, tmp_path, STALL, *[FINE] * 2000, rate=100.0, connections=1, seconds=1.0, warmup_s=0.0)
    delayed = [latency for latency in outcome.accepted_s if latency > STALL_S * 0.2]
    assert max(outcome.accepted_s) >= STALL_S
    assert len(delayed) > 20
    assert outcome.late > 20


def test_an_open_loop_opens_connections_as_it_needs_them(tmp_path: Path) -> None:
    with planned() as url:
        outcome = applied(url, tmp_path, CLOSE, DROP, FINE, rate=100.0, connections=8, seconds=0.5)
    assert outcome.statuses[200] > 0
    assert outcome.errors > 0


def test_it_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    with planned() as url:
        outcome = run_load(load(url, tmp_path, FINE))
    assert outcome.accepted_s
    assert outcome.busy > 0


def test_requests_are_what_they_are_told(tmp_path: Path) -> None:
    asked = Load("http://127.0.0.1:99/a/b?c=d", "POST", {"X-Y": "z"}, write_bodies(tmp_path / "bodies", [b"12", b""]))
    address, requests = requests_of(asked)
    assert address == ("127.0.0.1", 99)
    head = b"POST /a/b?c=d HTTP/1.1\r\nHost: 127.0.0.1:99\r\nX-Y: z\r\n"
    assert requests == [head + b"Content-Length: 2\r\n\r\n12", head + b"Content-Length: 0\r\n\r\n"]
