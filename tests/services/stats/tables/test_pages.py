import io
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]
import pytest

from services.stats.tables.pages import pages
from services.stats.tables.parquet import ParquetFile
from shared.errors import TooLarge, Unprocessable
from tests.services.stats.tables.tables import parquet_bytes

X = np.random.default_rng(0).normal(size=(2, 20_000))
WAYS: list[dict[str, Any]] = [
    {},
    {"compression": "none", "use_dictionary": False},
    {"compression": "zstd", "data_page_version": "2.0"},
    {"data_page_size": 4096, "write_page_index": True},
    {"write_page_checksum": True, "row_group_size": 3000},
    {"use_dictionary": False, "column_encoding": {"a": "BYTE_STREAM_SPLIT", "b": "PLAIN"}},
]


@pytest.mark.parametrize("way", WAYS)
def test_they_are_as_large_as_the_footer_says(way: dict[str, Any]) -> None:
    body = parquet_bytes(dict(zip("ab", X, strict=True)), **way)
    metadata = pa.parquet.ParquetFile(io.BytesIO(body)).metadata
    for group in range(metadata.num_row_groups):
        for k in range(2):
            chunk = metadata.row_group(group).column(k)
            start = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
            found = list(pages(memoryview(body), start, chunk.total_compressed_size))
            headers = chunk.total_uncompressed_size - sum(page.unpacked for page in found)
            assert 0 < headers < 200 * len(found)
            dictionary = found[0].values if chunk.has_dictionary_page else 0
            assert sum(page.values for page in found) - dictionary == chunk.num_values
    assert np.array_equal(ParquetFile(body, 50_000).numbers(["a", "b"]), X)


def test_what_is_no_page() -> None:
    body = memoryview(parquet_bytes({"a": X[0]}))
    for start, size in ((4, 1 << 40), (-5, 10), (len(body) - 3, 2), (4, 9)):
        with pytest.raises((ValueError, IndexError)):
            list(pages(body, start, size))
    rng = np.random.default_rng(1)
    for _ in range(300):
        noise = memoryview(rng.integers(0, 256, 60, dtype=np.uint8).tobytes())
        try:
            found = list(pages(noise, 0, 60))
        except (ValueError, IndexError):
            continue
        assert all(page.unpacked >= 0 for page in found)


@pytest.mark.parametrize(
    ("table", "way"),
    [
        ({"v": [[0.0] * 3_000_000]}, {}),  # one row, whose array is a run of one value: 600 bytes
        ({"v": [[0.0] * 10] * 20_000}, {}),
        ({"v": [[0.5] * 200_000]}, {"use_dictionary": False, "compression": "zstd"}),
    ],
)
def test_bombs_of_numbers(table: dict[str, Any], way: dict[str, Any]) -> None:
    body = parquet_bytes(table, **way)
    assert len(body) < 100_000
    with pytest.raises(TooLarge):
        ParquetFile(body, 50_000).arrays("v")


def test_bombs_of_text() -> None:
    long = pa.table({"i": ["x" * 2_000] * 1_000})
    with pytest.raises(Unprocessable, match="too long for names"):
        ParquetFile(parquet_bytes(long), 50_000).texts("i")
    with pytest.raises(TooLarge):
        ParquetFile(parquet_bytes(long, use_dictionary=False, compression="zstd"), 50_000).texts("i")
    way = {"use_dictionary": False, "column_encoding": {"i": "DELTA_BYTE_ARRAY"}}
    with pytest.raises(Unprocessable, match="DELTA_BYTE_ARRAY"):
        ParquetFile(parquet_bytes(long, **way), 50_000).texts("i")
