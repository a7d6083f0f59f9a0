"""Requests as `text/csv`: the first line names the columns, the query has what is no column."""

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from services.stats.aggregate_schemas import FoldRequest, ValuesRequest
from services.stats.schemas import CovarianceRequest, RegressionRequest, TrendRequest
from shared.bodies import Body
from shared.errors import FieldError, Malformed, Unprocessable
from shared.handlers import refusal

MISSING = frozenset({"", "NA"})
"""Fields that stand for a missing value."""

M = TypeVar("M", bound=Body)
Query = Sequence[tuple[str, str]]
Table = dict[str, list[float | None]]


def parse_table(model: type[M], body: bytes, query: Query) -> M:
    """The request that a table and the parameters beside it make up.

    Raises Malformed and Unprocessable, naming the line and column, or the parameter, at fault.
    """
    repeated = {name for name, _ in query if name not in REPEATABLE and sum(name == n for n, _ in query) > 1}
    if repeated:
        raise _parameter(repeated.pop(), "is given more than once; give it once", Malformed)
    columns, parameters = ROLES[model](read_csv(body), query)
    try:
        return model.model_validate({**parameters, **columns})
    except ValidationError as error:
        faults: list[Any] = error.errors(include_url=False, include_input=False, include_context=False)
        of_query = [each for each in faults if each["loc"] and each["loc"][0] in parameters]
        raise refusal(of_query or faults, "query" if of_query else "body") from None


def read_csv(body: bytes) -> Table:
    """Columns by name. Raises Malformed for what is no table of numbers, Unprocessable for one without rows."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"the table is not UTF-8: byte {error.start} cannot be read") from None
    try:
        lines = [(reader.line_num, row) for reader in [csv.reader(io.StringIO(text), strict=True)] for row in reader]
    except csv.Error as error:
        raise Malformed(f"the table is not CSV as RFC 4180 has it: {error}") from None
    lines = [(number, row) for number, row in lines if row]
    if not lines:
        raise Malformed("the table is empty; its first line must name the columns")
    names = [name.strip() for name in lines[0][1]]
    if "" in names or len(set(names)) < len(names):
        shown = ", ".join(repr(name[:40]) for name in names[:20])
        raise Malformed(f"line 1: the columns need names, each its own; they are {shown}")
    if len(lines) == 1:
        raise Unprocessable("the table has names and no rows")
    for number, row in lines[1:]:
        if len(row) != len(names):
            raise Malformed(f"line {number}: {len(row)} fields, but {len(names)} columns are named")
    columns = zip(*(row for _, row in lines[1:]), strict=True)
    numbers = [number for number, _ in lines[1:]]
    return {name: _numbers(name, column, numbers) for name, column in zip(names, columns, strict=True)}


def _numbers(name: str, column: Sequence[str], lines: Sequence[int]) -> list[float | None]:
    values: list[float | None] = []
    for field, line in zip(column, lines, strict=True):
        field = field.strip()
        try:
            values.append(None if field in MISSING else float(field))
        except ValueError:
            detail = f"line {line}, column {name}: {field[:40]!r} is no number; leave a missing one empty"
            raise Malformed(detail, errors=[FieldError(f"/{name}", detail)]) from None
    return values


def _regression(table: Table, query: Query) -> tuple[dict[str, Any], dict[str, str]]:
    """`y` and `weights` name columns, `x` too, as often as wanted; without it x is every other column."""
    parameters = {name: value for name, value in query if name not in ("x", "y", "weights")}
    roles = {name: value for name, value in query if name in ("y", "weights")}
    if "y" not in roles:
        raise _parameter("y", "is missing: it names the column of the response", Malformed)
    chosen = [value for name, value in query if name == "x"]
    x = chosen or [name for name in table if name not in roles.values()]
    if not x:
        raise Unprocessable("the table has no column left for x")
    columns: dict[str, Any] = {role: _column(table, role, name) for role, name in roles.items()}
    return {**columns, "x": [_column(table, "x", name) for name in x], "names": x}, parameters


def _trend(table: Table, query: Query) -> tuple[dict[str, Any], dict[str, str]]:
    """`time` names a column; every other is a series, and one alone is answered as one."""
    parameters = {name: value for name, value in query if name != "time"}
    columns: dict[str, Any] = {name: _column(table, "time", value) for name, value in query if name == "time"}
    times = dict(query).get("time")
    series = {name: values for name, values in table.items() if name != times}
    if not series:
        raise Unprocessable("the table has no column beside time")
    return {**columns, "series": series if len(series) > 1 else next(iter(series.values()))}, parameters


def _covariance(table: Table, query: Query) -> tuple[dict[str, Any], dict[str, str]]:
    return {"columns": table}, dict(query)


def _values(table: Table, query: Query) -> tuple[dict[str, Any], dict[str, str]]:
    return {"values": table}, dict(query)


def _fold(table: Table, query: Query) -> tuple[dict[str, Any], dict[str, str]]:
    """`kind` lists kinds, separated by commas."""
    parameters: dict[str, Any] = dict(query)
    if "kind" in parameters:
        parameters["kind"] = [each.strip() for each in parameters["kind"].split(",")]
    return {"values": table}, parameters


ROLES: dict[type[Body], Callable[[Table, Query], tuple[dict[str, Any], dict[str, str]]]] = {
    RegressionRequest: _regression,
    TrendRequest: _trend,
    CovarianceRequest: _covariance,
    ValuesRequest: _values,
    FoldRequest: _fold,
}
REPEATABLE = frozenset({"x"})


def _column(table: Table, role: str, name: str) -> list[float | None]:
    if name not in table:
        raise _parameter(role, f"names no column: {name!r} is none of {', '.join(list(table)[:20])}", Unprocessable)
    return table[name]


def _parameter(name: str, detail: str, kind: type[Malformed] | type[Unprocessable]) -> Malformed | Unprocessable:
    return kind(f"query {name} {detail}", errors=[FieldError(f"/{name}", detail, "query")])
