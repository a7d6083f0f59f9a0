"""CSV as RFC 4180 has it, its first line naming the columns. In a table of one column an empty line is a missing value,
unless nothing follows; in others it is nothing."""

import csv
import io
import re
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]

from services.stats.columns import has_extremes
from services.stats.tables.source import Flat, FloatArray, check_names, check_size, refuse_number
from shared.errors import FieldError, Malformed, Unprocessable

MISSING = ("", "NA")
"""Fields that stand for a missing value."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf(inity)?|nan)", re.ASCII | re.IGNORECASE)
_NAN = re.compile(rb"nan", re.IGNORECASE)


class Delimited(Flat):
    """Read by pyarrow; where that refuses, once more line by line, to say which one is at fault."""

    def __init__(self, body: bytes, most: int) -> None:
        self._body = body[: len(body.rstrip(b"\r\n")) + 1]
        self._most = most
        self._one_column = False
        header = next(self._lines(), None)
        if header is None:
            raise Malformed("the table is empty; its first line must name the columns")
        self._header_lines, fields = header
        self.names = [name.strip() for name in fields]
        self._one_column = len(self.names) == 1
        check_names(self.names, "line 1")

    def numbers(self, names: Sequence[str]) -> FloatArray:
        check_size(self._body.count(b"\n") + self._body.count(b"\r") + 1 - self._header_lines, len(names), self._most)
        try:
            table = self._table(names)
        except pa.ArrowException:
            return self._line_by_line(names)
        if len(table) == 0:
            raise Unprocessable("the table has names and no rows")
        matrix = _matrix(table, names)
        if has_extremes(matrix) or (np.isnan(matrix).any() and _NAN.search(self._body)):
            return self._line_by_line(names)
        return matrix

    def _table(self, names: Sequence[str]) -> pa.Table:
        return pyarrow.csv.read_csv(
            pa.BufferReader(self._body),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False,
                block_size=len(self._body) + 1,
                skip_rows=self._header_lines,
                column_names=self.names,
            ),
            parse_options=pyarrow.csv.ParseOptions(ignore_empty_lines=not self._one_column),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.float64()), include_columns=list(dict.fromkeys(names)),
                null_values=list(MISSING),
            ),
        )  # fmt: skip

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        """The number of each line that is one, and its fields."""
        text = io.TextIOWrapper(io.BytesIO(self._body), encoding="utf-8-sig", newline="")
        reader = csv.reader(text, strict=True)
        try:
            for row in reader:
                if row:
                    yield reader.line_num, row
                elif self._one_column:
                    yield reader.line_num, [""]
        except csv.Error as error:
            raise Malformed(f"line {reader.line_num}: the table is not CSV as RFC 4180 has it: {error}") from None
        except UnicodeDecodeError as error:
            raise Malformed(
                f"the table is not UTF-8: {error.reason} in line {reader.line_num + 1} or near it"
            ) from None

    def _line_by_line(self, names: Sequence[str]) -> FloatArray:
        lines = ((number, fields) for number, fields in self._lines() if number > self._header_lines)
        places = [(name, self.names.index(name)) for name in names]
        rows: list[list[float]] = []
        for line, fields in lines:
            if len(fields) != len(self.names):
                raise Malformed(f"line {line}: {len(fields)} fields, but {len(self.names)} columns are named")
            rows.append([_number(fields[place], name, line, len(rows)) for name, place in places])
        if not rows:
            raise Unprocessable("the table has names and no rows")
        return np.ascontiguousarray(np.array(rows, dtype=np.float64).T)


def _matrix(table: pa.Table, names: Sequence[str]) -> FloatArray:
    batch = table.combine_chunks().to_batches()[0]
    if len(batch.schema) < len(names):  # a column in two roles
        batch = batch.select(list(names))
    matrix: FloatArray = np.ascontiguousarray(batch.to_tensor(null_to_nan=True, row_major=False).to_numpy().T)
    return matrix


def _number(field: str, name: str, line: int, row: int) -> float:
    field = field.strip()
    if field in MISSING:
        return np.nan
    if not _NUMBER.fullmatch(field):
        detail = f"line {line}, column {name}: {field[:40]!r} is no number; leave a missing one empty"
        raise Malformed(detail, errors=[FieldError(f"/{name}/{row}", detail)])
    value = float(field)
    if value != value or has_extremes(np.float64(value)):
        raise refuse_number(name, row, value, f"line {line}")
    return value
