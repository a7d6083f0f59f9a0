"""Requests gone wrong as clients, networks and enemies make them go wrong; the same for the same seed.

They grow from the OpenAPI document: every operation's own examples, as JSON and as tables of every kind.
"""

import copy
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]

from services.stats.tables import ARROW, CSV, JSON, NDJSON, PARQUET
from tests.services.stats.tables.tables import arrow_bytes, parquet_bytes

ODD: list[Any] = [
    None, True, "1", "NaN", "", [], {}, [None], 0, -1, 1, -0.0, 1e308, -1e308, 1e150, 1e-320, 5e-324, 10**30, 2**63,
    float("nan"), float("inf"), -float("inf"), 0.1, 1e9,
]  # fmt: skip
WORDS = [
    b"",
    b"NA",
    b"nan",
    b"-inf",
    b"1e308",
    b"1e999",
    b"1_000",
    b"0x1p3",
    b"x",
    b'"',
    b"\x00",
    b"\xff",
    b"1,2",
    b"\n",
]
ACCEPTED = ["*/*"] * 5 + [f"{kind}, */*;q=0.5" for kind in (JSON, CSV, NDJSON, ARROW, PARQUET)] + [PARQUET]


@dataclass(frozen=True)
class Case:
    method: str
    path: str
    kind: str
    body: bytes
    query: tuple[tuple[str, str], ...] = ()
    accept: str = "*/*"


def mutated(document: dict[str, Any], count: int, seed: int) -> Iterator[Case]:
    draw = Random(seed)
    sound = list(cases(document))
    for k in range(count):
        case = sound[k % len(sound)]
        for _ in range(draw.choice([1, 1, 2])):
            case = _mutate(case, draw)
        yield replace(case, accept=draw.choice(ACCEPTED))


def cases(document: dict[str, Any]) -> Iterator[Case]:
    """Sound requests: of each operation that reads a body, every example."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            content = operation.get("requestBody", {}).get("content", {})
            if not path.startswith("/v1/stats/") or JSON not in content:
                continue
            path = path.replace("{id}", "other" if path.endswith("/merge") else "mutated")
            for example in content[JSON]["examples"].values():
                yield Case(method, path, JSON, json.dumps(example["value"]).encode())
            if CSV in content:
                first = next(iter(content[JSON]["examples"].values()))["value"]
                schema = document["components"]["schemas"][content[JSON]["schema"]["$ref"].rpartition("/")[2]]
                needed = {name: value for name, value in first.items() if name in schema.get("required", ())}
                yield from _tables(method, path, operation, content[CSV]["example"], needed)


def _tables(method: str, path: str, operation: dict[str, Any], example: str, needed: dict[str, Any]) -> Iterator[Case]:
    """With the fields that are `needed` as parameters; roles go to the columns of their name, y to the last."""
    names = {each["name"] for each in operation["parameters"] if each["in"] == "query"}
    columns = example.partition("\n")[0].split(",")
    query = [
        (name, ",".join(value) if isinstance(value, list) else str(value))
        for name, value in needed.items()
        if name in names and (isinstance(value, str | int | float) or name == "kind")
    ]
    query += [("time", "time")] if {"time"} <= names & set(columns) else []
    query += [("y", columns[-1])] if "y" in names and not path.endswith(":fold") else []
    table = pyarrow.csv.read_csv(io.BytesIO(example.encode()))
    lines = "".join(json.dumps(row) + "\n" for row in table.to_pylist())
    bodies = {CSV: example.encode(), NDJSON: lines.encode(), ARROW: arrow_bytes(table), PARQUET: parquet_bytes(table)}
    for kind, body in bodies.items():
        yield Case(method, path, kind, body, tuple(query))


def _mutate(case: Case, draw: Random) -> Case:
    if draw.random() < 0.05:
        return replace(case, body=_bytes_flipped(case.body, draw))
    if draw.random() < 0.05:
        return replace(case, body=case.body[: draw.randrange(len(case.body) + 1)])
    if case.kind == JSON:
        return replace(case, body=_json_mutated(case.body, draw))
    if draw.random() < 0.3:
        return replace(case, query=_query_mutated(case.query, draw))
    if case.kind in (CSV, NDJSON):
        return replace(case, body=_text_mutated(case.body, draw))
    return replace(case, body=_table_mutated(case.body, case.kind, draw))


def _bytes_flipped(body: bytes, draw: Random) -> bytes:
    changed = bytearray(body)
    for _ in range(draw.randint(1, 4)):
        if changed:
            changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def _json_mutated(body: bytes, draw: Random) -> bytes:
    try:
        document = json.loads(body)
    except ValueError:
        return body
    holders = list(_holders(document))
    if not holders:
        return body
    holder, key = draw.choice(holders)
    draw.choice(JSON_MUTATIONS)(holder, key, draw)
    return json.dumps(document).encode()


def _holders(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document: what holds it, and its key there. Long arrays show some of their entries only."""
    keys = list(node) if isinstance(node, dict) else list(range(min(len(node), 3))) if isinstance(node, list) else []
    for key in keys:
        yield node, key
        yield from _holders(node[key])


def _odd(holder: Any, key: Any, draw: Random) -> None:
    holder[key] = draw.choice(ODD)


def _gone(holder: Any, key: Any, draw: Random) -> None:  # noqa: ARG001
    del holder[key]


def _extra(holder: Any, key: Any, draw: Random) -> None:
    if isinstance(holder, dict):
        holder["method" if draw.random() < 0.5 else "unknown"] = draw.choice([*ODD, "ridge", "seasonal"])
    else:
        holder.insert(key, holder[key])


def _column(change: Callable[[list[Any], Random], list[Any]]) -> Callable[[Any, Any, Random], None]:
    def mutation(holder: Any, key: Any, draw: Random) -> None:
        if isinstance(holder[key], list):
            holder[key] = change(holder[key], draw)
        elif isinstance(holder, list):
            holder[:] = change(list(holder), draw)

    return mutation


JSON_MUTATIONS: list[Callable[[Any, Any, Random], None]] = [
    _odd, _odd, _odd, _gone, _extra,
    _column(lambda values, _: values[:1] * len(values)),
    _column(lambda values, _: values[:1]),
    _column(lambda values, _: values[:-1]),
    _column(lambda values, _: [None] * len(values)),
    _column(lambda values, _: [v * 1e308 if isinstance(v, float | int) else v for v in values]),
    _column(lambda values, _: [v * 1e-300 if isinstance(v, float | int) else v for v in values]),
    _column(lambda values, draw: draw.sample(values, len(values))),
    _column(lambda values, draw: [*values, draw.choice(ODD)]),
    _column(lambda values, _: [copy.deepcopy(v) for v in [*values, *values]]),
]  # fmt: skip


def _query_mutated(query: tuple[tuple[str, str], ...], draw: Random) -> tuple[tuple[str, str], ...]:
    names = ["y", "x", "time", "id", "series", "columns", "alpha", "degree", "kind", "method", "precision", "missing"]
    words = [
        "",
        "a",
        "nan",
        "1e308",
        "-1",
        "0",
        "2",
        "high",
        "ridge",
        "count,",
        "tetrachoric",
        "x" * 300,
        "\u00e4",
        "true",
    ]
    changed = list(query)
    if changed and draw.random() < 0.3:
        changed.pop()
    changed.append((draw.choice(names), draw.choice(words)))
    return tuple(changed)


def _text_mutated(body: bytes, draw: Random) -> bytes:
    lines = body.split(b"\n")
    at = draw.randrange(len(lines))
    fields = lines[at].split(b",")
    if draw.random() < 0.7:
        fields[draw.randrange(len(fields))] = draw.choice(WORDS)
        lines[at] = b",".join(fields)
    elif draw.random() < 0.5:
        lines.insert(at, lines[at])
    else:
        del lines[at]
    return b"\n".join(lines)


def _table_mutated(body: bytes, kind: str, draw: Random) -> bytes:
    try:
        source = pa.py_buffer(body)
        table = (
            pa.ipc.open_stream(source).read_all() if kind == ARROW else pa.parquet.read_table(pa.BufferReader(source))
        )
        at = draw.randrange(table.num_columns)
        values = table.column(at).to_pylist()
        column = draw.choice(COLUMNS)(values)
        columns = [column if k == at else table.column(k) for k in range(table.num_columns)]
        changed = pa.table(columns, names=table.column_names)
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError):
        return body
    if draw.random() < 0.3:
        changed = changed.slice(0, draw.randrange(3))
    compression = draw.choice([None, "zstd", "lz4"])
    return arrow_bytes(changed, compression=compression) if kind == ARROW else parquet_bytes(changed)


COLUMNS: list[Callable[[list[Any]], Any]] = [
    lambda values: pa.array([float("inf")] * len(values)),
    lambda values: pa.array([float("nan")] * len(values)),
    lambda values: pa.array([1e308] * len(values)),
    lambda values: pa.array([2.5] * len(values)),
    lambda values: pa.nulls(len(values)),
    lambda values: pa.array(list(map(str, values))),
    lambda values: pa.array([[1.0, 2.0, 5.0]] * len(values)),
    lambda values: pa.array([{"a": 1}] * len(values)),
    lambda values: pa.array(["a", "b"] * len(values))[: len(values)].dictionary_encode(),
    lambda values: pa.array(range(len(values)), pa.timestamp("ns")),
    lambda values: pa.array([k % 2 == 0 for k in range(len(values))]),
]
