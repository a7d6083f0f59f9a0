"""Tables in files, a chunk at a time: of a file of any size some megabytes are in memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from services.stats.leastsquares import FloatArray

ROWS = 1 << 16
"""Of a chunk of a Parquet file, at most."""


def chunks(path: str | Path, columns: Sequence[str]) -> Iterator[dict[str, FloatArray]]:
    """The `columns` of a `.parquet`, `.csv` or `.arrow` (IPC file or stream) file, NaN where a value is missing.

    Raises ValueError for a file of another kind; pyarrow's errors for what is no such file or lacks a column.
    """
    for batch in _batches(Path(path), list(columns)):
        yield {name: _doubles(batch.column(batch.schema.get_field_index(name))) for name in columns}


def _batches(path: Path, columns: list[str]) -> Iterator[Any]:
    import pyarrow as pa  # type: ignore[import-untyped]

    if path.suffix == ".parquet":
        import pyarrow.parquet  # type: ignore[import-untyped]

        with pa.parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            yield from file.iter_batches(ROWS, columns=columns)
    elif path.suffix == ".csv":
        import pyarrow.csv  # type: ignore[import-untyped]

        doubles = dict.fromkeys(columns, pa.float64())
        options = pa.csv.ConvertOptions(include_columns=columns, column_types=doubles, null_values=["", "NA"])
        with pa.csv.open_csv(path, convert_options=options) as file:
            yield from file
    elif path.suffix == ".arrow":
        import pyarrow.ipc  # type: ignore[import-untyped]

        with pa.memory_map(str(path)) as source:
            try:
                file = pa.ipc.open_file(source)
            except pa.ArrowInvalid:
                yield from pa.ipc.open_stream(source)
            else:
                yield from (file.get_batch(k) for k in range(file.num_record_batches))
    else:
        raise ValueError(f"{path} is none of .parquet, .csv and .arrow")


def _doubles(column: Any) -> FloatArray:
    import pyarrow as pa

    values: FloatArray = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return np.asarray(values)
