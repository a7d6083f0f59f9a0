"""Twice as many requests as can be answered, by a Poisson process: who is let in is served as if nothing were wrong,
the others hear so at once.

The capacity is measured through the same path on the same cores, load generator included, in a closed loop.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks import expected, profile
from benchmarks.checks import Check, checked
from benchmarks.forms import multipart
from benchmarks.inputs import FORM, FPS, JSON, rendered, sentence
from benchmarks.load import Load, Outcome, merged, write_bodies
from benchmarks.measure import Goal, Row, Rule, repeated
from benchmarks.servers import Server, gateway, redis, run_load, service

PART = "overload"
SUSTAINED, EXCESSIVE = 0.8, 2.0
CLOSED, OPEN = 16, 512
"""Connections of the closed loop, and at most of the open ones."""
PERCENTILES = [10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9]


@dataclass(frozen=True)
class Subject:
    """Requests that differ, so that none is answered from the cache."""

    what: str
    service: str
    path: str
    headers: dict[str, str]
    bodies: str
    check: Check


def rows(folder: Path, rule: Rule) -> Iterator[Row]:
    with ExitStack() as stack:
        url = stack.enter_context(redis(folder))
        services = {name: stack.enter_context(service(f"services.{name}")) for name in ("speed", "text")}
        front = stack.enter_context(gateway(list(services.values()), REDIS_URL=url))
        for subject in subjects(folder):
            yield from Overload(subject, front, [front, services[subject.service]], rule).rows()


def subjects(folder: Path, count: int = 60_000) -> Iterator[Subject]:
    draw = np.random.default_rng(5)
    openings = [sentence(draw, 6, 9) for _ in range(500)]
    texts = [[f"{openings[index % 500]} {index}"] for index in range(count)]
    asked = (orjson.dumps({"input": each, "model": "text-embedding", "encoding_format": "base64"}) for each in texts)
    bodies = write_bodies(folder / "overload-text.bodies", asked)
    yield Subject("a sentence", "text", "/v1/embeddings", JSON, bodies, expected.embeddings(*texts))
    frames = rendered(folder)[1]
    pairs = (multipart(frames[index : index + 2]) for index in range(10, 26))
    bodies = write_bodies(folder / "overload-speed.bodies", pairs)
    path, headers = f"/v1/speed/frames?camera=kitti&fps={FPS:g}", {**FORM, "Cache-Control": "no-store"}
    yield Subject("a pair of frames", "speed", path, headers, bodies, expected.speeds(2))


class Overload:
    def __init__(self, subject: Subject, front: Server, servers: list[Server], rule: Rule) -> None:
        self.subject = subject
        self.servers = servers
        self.rule = rule
        self.load = Load(front.url + subject.path, "POST", subject.headers, subject.bodies, seconds=rule.seconds)
        self.next_body = 0

    def window(self, load: Load) -> Outcome:
        outcome = run_load(replace(load, first_body=self.next_body))
        self.next_body = outcome.next_body
        return checked(outcome, self.subject.check, refusals=True)

    def rows(self) -> Iterator[Row]:
        capacity, capacity_stable = self.capacity()
        calm, calm_stable = self.at(SUSTAINED * capacity)
        flooded, flooded_stable = self.at(EXCESSIVE * capacity)
        raw = {
            "capacity_per_s": capacity,
            "at_0.8": described(calm),
            "at_2": described(flooded),
            "latency_ms": {
                "0.8 of capacity": curve(calm.accepted_s),
                "2 times capacity, accepted": curve(flooded.accepted_s),
                "2 times capacity, refused": curve(flooded.refused_s),
            },
        }
        what, against = self.subject.what, f"the capacity, {capacity:,.0f} a second; asked for is twice that"
        steady = calm_stable and flooded_stable and capacity_stable
        table = [
            Row(PART, f"{what}: accepted p99", flooded.accepted_ms(99) / calm.accepted_ms(99), "ratio",
                "p99 at 0.8 of capacity", Goal(2.0, at_most=True), stable=steady, raw=raw),
            Row(PART, f"{what}: goodput", flooded.rate / capacity, "ratio", against, Goal(0.9), stable=steady),
            Row(PART, f"{what}: refused within, p99", flooded.refused_ms(99), "ms", "from the moment it was due",
                Goal(5.0, at_most=True), stable=steady,
                raw={"p50_ms": flooded.refused_ms(50), "max_ms": flooded.refused_ms(100)}),
        ]  # fmt: skip
        if any(each.reached is False for each in table):
            load = replace(self.load, rate=EXCESSIVE * capacity, connections=OPEN)
            found = profile.taken(lambda: self.window(load), self.servers)
            table = [each if each.reached else replace(each, profile=found) for each in table]
        yield from table

    def capacity(self) -> tuple[float, bool]:
        load = replace(self.load, connections=CLOSED, least=2 * CLOSED)
        self.window(replace(load, warmup_s=1.0))
        rates, stable = repeated(lambda: self.window(load).best_rate, self.rule)
        return sorted(rates)[len(rates) // 2], stable

    def at(self, rate: float) -> tuple[Outcome, bool]:
        """Windows until their accepted p99 agree, put together."""
        load = replace(self.load, rate=rate, connections=OPEN, seconds=self.rule.seconds * 2, warmup_s=1.0)
        outcomes: list[Outcome] = []

        def p99() -> float:
            outcomes.append(self.window(replace(load, seed=len(outcomes))))
            return outcomes[-1].accepted_ms(99)

        rule = replace(self.rule, within=max(0.15, self.rule.within))
        _, stable = repeated(p99, rule)
        return merged(outcomes), stable


def described(outcome: Outcome) -> dict[str, Any]:
    return {
        "offered_per_s": outcome.sent / outcome.seconds, "accepted_per_s": outcome.rate,
        "refused_per_s": len(outcome.refused_s) / outcome.seconds,
        "late": outcome.late, "generator_cores": outcome.busy,
        "p50_ms": outcome.accepted_ms(50), "p90_ms": outcome.accepted_ms(90), "p99_ms": outcome.accepted_ms(99),
        "max_ms": outcome.accepted_ms(100),
    }  # fmt: skip


def curve(values: list[float]) -> dict[str, float]:
    """Latency in milliseconds by percentile."""
    if not values:
        return {}
    return {f"{percent:g}": round(float(np.percentile(values, percent)) * 1e3, 3) for percent in PERCENTILES}
