"""Arrow's typed columns as doubles: what Arrow streams and Parquet files have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import accumulate, chain, pairwise

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from services.stats.columns import has_extremes
from services.stats.tables.source import FloatArray, check_names, check_numbers, check_series, check_size, refuse_number
from shared.errors import FieldError, Malformed, Unprocessable

_TICKS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
LONGEST_TEXT = 1_000
"""Bytes of a text that names a row. One text in a dictionary may stand for many rows."""
_FEW_COLUMNS = 1_000
"""Each takes 3 us on its own; in a table of more all are taken at once, where they are alike."""
DAY_S = 86_400.0
READ = "numbers, booleans, decimals, dates, times and durations, as such or in a dictionary"
_Types = pa.types


class Typed(ABC):
    """A table of typed columns. Times become seconds (since 1970 UTC, where they are points in time), true 1; null and
    NaN are missing."""

    def __init__(self, schema: pa.Schema, most: int) -> None:
        self._most = most
        self.names: list[str] = list(schema.names)
        check_names(self.names, "the schema")
        self._types: dict[str, pa.DataType] = dict(zip(self.names, schema.types, strict=True))

    @property
    @abstractmethod
    def rows(self) -> int:
        """As the file says, before it is read."""

    @abstractmethod
    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """With these columns, in this order; checked, so that reading them is safe."""

    @cached_property
    def nested(self) -> Sequence[str]:
        return self._of(is_list)

    @cached_property
    def textual(self) -> Sequence[str]:
        return self._of(is_text)

    def _of(self, is_such: Callable[[pa.DataType], bool]) -> list[str]:
        kinds = {kind for kind in set(self._types.values()) if is_such(kind)}
        return [name for name, kind in self._types.items() if kind in kinds] if kinds else []

    def numbers(self, names: Sequence[str]) -> FloatArray:
        check_size(self.rows, len(names), self._most)
        once = list(dict.fromkeys(names))
        refused = {kind for kind in {self._types[name] for name in once} if not is_number(kind)}
        if refused:
            name = next(name for name in once if self._types[name] in refused)
            raise _refuse_type(name, self._types[name])
        matrix = self._matrix(once)
        if len(once) < len(names):  # a column in two roles
            matrix = matrix[[once.index(name) for name in names]]
        return check_numbers(matrix, names)

    def _matrix(self, names: Sequence[str]) -> FloatArray:
        batches = (batch for batch in self.batches(names) if len(batch))
        first = next(batches, None)
        if first is None:
            raise Unprocessable("the table has names and no rows")
        if len(first) == self.rows and len(names) > _FEW_COLUMNS and _are_alike(first.schema):
            tensor = first.to_tensor(null_to_nan=True, row_major=False)
            return np.ascontiguousarray(tensor.to_numpy().T, dtype=np.float64)
        matrix = np.empty((len(names), self.rows))
        place = 0
        for batch in chain([first], batches):
            if place + len(batch) <= self.rows:
                for row, column in zip(matrix, batch.columns, strict=True):
                    row[place : place + len(batch)] = floats(column)
            place += len(batch)
        if place != self.rows:
            raise Malformed(f"the table says that it has {self.rows:,} rows, and has {place:,}")
        return matrix

    def arrays(self, name: str) -> list[FloatArray]:
        check_series(self.rows, name)
        if not is_number(self._types[name].value_type):
            raise _refuse_type(name, self._types[name])
        series: list[FloatArray] = []
        values = 0
        for batch in self.batches([name]):
            column = batch.column(0)
            if column.null_count:
                raise _refuse_row(name, len(series) + int(np.argmax(column.is_null().to_numpy(False))), "is null")
            values += len(column.flatten())
            check_size(values, 1, self._most)
            series += _series(column, name, len(series))
        if not series:
            raise Unprocessable("the table has names and no rows")
        return series

    def texts(self, name: str) -> list[str]:
        check_series(self.rows, name)
        texts: list[str] = []
        for batch in self.batches([name]):
            column = batch.column(0)
            if not is_text(column.type) and not _Types.is_integer(column.type):
                raise Unprocessable(f"column {name} is of type {column.type}; rows are named by text or integers")
            if column.null_count:
                raise _refuse_row(name, len(texts) + int(np.argmax(column.is_null().to_numpy(False))), "is null")
            words = column.dictionary if _Types.is_dictionary(column.type) else column
            if is_text(words.type) and (pc.max(pc.binary_length(words)).as_py() or 0) > LONGEST_TEXT:
                raise Unprocessable(f"column {name} has texts of more than {LONGEST_TEXT:,} bytes, too long for names")
            texts += column.cast(pa.string()).to_pylist()
        return texts


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Arrow's complaints as Malformed."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, IndexError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise Malformed(f"the body is no whole {what}: {said}") from None


def is_number(kind: pa.DataType) -> bool:
    if _Types.is_dictionary(kind):
        return not _Types.is_dictionary(kind.value_type) and is_number(kind.value_type)
    return bool(
        _Types.is_integer(kind) or _Types.is_floating(kind) or _Types.is_boolean(kind) or _Types.is_decimal(kind)
        or (_Types.is_temporal(kind) and not _Types.is_interval(kind)) or _Types.is_null(kind)
    )  # fmt: skip


def is_text(kind: pa.DataType) -> bool:
    if _Types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(_Types.is_string(kind) or _Types.is_large_string(kind) or _Types.is_string_view(kind))


def is_list(kind: pa.DataType) -> bool:
    return bool(_Types.is_list(kind) or _Types.is_large_list(kind) or _Types.is_fixed_size_list(kind))


def floats(array: pa.Array) -> FloatArray:
    """Any array that `is_number`, as doubles, NaN where null."""
    kind = array.type
    if _Types.is_dictionary(kind):
        return floats(array.dictionary_decode())
    if kind == pa.float64():
        values: FloatArray = array.to_numpy(zero_copy_only=False)
        return values
    scale = 1.0
    if _Types.is_boolean(kind):
        array = array.cast(pa.uint8())
    elif _Types.is_date32(kind):
        array, scale = array.cast(pa.int32()), 1 / DAY_S
    elif _Types.is_temporal(kind):
        scale = _TICKS["ms" if _Types.is_date64(kind) else kind.unit]
        array = array.cast(pa.int32() if _Types.is_time32(kind) else pa.int64())
    values = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return values / scale if scale != 1 else values


def _are_alike(schema: pa.Schema) -> bool:
    """Whether all columns may be taken at once."""
    kinds = set(schema.types)
    return len(kinds) == 1 and kinds <= {pa.float64(), pa.float32(), pa.int64(), pa.int32()}


def _series(column: pa.Array, name: str, first: int) -> list[FloatArray]:
    """Its entries, the first of which stands in row `first`."""
    values = np.ascontiguousarray(floats(column.flatten()), dtype=np.float64)
    if _Types.is_fixed_size_list(column.type):
        lengths = np.full(len(column), column.type.list_size)
    else:
        lengths = column.value_lengths().to_numpy()
    if np.any(lengths == 0):
        raise _refuse_row(name, first + int(np.argmin(lengths)), "is empty")
    ends = np.cumsum(lengths)
    if has_extremes(values):
        place = next(k for k, value in enumerate(values) if has_extremes(value))
        row = int(np.searchsorted(ends, place, side="right"))
        raise refuse_number(name, first + row, float(values[place]), f"row {first + row + 1}")
    return [values[start:end] for start, end in pairwise(accumulate(lengths.tolist(), initial=0))]


def _refuse_type(name: str, kind: pa.DataType) -> Unprocessable:
    detail = f"is of type {str(kind)[:100]}, no number; read are {READ}. Leave it out, or name the columns to be used"
    return Unprocessable(f"column {name} {detail}", errors=[FieldError(f"/{name}", detail)])


def _refuse_row(name: str, row: int, detail: str) -> Unprocessable:
    return Unprocessable(f"row {row + 1}, column {name} {detail}", errors=[FieldError(f"/{name}/{row}", detail)])
