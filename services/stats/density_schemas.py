"""What a density's request and answer are."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from services.stats.columns import Columns
from services.stats.density import Rule
from services.stats.mixtures import Shape
from services.stats.replies.answer import COLUMNS, PICTURES
from services.stats.schemas import Name, Number
from services.stats.tables.layout import Layout, TableBody
from shared.openapi import Model

Method = Literal["kde", "gmm"]
Seed = Annotated[int, Field(ge=0, lt=2**32, description="The same seed, the same answer")]
Components = Annotated[int, Field(ge=1, le=50)] | Literal["auto"]


class DensityRequest(TableBody):
    """Rows, as columns, and where their density is asked for."""

    layout: ClassVar[Layout] = Layout("x", form="list", unused=frozenset({"at"}))
    offers: ClassVar[Sequence[str]] = (*COLUMNS, *PICTURES)

    x: Columns = Field(description="One array a column, or one array of numbers for a single column")
    names: list[Name] | None = Field(None, description="One name a column of x; else x, or x1, x2, ...")
    method: Method = Field("kde", description="Kernels, or a mixture of normal distributions")
    bandwidth: Rule | Annotated[float, Field(gt=0, le=1e150)] = Field(
        "scott", description="kde: a rule, or the kernel's standard deviation in every column's unit"
    )
    k: Components = Field("auto", description="gmm: components; auto takes the number with the least BIC")
    largest: int = Field(6, ge=1, le=20, description="gmm: the most components that auto tries")
    shape: Shape = Field("full", description="gmm: what the components' covariances have in common")
    starts: int = Field(3, ge=1, le=100, description="gmm: attempts, of which the best counts")
    seed: Seed = 0
    at: Columns | None = Field(None, description="The columns of x at the points asked for, in the order of x")
    grid: int | None = Field(
        None,
        ge=2,
        le=4096,
        description="Instead: so many points along each axis, over all that has weight; 256 for one column, 50 for "
        "each of two. Of more columns the rows themselves are taken",
    )


class Component(BaseModel):
    weight: float
    mean: list[Number]
    covariance: list[list[Number]]


class Criterion(BaseModel):
    """For one number of components."""

    k: int
    bic: float
    aic: float
    loglik: float


class DensityAnswer(BaseModel):
    model: Model
    method: Method
    names: list[str]
    n: int
    at: dict[str, list[Number]] = Field(description="The points, a column each")
    density: list[Number]
    log_density: list[Number]
    kernel_sd: list[Number] | None = Field(description="Of kde: the kernel's standard deviation in each column")
    kernel_covariance: list[list[Number]] | None
    components: list[Component] | None = Field(description="Of gmm: the heaviest first")
    k: int | None
    criteria: list[Criterion] | None = Field(description="Of gmm: for each number of components that was tried")
    loglik: Number = Field(description="Of gmm: mean over the rows, nats")
    warnings: list[str]
