"""What factor analysis reads and answers."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from services.stats.boltzmann import Training
from services.stats.columns import NamedSeries
from services.stats.covariance import Missing
from services.stats.matrices import Matrix
from services.stats.replies.answer import COLUMNS
from services.stats.rotations import Rotation
from services.stats.schemas import Name, Number
from services.stats.tables.layout import Layout, TableBody
from shared.openapi import Model

Method = Literal["pa", "ml", "rbm"]
Correlation = Literal["pearson", "spearman", "tetrachoric"]
Rows = list[list[Number]]


class FactorsRequest(TableBody):
    """A table as columns by name, or the matrix of their correlations."""

    layout: ClassVar[Layout] = Layout("columns", unused=frozenset({"matrix", "names", "n"}))
    offers: ClassVar[Sequence[str]] = COLUMNS

    columns: NamedSeries | None = Field(None, description="Equally long arrays by name, null where missing")
    matrix: Matrix | None = Field(
        None, description="Instead of columns: their correlations, or covariances, which are brought to correlations"
    )
    names: list[Name] | None = Field(None, description="One a row of `matrix`; else x1, x2, ...")
    n: int | None = Field(None, ge=3, le=10**12, description="Rows behind `matrix`, for the test of ml")
    method: Method = Field(
        "pa", description="Principal axes, maximum likelihood, or a restricted Boltzmann machine of binary columns"
    )
    n_factors: int = Field(1, ge=1, le=200, description="Factors, or the machine's hidden units")
    rotation: Rotation = Field("none", description="promax and oblimin let factors correlate")
    kaiser: bool = Field(True, description="Rotate with each row of loadings brought to unit length, then back")
    gamma: float = Field(0.0, ge=-10, le=0, description="oblimin's: 0 is quartimin, less is more nearly orthogonal")
    correlation: Correlation = "pearson"
    missing: Missing = Field(
        "reject", description="listwise leaves out rows with a null; pairwise uses each pair's own rows"
    )
    training: Training = Field(
        "auto",
        description="rbm: exact climbs the likelihood, with up to 10 units of the kind of which there are fewer; "
        "cd and pcd sample; auto is exact where it can be, else pcd",
    )
    epochs: int = Field(200, ge=1, le=10_000, description="rbm: passes over the rows; of exact, steps at most")
    learning_rate: float = Field(0.05, gt=0, le=1, description="rbm, cd and pcd: falls to 0 over the second half")
    steps: int = Field(1, ge=1, le=100, description="rbm, cd and pcd: Gibbs steps a gradient")
    batch: int = Field(100, ge=1, le=10_000, description="rbm, cd and pcd: rows a gradient")
    decay: float = Field(1e-4, ge=0, le=1, description="rbm: pull of the weights towards 0")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    activations: bool = Field(False, description="rbm: answer `hidden` and `row_loglik` as well")


class FitAnswer(BaseModel):
    """That so many factors suffice: chi-squared with Bartlett's correction."""

    chi2: float
    df: int
    p: float


class FactorsAnswer(BaseModel):
    """Of pa and ml."""

    model: Model
    method: Literal["pa", "ml"]
    rotation: Rotation
    names: list[str]
    n: int | None
    n_factors: int
    loadings: Rows = Field(description="A row a column of the table; of oblique rotations the pattern")
    communalities: list[Number] = Field(description="Share of each column's variance that the factors explain")
    uniqueness: list[Number]
    variance: list[Number] = Field(description="What each factor explains, in columns' worth of variance")
    proportion: list[Number]
    cumulative: list[Number]
    eigenvalues: list[Number] = Field(description="Of the correlations, falling")
    rotation_matrix: Rows = Field(description="Brings the unrotated loadings to these")
    factor_correlations: Rows | None = Field(description="Of oblique rotations")
    heywood: list[str] = Field(description="Columns whose uniqueness came to its bound, so that the model misfits")
    fit: FitAnswer | None = Field(description="Of ml with pearson, where the rows are known and there is df to spare")
    rmsr: Number = Field(description="Root mean square of the correlations that are left")
    iterations: int
    converged: bool
    matrix: Rows = Field(description="The correlations that were analysed")
    warnings: list[str]


class BoltzmannAnswer(BaseModel):
    """Of rbm: p(v, h) is proportional to exp(v'visible_bias + h'hidden_bias + v' weights h)."""

    model: Model
    method: Literal["rbm"]
    training: Training
    names: list[str]
    n: int
    n_factors: int
    weights: Rows = Field(description="A row a column of the table, a column a hidden unit")
    visible_bias: list[Number]
    hidden_bias: list[Number]
    loglik: Number = Field(description="Mean over rows, nats; null with more than 20 units of both kinds")
    loglik_bound: Number = Field(description="What no model of these rows exceeds: less the entropy of their patterns")
    log_partition: Number
    converged: bool | None = Field(description="Of exact training")
    row_loglik: list[Number] | None = Field(description="Where `activations` are asked for; nats")
    hidden: Rows | None = Field(description="Where asked for: each row's chances of the hidden units to be on")
    warnings: list[str]
