"""What the stats service reads and answers about regression."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, Field

from services.stats.columns import Column, Columns, Series
from services.stats.regression_options import Method, Precision
from services.stats.replies import COLUMNS, PICTURES
from services.stats.sandwich import Covariance
from services.stats.schemas import Interval, Name, Number
from services.stats.tables.layout import Layout, TableBody
from shared.openapi import Model

_ROLES = {"y": "the column of the response", "weights": "the column of weights"}


class FitRequest(TableBody):
    """Columns, and how to fit them."""

    offers: ClassVar[Sequence[str]] = COLUMNS

    x: Columns = Field(description="One array a column, or one array of numbers for a single column")
    names: list[Name] | None = Field(None, description="One name a column of x; else x, or x1, x2, ...")
    weights: Column | None = Field(
        None, description="One positive number a point: proportional to one over the variance of y there"
    )
    degree: int = Field(1, ge=1, le=20, description="Powers 1 to degree of every column; no cross terms")
    intercept: bool = True
    method: Method = Field(
        "ols",
        description="(Weighted) least squares; with a penalty (ridge); M-estimates that outliers of y move little "
        "(huber) or not at all (tukey); lines through medians of slopes (theil_sen, siegel), over one column",
    )
    alpha: float | None = Field(
        None,
        ge=0,
        le=1e150,
        description="Of ridge, which needs it: what the squares of the slopes weigh, in the units of x and y, against "
        "the squares of the residuals; the intercept is free",
    )
    covariance: Covariance = Field(
        "nonrobust",
        description="Of the coefficients: HC0 to HC3 do not take the errors to have one variance, HAC neither that nor "
        "that they are independent, in the order given",
    )
    lag: int | None = Field(
        None, ge=0, le=100_000, description="Of HAC, with Bartlett's weights; floor(4 (n / 100)^(2/9)) without it"
    )
    precision: Precision = Field(
        "default",
        description="`high`: exact arithmetic on the decimals as written, rounded once; for small tables, by ols",
    )
    confidence: float = Field(0.95, gt=0, lt=1, description="Coverage of intervals")


class RegressionRequest(FitRequest):
    """Points (x, y), as columns."""

    layout: ClassVar[Layout] = Layout("x", form="list", roles=_ROLES, required=frozenset({"y"}))
    offers: ClassVar[Sequence[str]] = (*COLUMNS, *PICTURES)

    y: Column = Field(description="The response, one number a point")
    influence: bool = Field(False, description="Of each point on its own fit, by ols")


class PredictionRequest(FitRequest):
    """Points (x, y) to fit, and where to predict."""

    layout: ClassVar[Layout] = Layout(
        "x", form="list", roles=_ROLES, required=frozenset({"y"}), unused=frozenset({"at"})
    )

    y: Series = Field(
        description="The response, one number a point; without `at` it is null where it is to be predicted"
    )
    at: Columns | None = Field(None, description="The columns of x at other points, in the order of x")


class InfluenceAnswer(BaseModel):
    """One entry a point; null for one that alone determines a coefficient."""

    leverage: list[Number] = Field(description="Its weight in its own fit, 0..1: the hat matrix's diagonal")
    cooks_distance: list[Number]
    standardized: list[Number] = Field(description="The residual over its standard error")
    studentized: list[Number] = Field(description="As standardized, by the sigma of the other points")


class FitFacts(BaseModel):
    model: Model
    method: Method
    covariance: Covariance
    precision: Precision


class RegressionAnswer(FitFacts):
    names: list[str] = Field(description="The coefficients: intercept, then each column and its powers")
    coef: list[Number] = Field(description="null for a dropped column")
    se: list[Number] = Field(
        description="By `covariance`; of ridge around its own mean, its bias left out; of huber and tukey as the "
        "number of points grows; none of theil_sen and siegel"
    )
    t: list[Number]
    p: list[Number] = Field(description="Two-sided, Student's t with `df` degrees of freedom")
    ci: list[Interval] = Field(description="As p; of theil_sen Sen's, of the slope alone")
    r2: Number = Field(description="About the mean of y; about zero without an intercept; of ols and ridge alone")
    adj_r2: Number
    sigma: Number = Field(
        description="Residual standard error; of other methods than ols and ridge the median absolute residual, over "
        "0.6745: what it is of normal errors"
    )
    f: Number = Field(description="All slopes at once, by `covariance`; none of ridge, theil_sen and siegel")
    f_p: Number
    df: int | float = Field(description="Residual degrees of freedom: points less rank; of ridge less the hat's trace")
    rank: int
    condition: Number = Field(
        description="Of the kept columns scaled to unit length, the constant and the rows of ridge's penalty among them"
    )
    dropped: list[str] = Field(description="Columns that are linear combinations of those before them")
    aic: Number = Field(description="As statsmodels: the variance is not counted as a parameter; of ols and ridge")
    bic: Number
    loglik: Number
    n: int
    lag: int | None = Field(description="Of HAC")
    iterations: int | None = Field(description="Of huber and tukey")
    influence: InfluenceAnswer | None = Field(description="Where it was asked for")
    warnings: list[str]


class PredictionAnswer(FitFacts):
    """One entry a point of `at`."""

    y: list[Number]
    se: list[Number] = Field(description="Of the mean response there, by `covariance`")
    ci: list[Interval] = Field(description="Of the mean response; none of theil_sen and siegel")
    pi: list[Interval] = Field(description="Of a new observation of weight 1, its error normal; as `ci`")
    names: list[str]
    coef: list[Number]
    sigma: Number
    df: int | float
    n: int = Field(description="Points fitted")
    warnings: list[str]
