"""The gateway's own cost: cached answers against a bare ASGI answer, proxied requests against the route itself."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks import profile
from benchmarks.checks import Check, checked, exactly
from benchmarks.load import Load, Outcome, write_bodies
from benchmarks.measure import Goal, Row, Rule, paired, spread
from benchmarks.servers import LOAD_CORE, SERVER_CORE, Server, bare, gateway, redis, run_load, service

PART = "hotpath"
HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
BODY, BARE_ANSWER, ANSWER = b'{"x": [1.0, 2.0]}', b'{"sum":3.0}', b'{"n":2}'
CONNECTIONS = 32


@dataclass(frozen=True)
class Target:
    """A route, what it answers, and the servers that work for it."""

    url: str
    check: Check
    servers: Sequence[Server]


class Bench:
    """Servers on one core, the load (and Redis) on another, as if it came from another machine."""

    def __init__(self, folder: Path, rule: Rule) -> None:
        self.rule = rule
        self.bodies = write_bodies(folder / "small.bodies", [BODY])
        self.busy: list[float] = []
        self.cpu_us: dict[str, list[float]] = {}

    def load(self, target: Target, connections: int = CONNECTIONS) -> Load:
        return Load(target.url, "POST", HEADERS, self.bodies, connections=connections, seconds=self.rule.seconds)

    def window(self, target: Target, connections: int = CONNECTIONS) -> Outcome:
        """What its servers' processors did for an answer is kept: it says more than a rate where others are at work."""
        before = sum(each.cpu_s() for each in target.servers)
        outcome = checked(run_load(self.load(target, connections), [LOAD_CORE]), target.check)
        used = sum(each.cpu_s() for each in target.servers) - before
        self.busy.append(outcome.busy)
        self.cpu_us.setdefault(target.url, []).append(used * 1e6 / sum(outcome.statuses.values()))
        return outcome

    def throughput(self, name: str, ours: Target, reference: Target, against: str, goal: float) -> Row:
        self.busy.clear()
        self.cpu_us.clear()
        found = paired(lambda: self.window(ours).rate, lambda: self.window(reference).rate, self.rule)
        value, low, high = spread(found.ratios)
        raw = {
            "ours_per_s": found.ours, "reference_per_s": found.reference, "pairs": len(found.pairs),
            "ours_cpu_us": median(self.cpu_us[ours.url]), "reference_cpu_us": median(self.cpu_us[reference.url]),
            "generator_cores": median(self.busy), "generator_cores_at_most": max(self.busy),
        }  # fmt: skip
        row = Row(PART, name, value, "ratio", against, Goal(goal), low, high, found.stable, raw)
        return self.explained(row, self.load(ours), ours.servers)

    def latency(self, ours: Target, reference: Target) -> Row:
        """One connection, so no queueing: p50 through the gateway less p50 directly."""
        found = paired(
            lambda: self.window(ours, 1).accepted_ms(50), lambda: self.window(reference, 1).accepted_ms(50), self.rule
        )
        value, low, high = spread(found.differences)
        raw = {"ours_p50_ms": found.ours, "reference_p50_ms": found.reference, "pairs": len(found.pairs)}
        against, goal = "the route asked directly, one connection", Goal(0.5, at_most=True)
        row = Row(PART, "gateway's added latency, p50", value, "ms", against, goal, low, high, found.stable, raw)
        return self.explained(row, self.load(ours, 1), ours.servers)

    def explained(self, row: Row, load: Load, servers: Sequence[Server]) -> Row:
        return row if row.reached else replace(row, profile=profile.taken(lambda: run_load(load, [LOAD_CORE]), servers))


def rows(folder: Path, rule: Rule) -> Iterator[Row]:
    bench = Bench(folder, rule)
    with ExitStack() as stack:
        url = stack.enter_context(redis(folder, [LOAD_CORE]))
        alone = stack.enter_context(bare("benchmarks.bare:answer", [SERVER_CORE]))
        noop = stack.enter_context(service("benchmarks.noop", [SERVER_CORE]))
        near = stack.enter_context(gateway([noop], [SERVER_CORE], REDIS_URL=url))
        far = stack.enter_context(gateway([noop], [SERVER_CORE], REDIS_URL=url, VERNIER_GATEWAY_CACHE_MEMORY_BYTES="0"))
        answer = exactly(ANSWER)
        asgi = Target(f"{alone.url}/", exactly(BARE_ANSWER), [alone])
        direct = Target(f"{noop.url}/noop", answer, [noop])
        proxied = Target(f"{near.url}/noop", answer, [near, noop])
        against = "a bare ASGI answer, same uvicorn, one core"
        yield bench.throughput(
            "cache hit, in process", Target(f"{near.url}/noop/kept", answer, [near]), asgi, against, 0.65
        )
        yield bench.throughput("cache hit, Redis", Target(f"{far.url}/noop/kept", answer, [far]), asgi, against, 0.3)
        yield bench.throughput("proxied no-op POST", proxied, direct, "the route asked directly, one core", 0.5)
        yield bench.latency(proxied, direct)
