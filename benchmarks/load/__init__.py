"""A load generator in a process of its own, so that its work does not count as the server's.

Closed loop: so many connections, each sending its next request when its answer is whole. Open loop: requests at the
times of a Poisson process, whatever the server does; a latency then counts from the moment at which the request was
meant to be sent, so that waiting behind a slow answer is not left out (Tene's "coordinated omission").
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.load.bodies import read_bodies, write_bodies

__all__ = ["Kept", "Load", "Outcome", "merged", "read_bodies", "write_bodies"]

QUANTILES = (50.0, 90.0, 99.0)


@dataclass(frozen=True)
class Load:
    """One window of load.

    `bodies` is a file that `write_bodies` wrote, "" for requests without a body; they are sent in turn, from
    `first_body` on. `rate` above 0, in requests per second, makes it an open loop over at most `connections`
    connections. An answer that is not whole after `timeout_s` is given up. The window of a closed loop lasts until it
    holds `least` answers, but no more than `timeout_s` longer.
    """

    url: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    bodies: str = ""
    first_body: int = 0
    connections: int = 32
    rate: float = 0.0
    seconds: float = 2.0
    warmup_s: float = 0.3
    timeout_s: float = 30.0
    least: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Kept:
    """A distinct answer: to which body, and what it was."""

    body: int
    status: int
    answer: bytes


@dataclass(frozen=True)
class Outcome:
    """What came of one window, or of several put together.

    Latencies in seconds, in the order in which they ended: `accepted_s` of answers 200, `refused_s` of answers 503 and
    429. `statuses` counts all answers, `errors` connections that broke, `timeouts` answers given up.
    `busy` is the generator's own share of a core, `late` how many requests went out more than a
    millisecond after they were due.
    `kept` are distinct answers to be checked, a sample where there were too many; `unkept` were left out of it.
    `next_body` is where another window goes on, so that no body is sent twice.
    """

    seconds: float
    connections: int
    accepted_s: list[float]
    refused_s: list[float]
    statuses: dict[int, int]
    errors: int
    timeouts: int
    late: int
    busy: float
    sent: int
    kept: list[Kept]
    unkept: int
    next_body: int

    @property
    def rate(self) -> float:
        """Answers 200 per second."""
        return len(self.accepted_s) / self.seconds

    @property
    def steady_rate(self) -> float:
        """Connections by mean latency (Little's law): the rate in the long run of a closed loop, and not coarse where a
        window holds few answers."""
        return self.connections * len(self.accepted_s) / sum(self.accepted_s) if self.accepted_s else 0.0

    @property
    def best_rate(self) -> float:
        """The steady rate of a window that holds few answers, the counted one where there are many, or refusals."""
        few = len(self.accepted_s) < 20 * self.connections and not self.refused_s
        return self.steady_rate if few else self.rate

    @property
    def failed(self) -> int:
        """What ended neither in 200 nor in a refusal."""
        others = sum(count for status, count in self.statuses.items() if status not in {200, 429, 503})
        return others + self.errors + self.timeouts

    def accepted_ms(self, percent: float) -> float:
        return percentile(self.accepted_s, percent) * 1e3

    def refused_ms(self, percent: float) -> float:
        return percentile(self.refused_s, percent) * 1e3


def percentile(values: Sequence[float], percent: float) -> float:
    """The least value that at least `percent` of them do not exceed (the nearest rank); NaN of none."""
    if not values:
        return float("nan")
    rank = int(np.ceil(percent / 100 * len(values)))
    return sorted(values)[max(rank, 1) - 1]


def merged(outcomes: Sequence[Outcome]) -> Outcome:
    """Several windows as one."""
    statuses: dict[int, int] = {}
    for each in outcomes:
        for status, count in each.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    seconds = sum(each.seconds for each in outcomes)
    return Outcome(
        seconds=seconds,
        connections=max(each.connections for each in outcomes),
        accepted_s=[value for each in outcomes for value in each.accepted_s],
        refused_s=[value for each in outcomes for value in each.refused_s],
        statuses=statuses,
        errors=sum(each.errors for each in outcomes),
        timeouts=sum(each.timeouts for each in outcomes),
        late=sum(each.late for each in outcomes),
        busy=sum(each.busy * each.seconds for each in outcomes) / seconds,
        sent=sum(each.sent for each in outcomes),
        kept=[kept for each in outcomes for kept in each.kept],
        unkept=sum(each.unkept for each in outcomes),
        next_body=outcomes[-1].next_body,
    )
