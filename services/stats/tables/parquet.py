"""Parquet files. The headers of their pages are looked through before anything is unpacked."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]

from services.stats.tables.arrow import BYTES_PER_VALUE
from services.stats.tables.pages import DELTA_BYTE_ARRAY, Page, pages
from services.stats.tables.typed import Typed, is_text, reading
from shared.errors import TooLarge, Unprocessable

BATCH_ROWS = 1 << 16
MOST_PAGES = 250_000
"""Pages of a file: each costs some 20 us to look at."""


class ParquetFile(Typed):
    def __init__(self, body: bytes, most: int) -> None:
        self._body = body
        with reading("Parquet file"):
            file = pyarrow.parquet.ParquetFile(pa.BufferReader(pa.py_buffer(body)), pre_buffer=False)
            self._metadata = file.metadata
            super().__init__(file.schema_arrow, most)

    @property
    def rows(self) -> int:
        return int(self._metadata.num_rows)

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        if self.rows == 0:  # and no pages
            return
        with reading("Parquet file"):
            self._check_pages(names)
            texts = [name for name in names if is_text(self._types[name])]
            source = pa.BufferReader(pa.py_buffer(self._body))
            file = pyarrow.parquet.ParquetFile(source, metadata=self._metadata, read_dictionary=texts, pre_buffer=False)
            for batch in file.iter_batches(BATCH_ROWS, columns=list(names), use_threads=False):
                batch.validate(full=True)
                yield batch if batch.schema.names == list(names) else batch.select(list(names))

    def _check_pages(self, names: Sequence[str]) -> None:
        count = unpacked = values = 0
        for text, page in self._pages(names):
            count, unpacked, values = count + 1, unpacked + page.unpacked, values + page.values
            if count > MOST_PAGES:
                raise TooLarge(f"the file has more than {MOST_PAGES:,} pages; write larger ones")
            if unpacked > self._most * BYTES_PER_VALUE or values > 2 * self._most:  # dictionaries have values, too
                raise TooLarge(
                    f"the file unpacks to more than {self._most:,} values, or {self._most * BYTES_PER_VALUE:,} bytes"
                )
            if text and page.encoding == DELTA_BYTE_ARRAY:
                raise Unprocessable("text in the encoding DELTA_BYTE_ARRAY is not read here; write it plain")

    def _pages(self, names: Sequence[str]) -> Iterator[tuple[bool, Page]]:
        """Of the columns that are read, and whether these are text; nested ones have further parts to their path."""
        data, wanted, schema = memoryview(self._body), set(names), self._metadata.schema
        paths = [schema.column(place).path for place in range(len(schema))]
        for place, path in enumerate(paths):
            if path in wanted or path.partition(".")[0] in wanted:
                for group in range(self._metadata.num_row_groups):
                    chunk = self._metadata.row_group(group).column(place)
                    for page in pages(data, _start(chunk), chunk.total_compressed_size):
                        yield chunk.physical_type == "BYTE_ARRAY", page


def _start(chunk: Any) -> int:
    """Where the first page of a column chunk is."""
    starts = [chunk.data_page_offset]
    if chunk.has_dictionary_page and chunk.dictionary_page_offset > 0:
        starts.append(chunk.dictionary_page_offset)
    return int(min(starts))
