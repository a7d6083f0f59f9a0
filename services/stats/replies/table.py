"""Answers as tables: CSV, NDJSON, an Arrow stream or a Parquet file."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]
import pyarrow.ipc  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]

from services.stats.replies.answer import Answer
from services.stats.tables import ARROW, CSV, NDJSON
from shared.responses import json_bytes

METADATA = b"vernier"
"""Key of the schema's metadata under which the facts of the whole table stand, as JSON."""
PIECE_ROWS = 1 << 13
_LIST = "; "
_LINE = orjson.OPT_APPEND_NEWLINE


def write_table(answer: Answer, media_type: str) -> Iterator[bytes]:
    """The table that an answer is, piece by piece. Missing and infinite numbers are null, in CSV empty."""
    named = list(answer.table)
    table = pa.table([_column(values) for _, values in named], names=_unique([name for name, _ in named]))
    if media_type == CSV:
        yield from _csv(table)
    elif media_type == NDJSON:
        yield from _lines(table)
    else:
        table = table.replace_schema_metadata({METADATA: json_bytes(answer.facts)})
        yield from _arrow(table) if media_type == ARROW else [_parquet(table)]


def _unique(names: list[str]) -> list[str]:
    """A client's column may have the name of one of ours, which gives way."""
    taken: set[str] = set()
    found = []
    for name in reversed(names):
        while name in taken:
            name += "_"
        taken.add(name)
        found.append(name)
    return found[::-1]


def _column(values: Any) -> pa.Array:
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return pa.array(values, mask=~np.isfinite(values))
    return pa.array(values)


def _csv(table: pa.Table) -> Iterator[bytes]:
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(table.column_names)
    yield header.getvalue().encode()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    for batch in table.to_batches(PIECE_ROWS):
        sink = pa.BufferOutputStream()
        pyarrow.csv.write_csv(_without_lists(batch), sink, options)
        yield sink.getvalue().to_pybytes()


def _without_lists(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Sentences of one row in one field."""
    columns = [
        pa.array([_LIST.join(each) for each in column.to_pylist()]) if pa.types.is_list(column.type) else column
        for column in batch.columns
    ]
    return pa.record_batch(columns, names=batch.schema.names)


def _lines(table: pa.Table) -> Iterator[bytes]:
    names = table.column_names
    for batch in table.to_batches(PIECE_ROWS):
        rows = zip(*(_objects(column) for column in batch.columns), strict=True)
        yield b"".join(orjson.dumps(dict(zip(names, row, strict=True)), option=_LINE) for row in rows)


def _objects(column: pa.Array) -> list[Any]:
    """NaN for a missing double, which is written as null."""
    if pa.types.is_floating(column.type):
        floats: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
        return floats
    return list(column.to_pylist())


def _arrow(table: pa.Table) -> Iterator[bytes]:
    sink = io.BytesIO()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        for batch in table.to_batches(PIECE_ROWS):
            writer.write_batch(batch)
            yield sink.getvalue()
            sink.seek(0)
            sink.truncate()
    yield sink.getvalue()


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content
