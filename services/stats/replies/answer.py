"""What an operation answers, before it is written in any format."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from services.stats.tables import JSON, TABLES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PNG, SVG = "image/png", "image/svg+xml"
COLUMNS = (JSON, *TABLES)
"""What an answer that is columns may come as; JSON where nothing is said."""
PICTURES = (PNG, SVG)
BOUNDS = ("low", "high")
"""The labels of an interval's two entries."""


@dataclass(frozen=True)
class Answer:
    """`content` is all of it, as JSON has it, `model` and `warnings` among it.

    `columns` are the fields of `content` that make up the table, one entry a row, each with the labels of its second
    axis where it has one: `{"coef": None, "ci": BOUNDS}` becomes the columns coef, ci_low and ci_high, and
    `{"matrix": names}` a column by each name. With `single` there is one row, and each field is its entry. The other
    fields are facts of the whole table. `draw` makes a picture of it, where there is one.
    """

    content: dict[str, Any]
    columns: Mapping[str, Sequence[str] | None] = field(default_factory=dict)
    single: bool = False
    draw: "Callable[[], Figure] | None" = None

    @property
    def model(self) -> str:
        """`name/version`"""
        return "{name}/{version}".format(**self.content["model"])

    @property
    def warnings(self) -> list[str]:
        """Of the whole answer, not of single rows."""
        said = [] if "warnings" in self.columns and not self.single else self.content.get("warnings", [])
        return [each for each in said if isinstance(each, str)]

    @property
    def facts(self) -> dict[str, Any]:
        """What is neither a column nor several of numbers."""
        return {
            name: value
            for name, value in self.content.items()
            if name not in self.columns and not isinstance(value, np.ndarray)
        }

    @property
    def table(self) -> Iterator[tuple[str, Any]]:
        """Names and columns, in order."""
        for name, labels in self.columns.items():
            value = [self.content[name]] if self.single else self.content[name]
            if isinstance(value, dict):
                yield from value.items()
                continue
            if labels is None:
                yield name, value
                continue
            matrix = np.asarray(value, dtype=np.float64).reshape(len(value), len(labels))
            for label, column in zip(labels, matrix.T, strict=True):
                yield (f"{name}_{label}" if labels is BOUNDS else label), column
