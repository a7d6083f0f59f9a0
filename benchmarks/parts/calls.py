"""The main calls through the gateway, computed anew each time, against the bare library on all cores."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks import profile
from benchmarks.checks import checked
from benchmarks.inputs import Call, calls
from benchmarks.load import Load, Outcome, merged, write_bodies
from benchmarks.measure import Goal, Row, Rule, paired, spread
from benchmarks.servers import CORES, ROOT, Server, gateway, redis, run_load, service

PART = "calls"
CLIENTS = len(CORES) * 2


def rows(folder: Path, rule: Rule) -> Iterator[Row]:
    """Gateway, services and load share all cores; the load waits for answers nearly all the time."""
    with ExitStack() as stack:
        url = stack.enter_context(redis(folder))
        services = [stack.enter_context(service(f"services.{name}")) for name in ("speed", "text", "stats")]
        front = stack.enter_context(gateway(services, REDIS_URL=url))
        for call in calls(folder):
            yield against_library(call, front, [front, *services], folder, rule)


def against_library(call: Call, front: Server, servers: list[Server], folder: Path, rule: Rule) -> Row:
    """`value` tells the generator's own share apart: what the cores that it left did, against what all cores do.
    Calls with a goal get the longer windows."""
    length = 1.0 if call.goal is None else 2.0
    bodies = write_bodies(folder / f"{call.work}.bodies", [call.file.read_bytes()])
    load = Load(
        front.url + call.path, "POST", call.headers, bodies,
        connections=CLIENTS, seconds=rule.seconds * length, warmup_s=0.5 * length, least=2 * CLIENTS,
    )  # fmt: skip
    outcomes: list[Outcome] = []

    def served() -> float:
        outcomes.append(checked(run_load(load), call.check))
        return outcomes[-1].best_rate * call.units

    found = paired(served, lambda: library(call.work, call.file, rule.seconds * length / 2), rule)
    busy = median(each.busy for each in outcomes)
    left = 1 - busy / len(CORES)
    whole = merged(outcomes[1:])
    value, low, high = spread([ratio / left for ratio in found.ratios])
    raw = {
        "ours_per_s": found.ours, "reference_per_s": found.reference, "pairs": len(found.pairs),
        "ratio_with_generator": median(found.ratios), "generator_cores": busy,
        "p50_ms": whole.accepted_ms(50), "p99_ms": whole.accepted_ms(99), "connections": CLIENTS,
    }  # fmt: skip
    goal = None if call.goal is None else Goal(call.goal)
    row = Row(PART, call.what, value, "ratio", "the bare library, all cores", goal, low, high, found.stable, raw)
    if row.reached is False:
        busiest = [each for each in servers if each.name in {"gateway", service_of(call)}]
        row = replace(row, profile=profile.taken(lambda: run_load(load), busiest))
    return row


def service_of(call: Call) -> str:
    return {"speed": "speed", "text": "text", "stats": "stats"}.get(call.path.split("/")[2], "text")


def library(work: str, file: Path, seconds: float) -> float:
    """Units of work per second of the bare library, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.library", work, str(seconds), str(file)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return float(done.stdout)
