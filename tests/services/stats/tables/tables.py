"""The same table in every format."""

import io
from collections.abc import Mapping
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.ipc  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]


def arrow_bytes(columns: Mapping[str, Any] | pa.Table, batch_rows: int = 1 << 16, **options: Any) -> bytes:
    """`options` are those of pyarrow's IpcWriteOptions."""
    table = columns if isinstance(columns, pa.Table) else pa.table(dict(columns))
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=batch_rows)
    return sink.getvalue()


def parquet_bytes(columns: Mapping[str, Any] | pa.Table, **options: Any) -> bytes:
    """`options` are those of pyarrow's write_table."""
    table = columns if isinstance(columns, pa.Table) else pa.table(dict(columns))
    sink = io.BytesIO()
    pa.parquet.write_table(table, sink, **options)
    return sink.getvalue()
