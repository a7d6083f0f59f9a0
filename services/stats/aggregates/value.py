"""An aggregate as a plain value, for notebooks, files and clusters: no server, nothing shared, nothing changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from services.stats.aggregates.aggregate import Aggregate, Kind, Summary
from services.stats.aggregates.aggregator import Document
from services.stats.leastsquares import FloatArray

Columns = Mapping[str, FloatArray]


@dataclass(frozen=True, slots=True)
class Value:
    """What an aggregate knows of some rows. It is pickled in a few hundred bytes (more with quantiles and distinct), so
    that it travels from where the rows are to where the answer is wanted.

    >>> import numpy as np
    >>> empty = Value.empty(["count", "mean", "max"], ["speed"])
    >>> monday = empty.add({"speed": np.array([8.2, 8.4])})
    >>> tuesday = empty.add({"speed": np.array([8.9, np.nan])})
    >>> monday.merge(tuesday).present()
    {'count': {'speed': 3}, 'mean': {'speed': 8.5}, 'max': {'speed': 8.9}}

    Over files larger than memory, a chunk at a time (`services.stats.aggregates.files`):

    >>> for chunk in chunks("speeds.parquet", ["speed"]):  # doctest: +SKIP
    ...     value = value.add(chunk)

    Over many processes or machines with Dask, where a bag has files, and a file is folded where it is read:

    >>> bag = dask.bag.from_sequence(paths, npartitions=8)  # doctest: +SKIP
    >>> bag.fold(add_file, Value.merge, initial=empty).compute().present()  # doctest: +SKIP
    """

    aggregate: Aggregate
    summary: Summary

    @classmethod
    def empty(cls, kind: Sequence[Kind], columns: Sequence[str], y: str | None = None) -> "Value":
        """Of no rows. Raises Unprocessable for what is no aggregate."""
        aggregate = Aggregate.of(kind, columns, y)
        return cls(aggregate, aggregate.merge([]))

    @property
    def rows(self) -> int:
        return self.summary.rows

    def add(self, columns: Columns) -> "Value":
        """With more rows: equally long columns by name, NaN where a value is missing."""
        return Value(self.aggregate, self.aggregate.merge([self.summary, self.aggregate.fold(columns)]))

    def add_all(self, chunks: Iterable[Columns]) -> "Value":
        return reduce(Value.add, chunks, self)

    def merge(self, *others: "Value") -> "Value":
        """With the rows of others of the same definition. Raises ValueError for one of another."""
        for other in others:
            if other.aggregate != self.aggregate:
                raise ValueError(f"{other.aggregate.definition} does not merge with {self.aggregate.definition}")
        return Value(self.aggregate, self.aggregate.merge([self.summary, *(each.summary for each in others)]))

    def present(self) -> dict[str, Any]:
        """What each kind says; None where there is no number to give."""
        return self.aggregate.present(self.summary)

    def state(self) -> Document:
        """As `/v1/stats/aggregates/{id}/state` answers it, and `merge` there takes it."""
        return self.aggregate.dump(self.summary)

    def of_state(self, document: Document) -> "Value":
        """The value of a state of this definition. Raises StateFault for anything else."""
        return Value(self.aggregate, self.aggregate.load(document))
