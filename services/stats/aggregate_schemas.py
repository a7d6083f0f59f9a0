"""What the stats service reads and answers about aggregates."""

from typing import Annotated, Any, ClassVar

from fastapi import Path
from pydantic import BaseModel, BeforeValidator, Field, model_validator

from services.stats.aggregates.aggregate import MOST_COLUMNS, Aggregate, Kind
from services.stats.columns import OneOrNamed
from services.stats.schemas import Name
from services.stats.tables.layout import Layout, TableBody
from shared.bodies import Body
from shared.openapi import Model

MOST_STATES = 1_000
MOST_TTL_S = 1e9
Kinds = Annotated[
    list[Kind],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    Field(min_length=1, max_length=50, description="What is to be known of the values; the order does not matter"),
]
Id = Annotated[
    str,
    Path(
        pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$",
        description="1 to 128 letters, digits, dots, hyphens and underscores; a letter or digit first",
    ),
]


class DefinitionRequest(Body):
    """What an aggregate is."""

    kind: Kinds
    columns: list[Name] = Field(min_length=1, max_length=MOST_COLUMNS)
    y: Name | None = Field(
        None, description="The response of a regression on all other columns; without it the column y, else the last"
    )
    ttl_s: float | None = Field(
        None, gt=0, le=MOST_TTL_S, description="Seconds without an addition, after which it is forgotten; else never"
    )

    @property
    def aggregate(self) -> Aggregate:
        return Aggregate.of(self.kind, self.columns, self.y)


class ValuesRequest(TableBody):
    """A batch of rows; the columns may also stand at the top, without `values`."""

    layout: ClassVar[Layout] = Layout("values")

    values: OneOrNamed = Field(
        description="All of the aggregate's columns by name, equally long, null where a value is missing; for an "
        "aggregate of one column that array alone will do"
    )

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, content: Any) -> Any:
        if isinstance(content, dict) and content and content.keys() != {"values"}:
            return {"values": content}
        return content


class FoldRequest(TableBody):
    """Values, and what is to be known of them."""

    layout: ClassVar[Layout] = Layout("values")

    kind: Kinds
    values: OneOrNamed = Field(description="Equally long arrays by name, null where missing; or one array, named x")
    y: Name | None = Field(None, description="As in a definition")


class StateRequest(Body):
    """A state, as `state` or `aggregates:fold` answers it."""

    state: dict[str, Any]


class StatesRequest(Body):
    """States of the same kinds and columns."""

    states: list[dict[str, Any]] = Field(min_length=1, max_length=MOST_STATES)


class DefinitionAnswer(BaseModel):
    id: str
    kind: list[Kind]
    columns: list[str]
    y: str | None = Field(None, description="Of a regression")
    ttl_s: float | None = Field(None, description="Where one was given")


class AddedAnswer(BaseModel):
    id: str
    rows: int = Field(description="Of this batch")
    repeated: bool = Field(description="It was counted before, by its Idempotency-Key, and is not counted again")


class StateAnswer(BaseModel):
    """A summary that any Vernier merges and presents. Numbers are as exact as a double; sums are exact."""

    version: int
    kind: list[Kind]
    columns: list[str]
    y: str | None = Field(None, description="Of a regression")
    rows: int
    parts: dict[str, Any] = Field(description="By kind")


class Presented(BaseModel):
    """By kind. Of most kinds one entry a column; null where there is nothing to say a number of."""

    count: dict[str, int] | None = None
    sum: dict[str, float] | None = Field(None, description="Exact, rounded once")
    mean: dict[str, float | None] | None = Field(None, description="Exact, rounded once")
    variance: dict[str, Any] | None = Field(
        None, description="n, mean, variance and sd (over n - 1), population_variance and population_sd (over n)"
    )
    moments: dict[str, Any] | None = Field(None, description="As variance, and skewness (g1) and excess kurtosis (g2)")
    min: dict[str, float | None] | None = None
    max: dict[str, float | None] | None = None
    covariance: dict[str, Any] | None = Field(
        None, description="n rows without a hole, names, mean, matrix (over n - 1) and correlation"
    )
    regression: dict[str, Any] | None = Field(
        None,
        description="Of y on the other columns with an intercept, over n rows without a hole: as /v1/stats/regression",
    )
    quantiles: dict[str, Any] | None = Field(
        None,
        description="n, and value at each rank; each value's true rank is within rank_error of that, with a "
        "probability of 99 %; exact while n is a few hundred",
    )
    distinct: dict[str, Any] | None = Field(
        None,
        description="estimate of the number of different values, within low and high with a probability of 95 %; "
        "exact up to 4,096",
    )


class AggregateAnswer(BaseModel):
    model: Model
    id: str
    kind: list[Kind]
    columns: list[str]
    y: str | None = Field(None, description="Of a regression")
    ttl_s: float | None = Field(None, description="Where one was given")
    rows: int = Field(description="Rows added, holes and all")
    present: Presented


class MergeAnswer(BaseModel):
    model: Model
    state: StateAnswer
    present: Presented
