"""An aggregate: the product of the aggregators that its definition names, and its summary as a versioned document."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from services.stats.aggregates.aggregator import Aggregator, Document, PerColumn, Product, StateFault, count_of
from services.stats.aggregates.lines import Lines
from services.stats.aggregates.moments import Covariance, FourMoments, Variance
from services.stats.aggregates.sketches import Distinct, Quantiles
from services.stats.aggregates.sums import Count, Extreme, Mean, Sum
from services.stats.leastsquares import FloatArray
from shared.errors import FieldError, Unprocessable

Kind = Literal[
    "count",
    "sum",
    "mean",
    "variance",
    "moments",
    "min",
    "max",
    "covariance",
    "regression",
    "quantiles",
    "distinct",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
VERSION = 1
"""Of the document. A later version reads those before it."""
LARGEST, SMALLEST = 1e70, 1e-70
"""Numbers beyond these, and not 0, are refused: their fourth powers are out of a double's range."""
MOST_COLUMNS = 50

_EACH: dict[Kind, Callable[[], Aggregator[Any]]] = {
    "count": Count,
    "sum": Sum,
    "mean": Mean,
    "variance": Variance,
    "moments": FourMoments,
    "min": lambda: Extreme(greatest=False),
    "max": lambda: Extreme(greatest=True),
    "quantiles": Quantiles,
    "distinct": Distinct,
}


class Summary(NamedTuple):
    """Of so many rows, whatever is missing in them; `parts` by kind."""

    rows: int
    parts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`kind` in the order of `KINDS`; `y` names the response where `regression` is among them, else it is None."""

    kind: tuple[Kind, ...]
    columns: tuple[str, ...]
    y: str | None = None

    @classmethod
    def of(cls, kind: Sequence[Kind], columns: Sequence[str], y: str | None = None) -> "Aggregate":
        """Without `y` the response is the column of that name, else the last one. Raises Unprocessable."""
        if len(set(columns)) < len(columns):
            raise _refused("/columns", "has a name twice; give each column its own")
        if "regression" not in kind:
            if y is not None:
                raise _refused("/y", "names the response of a regression, which is not among the kinds")
        elif len(columns) < 2:
            raise _refused("/columns", "has one name; a regression needs a response and at least one column beside it")
        else:
            y = y or ("y" if "y" in columns else columns[-1])
            if y not in columns:
                raise _refused("/y", f"is none of the columns: {', '.join(columns)}")
        return cls(tuple(each for each in KINDS if each in kind), tuple(columns), y)

    @property
    def definition(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"kind": list(self.kind), "columns": list(self.columns)}
        return facts if self.y is None else {**facts, "y": self.y}

    @property
    def product(self) -> Product:
        return Product({kind: self._aggregator(kind) for kind in self.kind})

    def _aggregator(self, kind: Kind) -> Aggregator[Any]:
        if kind == "covariance":
            return Covariance(self.columns)
        if kind == "regression":
            assert self.y is not None
            return Lines(self.columns, self.y)
        return PerColumn(self.columns, _EACH[kind]())

    def fold(self, values: Mapping[str, FloatArray]) -> Summary:
        """Of equally long columns by name, NaN where a value is missing. Raises Unprocessable for any others."""
        if values.keys() != set(self.columns):
            raise _refused("/values", f"has columns {_listed(values)}; the aggregate has {_listed(self.columns)}")
        first = self.columns[0]
        for name in self.columns:
            if len(values[name]) != len(values[first]):
                detail = f"has {len(values[name])} entries, {first} has {len(values[first])}: columns are equally long"
                raise _refused(f"/values/{name}", detail)
            _check_range(name, values[name])
        table = np.column_stack([values[name] for name in self.columns])
        return Summary(len(table), self.product.prepare(table))

    def merge(self, summaries: Sequence[Summary]) -> Summary:
        """In their order; of none, that of no rows."""
        product = self.product
        parts = reduce(product.merge, [each.parts for each in summaries], product.zero)
        return Summary(sum(each.rows for each in summaries), parts)

    def present(self, summary: Summary) -> dict[str, Any]:
        """By kind; None where there is no number to give."""
        found: dict[str, Any] = self.product.present(summary.parts)
        return found

    def dump(self, summary: Summary) -> Document:
        head = {"version": VERSION, **self.definition, "rows": summary.rows}
        return {**head, "parts": self.product.dump(summary.parts)}

    def load(self, document: Document) -> Summary:
        """Raises StateFault for a document of another aggregate, or of none."""
        if not isinstance(document, dict):
            raise StateFault("must be an object, as `state` answers it")
        if document.get("version") != VERSION:
            raise StateFault(f"is not {VERSION}, the version that is read here", "/version")
        for name, value in self.definition.items():
            if document.get(name) != value:
                raise StateFault(f"is {document.get(name)!r:.200}; this aggregate's is {value!r:.200}", f"/{name}")
        if unknown := document.keys() - {"version", "kind", "columns", "y", "rows", "parts"}:
            raise StateFault(f"has {_listed(unknown)}, which no state has")
        try:
            rows = count_of(document.get("rows"))
        except StateFault as fault:
            raise fault.within("rows") from None
        try:
            return Summary(rows, self.product.load(document.get("parts")))
        except StateFault as fault:
            raise fault.within("parts") from None


def _check_range(name: str, values: FloatArray) -> None:
    sizes = np.abs(values)
    beyond = (sizes > LARGEST) | ((sizes < SMALLEST) & (sizes > 0))
    if beyond.any():
        place = int(np.argmax(beyond))
        detail = f"is {values[place]:g}; sizes from {SMALLEST:g} to {LARGEST:g} are taken, and 0: use another unit"
        raise _refused(f"/values/{name}/{place}", detail)


def _listed(names: object) -> str:
    shown = [str(each)[:40] for each in names][:20]  # type: ignore[attr-defined]
    return ", ".join(shown) or "none"


def _refused(pointer: str, detail: str) -> Unprocessable:
    return Unprocessable(f"{pointer} {detail}", errors=[FieldError(pointer, detail)])
