"""Parquet files."""

from collections.abc import Iterator, Sequence

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]

from services.stats.tables.arrow import BYTES_PER_VALUE
from services.stats.tables.typed import Typed, reading
from shared.errors import TooLarge

BATCH_ROWS = 1 << 16


class ParquetFile(Typed):
    def __init__(self, body: bytes, most: int) -> None:
        with reading("Parquet file"):
            self._file = pyarrow.parquet.ParquetFile(pa.BufferReader(pa.py_buffer(body)), pre_buffer=False)
            self._metadata = self._file.metadata
            super().__init__(self._file.schema_arrow, most)

    @property
    def rows(self) -> int:
        return int(self._metadata.num_rows)

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        with reading("Parquet file"):
            self._check_unpacked()
            for batch in self._file.iter_batches(BATCH_ROWS, columns=list(names), use_threads=False):
                batch.validate(full=True)
                yield batch if batch.schema.names == list(names) else batch.select(list(names))

    def _check_unpacked(self) -> None:
        groups = range(self._metadata.num_row_groups)
        unpacked = sum(max(0, self._metadata.row_group(k).total_byte_size) for k in groups)
        if unpacked > self._most * BYTES_PER_VALUE:
            raise TooLarge(f"the file unpacks to {unpacked:,} bytes, more than {self._most * BYTES_PER_VALUE:,}")
