"""What the stats service reads and answers."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from services.stats.columns import Column, Columns, NamedSeries, OneOrNamed
from services.stats.covariance import Estimator, Kind, Missing, Repair
from services.stats.regression import Precision
from services.stats.replies import COLUMNS
from services.stats.tables.layout import Layout, TableBody
from services.stats.tetrachoric import EMPTY
from services.stats.trend import Alternative, Exact
from shared.openapi import Model

Number = float | None
Interval = Annotated[list[Number], Field(min_length=2, max_length=2)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class RegressionRequest(TableBody):
    """Points (x, y), as columns."""

    layout: ClassVar[Layout] = Layout(
        "x",
        form="list",
        roles={"y": "the column of the response", "weights": "the column of weights"},
        required=frozenset({"y"}),
    )
    offers: ClassVar[Sequence[str]] = COLUMNS

    x: Columns = Field(description="One array a column, or one array of numbers for a single column")
    y: Column = Field(description="The response, one number a point")
    names: list[Name] | None = Field(None, description="One name a column of x; else x, or x1, x2, ...")
    weights: Column | None = Field(
        None, description="One positive number a point: proportional to one over the variance of y there"
    )
    degree: int = Field(1, ge=1, le=20, description="Powers 1 to degree of every column; no cross terms")
    intercept: bool = True
    method: Literal["ols"] = Field("ols", description="(Weighted) least squares")
    precision: Precision = Field(
        "default",
        description="`high`: exact arithmetic on the decimals as written, rounded once; for small tables",
    )
    confidence: float = Field(0.95, gt=0, lt=1, description="Coverage of `ci`")


class RegressionAnswer(BaseModel):
    model: Model
    method: Literal["ols"]
    precision: Precision
    names: list[str] = Field(description="The coefficients: intercept, then each column and its powers")
    coef: list[Number] = Field(description="null for a dropped column")
    se: list[Number]
    t: list[Number]
    p: list[Number] = Field(description="Two-sided, Student's t with `df` degrees of freedom")
    ci: list[Interval]
    r2: Number = Field(description="About the mean of y; about zero without an intercept")
    adj_r2: Number
    sigma: Number = Field(description="Residual standard error")
    f: Number = Field(description="All slopes at once")
    f_p: Number
    df: int = Field(description="Residual degrees of freedom: points less rank")
    rank: int
    condition: Number = Field(description="Of the kept columns scaled to unit length, the constant among them")
    dropped: list[str] = Field(description="Columns that are linear combinations of those before them")
    aic: Number = Field(description="As statsmodels: the variance is not counted as a parameter")
    bic: Number
    loglik: Number
    n: int
    warnings: list[str]


class TrendRequest(TableBody):
    """One series, or many by id."""

    layout: ClassVar[Layout] = Layout("series", roles={"time": "the column of times"}, alone=True, by_row=True)
    offers: ClassVar[Sequence[str]] = COLUMNS

    series: OneOrNamed = Field(description="Values in the order of time, null where missing; or an object of such")
    time: Column | None = Field(None, description="One increasing number a value, of every series; else 0, 1, 2, ...")
    method: Literal["original"] = Field("original", description="The Mann-Kendall test for independent values")
    alpha: float = Field(0.05, gt=0, lt=1, description="Significance level; `slope_ci` covers 1 - alpha")
    alternative: Alternative = "two-sided"
    exact: Exact = Field(
        "auto",
        description="p from the permutation distribution: auto for up to 33 values without ties, true for up to 100",
    )


class TrendAnswer(BaseModel):
    """Of one series."""

    model: Model
    trend: Literal["increasing", "decreasing", "no trend"]
    significant: bool
    p: float
    p_method: Literal["exact", "normal"]
    z: Number = Field(description="Normal score of s, with continuity correction")
    s: int = Field(description="Rising pairs less falling ones")
    var_s: float = Field(description="Variance of s under no trend, corrected for ties")
    tau: float = Field(description="Kendall's tau-a, -1..1: s over the number of pairs")
    slope: float = Field(description="Sen's: median slope of all pairs, a unit of time (a step, without times)")
    slope_ci: Interval = Field(description="Gilbert's interval, at 1 - alpha")
    intercept: float = Field(description="median(x) - slope median(t): the line's value at time 0")
    n: int = Field(description="Values that are there")
    n_missing: int
    warnings: list[str]


class TrendsAnswer(BaseModel):
    """Of many series, one entry an id; null where a series is too short to be tested."""

    model: Model
    id: list[str]
    trend: list[Literal["increasing", "decreasing", "no trend"] | None]
    significant: list[bool | None]
    p: list[Number]
    p_method: list[Literal["exact", "normal"] | None]
    z: list[Number]
    s: list[int | None]
    var_s: list[Number]
    tau: list[Number]
    slope: list[Number]
    slope_ci: list[Interval]
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
