"""The aggregator: a computation that may be cut into parts, done anywhere and in any order, and put together.

As in Algebird's `Aggregator[In, Mid, Out]`: `prepare` takes values to a summary, summaries with `merge` and `zero` are
a commutative monoid, `present` takes a summary to the answer. So the answer of all the values is that of the merged
summaries of any partition of them (exactly, or to the rounding that each aggregator states).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from services.stats.leastsquares import FloatArray

Document = Any
"""What JSON can carry, without loss: a double has 17 digits there."""
M = TypeVar("M")
MOST_ROWS = 1 << 53
"""Of one aggregate: what a double counts exactly."""


class StateFault(ValueError):
    """A document that is no summary; `pointer` says where in it, `detail` what is wrong there."""

    def __init__(self, detail: str, pointer: str = "") -> None:
        super().__init__(f"{pointer} {detail}".strip())
        self.detail = detail
        self.pointer = pointer

    def within(self, part: str | int) -> "StateFault":
        return StateFault(self.detail, f"/{part}{self.pointer}")


class Aggregator(Protocol[M]):
    """Summaries are values: nothing here changes one. `values` are a table (rows, columns) with NaN where a value is
    missing, or of an aggregator of one column its values that are there."""

    @property
    def zero(self) -> M: ...

    def prepare(self, values: FloatArray) -> M: ...

    def merge(self, a: M, b: M) -> M: ...

    def present(self, summary: M) -> Any:
        """Plain types, None where there is no number to give."""

    def dump(self, summary: M) -> Document: ...

    def load(self, document: Document) -> M:
        """The inverse of `dump`. Raises StateFault for anything else."""


class PerColumn(Generic[M]):
    """One aggregator for each column of a table by itself: what is missing in one column is not missing in others."""

    def __init__(self, columns: Sequence[str], each: Aggregator[M]) -> None:
        self.columns = tuple(columns)
        self.each = each

    @property
    def zero(self) -> tuple[M, ...]:
        return (self.each.zero,) * len(self.columns)

    def prepare(self, values: FloatArray) -> tuple[M, ...]:
        return tuple(self.each.prepare(column[~np.isnan(column)]) for column in values.T)

    def merge(self, a: tuple[M, ...], b: tuple[M, ...]) -> tuple[M, ...]:
        return tuple(map(self.each.merge, a, b))

    def present(self, summary: tuple[M, ...]) -> dict[str, Any]:
        return {name: self.each.present(each) for name, each in zip(self.columns, summary, strict=True)}

    def dump(self, summary: tuple[M, ...]) -> Document:
        return {name: self.each.dump(each) for name, each in zip(self.columns, summary, strict=True)}

    def load(self, document: Document) -> tuple[M, ...]:
        fields = object_of(document, self.columns)
        return tuple(_load(self.each, fields[name], name) for name in self.columns)


class Product:
    """Several aggregators of the same table, by name."""

    def __init__(self, parts: Mapping[str, Aggregator[Any]]) -> None:
        self.parts = dict(parts)

    @property
    def zero(self) -> dict[str, Any]:
        return {name: part.zero for name, part in self.parts.items()}

    def prepare(self, values: FloatArray) -> dict[str, Any]:
        return {name: part.prepare(values) for name, part in self.parts.items()}

    def merge(self, a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
        return {name: part.merge(a[name], b[name]) for name, part in self.parts.items()}

    def present(self, summary: dict[str, Any]) -> dict[str, Any]:
        return {name: part.present(summary[name]) for name, part in self.parts.items()}

    def dump(self, summary: dict[str, Any]) -> Document:
        return {name: part.dump(summary[name]) for name, part in self.parts.items()}

    def load(self, document: Document) -> dict[str, Any]:
        fields = object_of(document, tuple(self.parts))
        return {name: _load(part, fields[name], name) for name, part in self.parts.items()}


def _load(aggregator: Aggregator[M], document: Document, name: str) -> M:
    try:
        return aggregator.load(document)
    except StateFault as fault:
        raise fault.within(name) from None


def object_of(document: Document, names: Sequence[str]) -> dict[str, Any]:
    """An object with just these names."""
    if not isinstance(document, dict) or document.keys() != set(names):
        raise StateFault(f"must be an object with {', '.join(names)}")
    return document


def list_of(document: Document, length: int) -> list[Any]:
    if not isinstance(document, list) or len(document) != length:
        raise StateFault(f"must be an array of {length}")
    return document


def count_of(document: Document) -> int:
    if type(document) is not int or not 0 <= document <= MOST_ROWS:
        raise StateFault("must be a whole number of values, 0 or more")
    return document


def number_of(document: Document, *, least: float = -np.inf, most: float = 1e300) -> float:
    """A number not below `least` and of a size up to `most`."""
    if type(document) not in (float, int) or not least <= document or not abs(document) <= most:
        floor = "" if least == -np.inf else f" and not below {least:g}"
        raise StateFault(f"must be a number of a size up to {most:g}{floor}")
    return float(document)


def array_of(document: Document, *shape: int, most: float) -> FloatArray:
    """Numbers of a size up to `most`, one or two levels deep."""
    rows = list_of(document, shape[0])
    if len(shape) == 1:
        return np.array([number_of(each, most=most) for each in rows])
    return np.array([array_of(each, *shape[1:], most=most) for each in rows]).reshape(shape)
