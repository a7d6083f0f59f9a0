"""Which columns of a table are which fields of a request. A request's schema says so itself, as its `layout`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Literal

from services.stats.tables.reading import JSON
from services.stats.tables.source import FloatArray, Source
from shared.bodies import Body
from shared.errors import FieldError, Malformed, Unprocessable

Query = Sequence[tuple[str, str]]
_SCALARS = frozenset({"string", "number", "integer", "boolean"})


@dataclass(frozen=True)
class Layout:
    """A table as a request.

    `rest` is the field that takes every column which no role names, as `{name: values}`, or with `form` list as a list
    of columns whose names become the field `names`; the query chooses among them with `rest=NAME`, as often as
    wanted. `roles` are the fields that take one column each: the query's `ROLE=NAME` names it, and the text says what
    it is; `required` are those there must be. With `alone` a single column is given without its name. With `by_row`
    a table may hold a series a row: one column of arrays, and one of text, by default, that names them (`id=NAME`).
    `unused` are fields that a table does without.
    Every other field of the request that is a scalar, or a list of scalars separated by commas, is a parameter.
    """

    rest: str
    form: Literal["named", "list"] = "named"
    roles: Mapping[str, str] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    alone: bool = False
    by_row: bool = False
    names: str = "names"
    unused: frozenset[str] = frozenset()

    @property
    def fields(self) -> frozenset[str]:
        """Those that are no parameters: columns fill them, or nothing does."""
        return frozenset({self.rest, *self.roles, *([self.names] if self.form == "list" else []), *self.unused})

    @property
    def choices(self) -> dict[str, str]:
        """The query parameters that name columns, and what they say."""
        rest = f"a column of {self.rest}, as often as there are; else every column that has no other role"
        by_row = {"id": "the column that names the series, where each row holds one"} if self.by_row else {}
        return {**self.roles, self.rest: rest, **by_row}

    def arrange(self, source: Source, query: Query) -> tuple[dict[str, Any], dict[str, str]]:
        """The fields that columns fill, and the parameters that are left of the query."""
        chosen = [(name, value) for name, value in query if name in self.choices]
        parameters = {name: value for name, value in query if name not in self.choices}
        roles = {name: value for name, value in chosen if name != self.rest}
        asked = [value for name, value in chosen if name == self.rest]
        for name in sorted(self.required - roles.keys()):
            raise refuse_parameter(name, f"is missing: it names {self.roles[name]}", Malformed)
        for name, value in chosen:
            if value not in source.names:
                known = ", ".join(list(source.names)[:20])
                raise refuse_parameter(name, f"names no column: {value!r} is none of {known}", Unprocessable)
        taken = set(roles.values())
        wanted = asked or [name for name in source.names if name not in taken]
        if self.by_row and not set(source.nested).isdisjoint(wanted):
            return {self.rest: self._series_by_row(source, wanted, roles)}, parameters
        if "id" in roles and self.by_row:
            raise refuse_parameter("id", "names rows, but no column holds an array a row", Unprocessable)
        if not wanted:
            raise Unprocessable(f"the table has no column left for {self.rest}")
        return self._columns(source, wanted, roles), parameters

    def _columns(self, source: Source, wanted: Sequence[str], roles: Mapping[str, str]) -> dict[str, Any]:
        taken = list(roles.values())
        matrix = source.numbers([*wanted, *taken])
        filled: dict[str, Any] = dict(zip(roles, matrix[len(wanted) :], strict=True))
        matrix = matrix[: len(wanted)]
        if self.form == "list":
            return {**filled, self.rest: list(matrix), self.names: list(wanted)}
        if self.alone and len(wanted) == 1:
            return {**filled, self.rest: matrix[0]}
        return {**filled, self.rest: dict(zip(wanted, matrix, strict=True))}

    def _series_by_row(self, source: Source, wanted: list[str], roles: Mapping[str, str]) -> dict[str, FloatArray]:
        nested = [name for name in wanted if name in source.nested]
        if len(nested) > 1 or len(roles) > ("id" in roles):
            raise Unprocessable(
                f"each row of {nested[0]} is a series: there may be one such column and one that names the rows; "
                f"{', '.join([*nested[1:], *(v for k, v in roles.items() if k != 'id')])} has no place beside it"
            )
        series = source.arrays(nested[0])
        texts = [name for name in source.textual if name in wanted]
        by = roles.get("id") or (texts[0] if len(texts) == 1 else None)
        ids = source.texts(by) if by else [str(k) for k in range(len(series))]
        if len(set(ids)) < len(ids):
            raise Unprocessable(
                f"column {by} names two rows the same", errors=[FieldError(f"/{by}", "ids must differ from row to row")]
            )
        return dict(zip(ids, series, strict=True))


class TableBody(Body):
    """A request that a table may stand for; `offers` are the media types that its answer may have, the first unless
    the client says otherwise."""

    layout: ClassVar[Layout]
    offers: ClassVar[Sequence[str]] = (JSON,)


@cache
def parameters_of(model: type[TableBody]) -> dict[str, dict[str, Any]]:
    """The fields that the query of a table carries, with their schemas."""
    document = model.model_json_schema()
    defined = document.get("$defs", {})
    schemas = {name: _resolved(schema, defined) for name, schema in document["properties"].items()}
    return {name: schema for name, schema in schemas.items() if name not in model.layout.fields and _is_plain(schema)}


def as_value(schema: Mapping[str, Any], text: str) -> str | list[str]:
    """A query's text for a field of this schema: a list where it may be one and is no scalar."""
    kinds = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    listed = [each for each in kinds if each.get("type") == "array"]
    if listed and ("," in text or len(listed) == len(kinds)):
        return [each.strip() for each in text.split(",")]
    return text


def _resolved(schema: Any, defined: Mapping[str, Any]) -> Any:
    """Without references, which hold within one document only."""
    if isinstance(schema, list):
        return [_resolved(each, defined) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _resolved(defined[schema["$ref"].rpartition("/")[2]], defined)
    return {name: _resolved(each, defined) for name, each in schema.items()}


def _is_plain(schema: Mapping[str, Any]) -> bool:
    if "anyOf" in schema:
        return any(_is_plain(each) for each in schema["anyOf"] if each.get("type") != "null")
    if schema.get("type") == "array":
        return _is_plain(schema.get("items", {}))
    return schema.get("type") in _SCALARS or "enum" in schema or "const" in schema


def refuse_parameter(name: str, detail: str, kind: type[Malformed] | type[Unprocessable]) -> Malformed | Unprocessable:
    return kind(f"query {name} {detail}", errors=[FieldError(f"/{name}", detail, "query")])
