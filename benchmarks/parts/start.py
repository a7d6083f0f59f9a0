"""How long a process takes from its start to ready, what memory it then has, how large its image is."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks import profile
from benchmarks.measure import Goal, Row, Rule, spread
from benchmarks.proc import cpu_s, descendants, memory_bytes
from benchmarks.servers import Server, gateway, service

PART = "start"
SERVICES = ("speed", "text", "stats")
ROUNDS = 3
SETTLED_S = 1.0


def rows(folder: Path, rule: Rule) -> Iterator[Row]:  # noqa: ARG001
    """One at a time; the gateway before services that run already."""
    times: dict[str, list[float]] = {name: [] for name in (*SERVICES, "gateway")}
    memory: dict[str, list[float]] = {name: [] for name in times}
    cpu: dict[str, list[float]] = {name: [] for name in times}
    for _ in range(ROUNDS):
        with ExitStack() as stack:
            servers: list[Server] = []
            for name in SERVICES:
                servers.append(stack.enter_context(service(f"services.{name}")))
                cpu[name].append(cpu_s(servers[-1].pid))
            servers.append(stack.enter_context(gateway(servers)))
            cpu["gateway"].append(cpu_s(servers[-1].pid))
            time.sleep(SETTLED_S)
            for each in servers:
                times[each.name].append(each.ready_s)
                memory[each.name].append(sum(memory_bytes(pid) for pid in (each.pid, *descendants(each.pid))) / 2**20)
    for name, seconds in times.items():
        raw = {"cpu_s": median(cpu[name]), "rounds": ROUNDS}
        goal = Goal(3.0, at_most=True)
        value, low, high = spread(seconds)
        against = "from its start to /readyz 200"
        row = Row(PART, f"{name}: start to ready", value, "s", against, goal, low, high, raw=raw)
        yield row if row.reached or name == "gateway" else explained(row, name)
    for name, sizes in memory.items():
        value, low, high = spread(sizes)
        yield Row(PART, f"{name}: idle memory", value, "MiB", "its proportional set size", None, low, high)
    yield from images()


def explained(row: Row, name: str) -> Row:
    layers = profile.startup(f"services.{name}", row.value, **{f"VERNIER_{name.upper()}_PORT": "0"})
    return replace(row, profile={"layers": {name: layers}})


def images() -> Iterator[Row]:
    """Sizes by the container engine's own account."""
    for name in (*SERVICES, "gateway"):
        size = image_bytes(f"vernier-{name}")
        row = Row(PART, f"{name}: image", float("nan"), "MB", "docker image inspect")
        if isinstance(size, str):
            yield replace(row, missing=f"not measured: {size}")
        else:
            yield replace(row, value=size / 1e6)


def image_bytes(image: str) -> int | str:
    """Or why it is not known."""
    command = ["docker", "image", "inspect", image]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return "no container engine here"
    if done.returncode:
        missing = "No such image" in done.stderr
        return f"no image {image} (make containers builds it)" if missing else "no container engine answers"
    return int(json.loads(done.stdout)[0]["Size"])
