"""Large tables sent as Arrow: least squares beside NumPy's QR, how much of a trend test's time its transport takes,
and the memory of both; and what it costs an addition to be on the disk before it is acknowledged."""

import io
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.ipc  # type: ignore[import-untyped]

from benchmarks.expected import near
from benchmarks.inputs import ANEW, JSON
from benchmarks.load import Load, write_bodies
from benchmarks.measure import Goal, Row, Rule, paired, repeated, spread
from benchmarks.proc import peak_bytes
from benchmarks.servers import Server, gateway, redis, run_load, sent, service
from services.stats.tables import ARROW
from services.stats.trend import mann_kendall

PART = "tables"
ROWS, COLUMNS = 1_000_000, 10
SERIES, POINTS = 100_000, 100
TIMES_OF_QR, TRANSPORT = 2.0, 0.5
WRITERS, VALUES = 16, 100
TOLERANCE = 1e-9


def rows(folder: Path, rule: Rule) -> Iterator[Row]:
    yield from regression(rule)
    yield from trends(rule)
    yield acknowledged(folder, rule)


def regression(rule: Rule) -> Iterator[Row]:
    draw = np.random.default_rng(3)
    x = draw.normal(size=(ROWS, COLUMNS))
    y = x @ np.arange(1.0, COLUMNS + 1) + 0.5 + draw.normal(size=ROWS)
    body = arrow({**{f"x{k}": x[:, k] for k in range(COLUMNS)}, "y": y})
    design = np.column_stack([np.ones(ROWS), x])
    known = np.linalg.lstsq(design, y)[0]

    def by_qr() -> float:
        began = time.perf_counter()
        q, r = np.linalg.qr(design)
        near("QR", np.linalg.solve(r, q.T @ y), known, TOLERANCE)
        return time.perf_counter() - began

    with ExitStack() as stack:
        front, stats = served(stack)
        idle = peak_bytes(stats.pid)

        def ours() -> float:
            took, answer = posted(front, "/v1/stats/regression?y=y", body, "application/json")
            near("coefficients", orjson.loads(answer)["coef"], known, TOLERANCE)
            return took

        found = paired(ours, by_qr, rule)
        value, low, high = spread(found.ratios)
        raw = {"ours_s": found.ours, "reference_s": found.reference, "body_mb": len(body) / 1e6}
        what = f"{ROWS:,} rows regressed on {COLUMNS} columns, sent as Arrow: time"
        goal = Goal(TIMES_OF_QR, at_most=True)
        yield Row(PART, what, value, "ratio", "NumPy's QR of the same", goal, low, high, found.stable, raw)
        yield memory(what.partition(":")[0], stats, idle, body)


def trends(rule: Rule) -> Iterator[Row]:
    """What a request takes beside the tests themselves, which run here on the same cores, in turn with it."""
    table = np.random.default_rng(5).normal(size=(SERIES, POINTS))
    values = pa.FixedSizeListArray.from_arrays(pa.array(table.ravel()), POINTS)
    body = arrow({"id": [f"station {k}" for k in range(SERIES)], "values": values})
    slopes = mann_kendall(table[:100]).slope

    def compute() -> float:
        began = time.perf_counter()
        mann_kendall(table)
        return time.perf_counter() - began

    with ExitStack() as stack:
        front, stats = served(stack)
        idle = peak_bytes(stats.pid)

        def ours() -> float:
            took, answer = posted(front, "/v1/stats/trend", body, ARROW)
            found = pa.ipc.open_stream(answer).read_all()["slope"].to_numpy()
            near("slopes", found[:100], slopes, TOLERANCE)
            return took

        found = paired(ours, compute, rule)
        value, low, high = spread([1 - 1 / ratio for ratio in found.ratios])
        raw = {"ours_s": found.ours, "reference_s": found.reference, "body_mb": len(body) / 1e6}
        what = f"{SERIES:,} series of {POINTS} points tested for a trend, Arrow in and out"
        goal, share = Goal(TRANSPORT, at_most=True), f"{what}: share that is transport"
        yield Row(PART, share, value, "share", "the tests alone", goal, low, high, found.stable, raw)
        yield memory(what, stats, idle, body)


def memory(what: str, stats: Server, idle: int, body: bytes) -> Row:
    peak = (peak_bytes(stats.pid) - idle) / len(body)
    raw = {"idle_mb": idle / 1e6, "peak_mb": peak_bytes(stats.pid) / 1e6, "body_mb": len(body) / 1e6}
    return Row(PART, f"{what}: most memory", peak, "of the body", "resident, above the idle service", None, raw=raw)


def acknowledged(folder: Path, rule: Rule) -> Row:
    """Additions a second, each acknowledged once Redis has it: on the disk within a second, or at once."""
    rates = {}
    for when in ("everysec", "always"):
        own = folder / when
        own.mkdir()
        with ExitStack() as stack:
            url = stack.enter_context(redis(own, options=("--appendonly", "yes", "--appendfsync", when)))
            rates[when] = additions(stack.enter_context(service("services.stats", REDIS_URL=url)), own, rule)
    value, low, high = spread([mine / np.median(rates["everysec"]) for mine in rates["always"]])
    raw = {f"{when}_per_s": float(np.median(each)) for when, each in rates.items()} | {"connections": WRITERS}
    what = f"additions of {VALUES} values, on the disk before they are acknowledged"
    return Row(PART, what, value, "ratio", "on the disk within a second", None, low, high, None, raw)


def additions(stats: Server, folder: Path, rule: Rule) -> list[float]:
    address = f"{stats.url}/v1/stats/aggregates/all"
    sent(address, orjson.dumps({"kind": ["count", "mean"], "columns": ["x"]}), JSON, "PUT")
    bodies = write_bodies(folder / "additions.bodies", [orjson.dumps({"values": list(range(VALUES))})])
    load = Load(f"{address}/values", "POST", JSON, bodies, connections=WRITERS, seconds=rule.seconds, warmup_s=0.5)
    rates, _ = repeated(lambda: run_load(load).best_rate, rule)
    return rates


def served(stack: ExitStack) -> tuple[Server, Server]:
    """The gateway, and the service behind it."""
    stats = stack.enter_context(service("services.stats"))
    return stack.enter_context(gateway([stats])), stats


def posted(front: Server, path: str, body: bytes, accept: str) -> tuple[float, bytes]:
    """Seconds from sent to answered, and the answer; nothing is kept."""
    began = time.perf_counter()
    answer = sent(front.url + path, body, {"Content-Type": ARROW, "Accept": accept, **ANEW})
    return time.perf_counter() - began, answer


def arrow(columns: Mapping[str, Any]) -> bytes:
    table, sink = pa.table(dict(columns)), io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()
