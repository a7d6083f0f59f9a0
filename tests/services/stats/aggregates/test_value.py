"""Aggregates as plain values: over files, processes and machines the same as in one piece."""

import doctest
import pickle
import tracemalloc
from functools import reduce
from pathlib import Path

import dask.bag
import numpy as np
import orjson
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]
import pyarrow.ipc  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]
import pytest

from services.stats.aggregates import value
from services.stats.aggregates.aggregate import KINDS, Kind
from services.stats.aggregates.aggregator import StateFault
from services.stats.aggregates.files import chunks
from services.stats.aggregates.value import Columns, Value

STEADY: list[Kind] = [kind for kind in KINDS if kind != "quantiles"]
"""A sketch of quantiles draws lots: its answers are as good, and not the same."""


def columns(seed: int, rows: int = 1_000) -> Columns:
    rng = np.random.default_rng(seed)
    x = rng.normal(5, 2, rows)
    return {"x": np.where(rng.random(rows) < 0.01, np.nan, x), "y": 3 + 2 * x + rng.normal(size=rows)}


def add_seed(known: Value, seed: int) -> Value:
    return known.add(columns(seed))


def add_file(known: Value, path: Path) -> Value:
    return known.add_all(chunks(path, ["x", "y"]))


def test_the_example() -> None:
    assert doctest.testmod(value).failed == 0


def test_a_value_travels_and_stays_as_it_was() -> None:
    empty = Value.empty(KINDS, ["x", "y"])
    first, second = empty.add(columns(1)), empty.add(columns(2))
    before = orjson.dumps(first.state())
    there = pickle.loads(pickle.dumps(first)).merge(pickle.loads(pickle.dumps(second)))
    assert (empty.rows, first.rows, there.rows) == (0, 1_000, 2_000)
    assert orjson.dumps(first.state()) == before
    assert there.present()["sum"] == first.merge(second).present()["sum"]
    assert orjson.dumps(empty.of_state(orjson.loads(before)).state()) == before
    with pytest.raises(ValueError, match="does not merge"):
        first.merge(Value.empty(["count"], ["x"]))
    with pytest.raises(StateFault):
        Value.empty(["count"], ["x"]).of_state(first.state())


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_dask_says_what_one_process_says() -> None:
    empty, seeds = Value.empty(STEADY, ["x", "y"]), range(24)
    bag = dask.bag.from_sequence(seeds, npartitions=6)  # type: ignore[no-untyped-call]
    folded = bag.fold(add_seed, Value.merge, initial=empty)
    many = folded.compute(scheduler="processes", num_workers=2)
    same = folded.compute(scheduler="synchronous")
    assert orjson.dumps(many.state()) == orjson.dumps(same.state())
    alone = reduce(add_seed, seeds, empty)
    assert many.rows == alone.rows == 24_000
    for kind in ("count", "sum", "mean", "min", "max", "distinct"):
        assert many.present()[kind] == alone.present()[kind]
    for kind in ("variance", "moments"):
        for column in ("x", "y"):
            assert many.present()[kind][column] == pytest.approx(alone.present()[kind][column], rel=1e-11)
    assert many.present()["regression"]["coef"] == pytest.approx(alone.present()["regression"]["coef"], rel=1e-12)


def test_files_a_chunk_at_a_time(tmp_path: Path) -> None:

    whole = columns(3, 200_000)
    table = pa.table(
        {"z": pa.nulls(200_000, pa.int32()), **{k: pa.array(v, from_pandas=True) for k, v in whole.items()}}
    )
    pa.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=50_000)
    pa.csv.write_csv(table, tmp_path / "a.csv")
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as file:
        file.write_table(table, max_chunksize=30_000)
    with pa.ipc.new_stream(tmp_path / "b.arrow", table.schema) as stream:
        stream.write_table(table, max_chunksize=30_000)
    empty = Value.empty(["count", "sum", "min", "distinct"], ["x", "y"])
    known = empty.add(whole).present()
    for name in ("a.parquet", "a.csv", "a.arrow", "b.arrow"):
        sizes = [len(chunk["x"]) for chunk in chunks(tmp_path / name, ["x", "y"])]
        assert len(sizes) > 1
        assert max(sizes) <= 1 << 16
        assert add_file(empty, tmp_path / name).present() == known
    with pytest.raises(ValueError, match="none of"):
        next(chunks(tmp_path / "a.txt", ["x"]))


def test_a_file_larger_than_what_it_takes_to_read_it(tmp_path: Path) -> None:
    """A Parquet file of 64 MB of doubles: pyarrow and numpy hold less than a fourth of it at any moment."""

    rng = np.random.default_rng(4)
    schema = pa.schema([("x", pa.float64()), ("y", pa.float64())])
    with pa.parquet.ParquetWriter(tmp_path / "large.parquet", schema, compression="none", use_dictionary=False) as file:
        for _ in range(64):
            file.write_table(pa.table({name: rng.random(1 << 16) for name in "xy"}, schema))
    size = (tmp_path / "large.parquet").stat().st_size
    assert size > 64 << 20
    empty = Value.empty(["count", "variance", "regression"], ["x", "y"])
    before, peak = pa.total_allocated_bytes(), 0
    tracemalloc.start()
    try:
        known = empty
        for chunk in chunks(tmp_path / "large.parquet", ["x", "y"]):
            known = known.add(chunk)
            peak = max(peak, pa.total_allocated_bytes() - before)
        peak += tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert known.rows == 1 << 22
    assert peak < size / 4
