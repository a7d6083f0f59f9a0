"""What the stats service reads and answers."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from services.stats.columns import Column, NamedSeries, OneOrNamed
from services.stats.covariance import Estimator, Kind, Missing, Repair
from services.stats.replies import COLUMNS, PICTURES
from services.stats.significance import Alternative, Verdict
from services.stats.tables.layout import Layout, TableBody
from services.stats.tetrachoric import EMPTY
from services.stats.trend import MAX_POINTS, Discoveries, Exact, Method
from shared.openapi import Model

Number = float | None
Name = Annotated[str, Field(min_length=1, max_length=200)]
Interval = Annotated[list[Number], Field(min_length=2, max_length=2)]


class TrendRequest(TableBody):
    """One series, or many by id."""

    layout: ClassVar[Layout] = Layout("series", roles={"time": "the column of times"}, alone=True, by_row=True)
    offers: ClassVar[Sequence[str]] = (*COLUMNS, *PICTURES)

    series: OneOrNamed = Field(description="Values in the order of time, null where missing; or an object of such")
    time: Column | None = Field(
        None,
        description="One increasing number a value, of every series; else 0, 1, 2, ... Equal steps where the method "
        "takes autocorrelation into account",
    )
    method: Method = Field(
        "original",
        description="original, for independent values; hamed_rao and yue_wang, whose variance of s allows for "
        "autocorrelation; pre_whitening and trend_free_pre_whitening, which take it out of the values; seasonal and "
        "correlated_seasonal, which compare within seasons. Each of these tests every series. One test of all series "
        "together: multivariate, regional (of sites), correlated_multivariate; and partial, of the first of two series "
        "given the second",
    )
    lag: int | None = Field(
        None, ge=1, description="hamed_rao and yue_wang: how many lags of autocorrelation count; all without"
    )
    period: int | None = Field(
        None, ge=2, le=MAX_POINTS, description="The seasonal methods: how many values make a cycle; 12 without"
    )
    alpha: float = Field(0.05, gt=0, lt=1, description="Significance level; `slope_ci` covers 1 - alpha")
    alternative: Alternative = "two-sided"
    exact: Exact = Field(
        "auto",
        description="p from the permutation distribution, of the original test: auto for up to 33 values without ties, "
        "true for up to 100",
    )
    slope_ci: bool = Field(True, description="Whether to say the slope's interval; without it is null")
    fdr: Discoveries = Field(
        "none",
        description="bh: `q` is p adjusted for the number of series (Benjamini and Hochberg 1995), and `trend` and "
        "`significant` go by it",
    )


class TrendAnswer(BaseModel):
    """Of one series, or of all together."""

    model: Model
    method: Method
    trend: Verdict
    significant: bool
    p: float
    p_method: Literal["exact", "normal"]
    q: Number = Field(description="p adjusted for the number of series; null without fdr")
    z: Number = Field(
        description="Normal score of s, with continuity correction but for partial and correlated methods"
    )
    s: float = Field(description="Rising pairs less falling ones: a whole number but for partial")
    var_s: float = Field(description="Variance of s under no trend, corrected for ties, as the method has it")
    tau: float = Field(description="Kendall's tau-a, -1..1: s over the number of pairs")
    tau_b: Number = Field(description="Kendall's tau-b: ties do not count; null for a constant series")
    slope: float = Field(
        description="Sen's: median slope of all pairs, a unit of time (a step, without times; a cycle, if seasonal)"
    )
    slope_ci: Interval | None = Field(description="Gilbert's interval, at 1 - alpha")
    intercept: float = Field(description="median(x) - slope median(t): the line's value at time 0")
    n: int = Field(description="Values that are there")
    n_missing: int
    warnings: list[str]


class TrendsAnswer(BaseModel):
    """Of many series, one entry an id; null where a series is too short to be tested."""

    model: Model
    method: Method
    id: list[str]
    trend: list[Verdict | None]
    significant: list[bool | None]
    p: list[Number]
    p_method: list[Literal["exact", "normal"] | None]
    q: list[Number]
    z: list[Number]
    s: list[int | None]
    var_s: list[Number]
    tau: list[Number]
    tau_b: list[Number]
    slope: list[Number]
    slope_ci: list[Interval | None]
    intercept: list[Number]
    n: list[int]
    n_missing: list[int]
    warnings: list[list[str]]


class CovarianceRequest(TableBody):
    """A table, as columns by name."""

    layout: ClassVar[Layout] = Layout("columns")
    offers: ClassVar[Sequence[str]] = COLUMNS

    columns: NamedSeries = Field(description="Equally long arrays by name, null where missing")
    kind: Kind = Field("covariance", description="kendall is tau-b; tetrachoric takes columns of two values each")
    estimator: Estimator = Field(
        "sample",
        description="Divide by n - 1 (sample) or n (mle); shrink (ledoit_wolf, oas), or trust the closest half of the "
        "rows (mcd): covariance and pearson only",
    )
    missing: Missing = Field(
        "reject", description="listwise leaves out rows with a null; pairwise uses each pair's own rows"
    )
    repair: Repair = Field(
        "nearest",
        description="Of a matrix that is not positive semidefinite: the nearest correlation matrix in its place, the "
        "variances kept; or none, and only a warning",
    )
    empty_cells: float = Field(
        EMPTY, ge=0, le=1, description="What tetrachoric counts an empty cell of two columns' table as"
    )


class CovarianceAnswer(BaseModel):
    model: Model
    kind: Kind
    estimator: Estimator
    names: list[str]
    matrix: list[list[Number]] = Field(description="Symmetric; null where undefined")
    n: int = Field(description="Rows used; with pairwise, rows given")
    counts: list[list[int]] | None = Field(description="Rows behind each entry, where a table has holes taken pairwise")
    se: list[list[Number]] | None = Field(description="Standard errors of tetrachoric correlations, before any repair")
    shrinkage: Number = Field(description="Weight of the multiple of the identity, of ledoit_wolf and oas")
    support: int | None = Field(description="Rows that the estimate rests upon, of mcd")
    repaired: bool = Field(description="Whether the nearest matrix stands in the estimate's place")
    warnings: list[str]
