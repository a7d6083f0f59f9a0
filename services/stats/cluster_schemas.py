"""What a clustering's request and answer are."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from services.stats.clusters import Linkage
from services.stats.columns import Columns
from services.stats.density_schemas import Seed
from services.stats.mixtures import Shape
from services.stats.replies.answer import COLUMNS, PICTURES
from services.stats.schemas import Name, Number
from services.stats.tables.layout import Layout, TableBody
from shared.openapi import Model

Method = Literal["kmeans", "hierarchical", "gmm"]


class ClusterRequest(TableBody):
    """Rows, as columns."""

    layout: ClassVar[Layout] = Layout("x", form="list")
    offers: ClassVar[Sequence[str]] = (*COLUMNS, *PICTURES)

    x: Columns = Field(description="One array a column, or one array of numbers for a single column")
    names: list[Name] | None = Field(None, description="One name a column of x; else x, or x1, x2, ...")
    method: Method = "kmeans"
    k: Annotated[int, Field(ge=1, le=1000)] | Literal["auto"] = Field(
        "auto", description="Clusters; auto takes the highest silhouette, of gmm the least BIC"
    )
    largest: int = Field(8, ge=1, le=20, description="The most clusters that auto tries")
    height: float | None = Field(
        None, ge=0, le=1e150, description="hierarchical, instead of k: merge what meets at this distance or nearer"
    )
    linkage: Linkage = Field("ward", description="hierarchical: which distance two clusters have")
    shape: Shape = Field("full", description="gmm: what the components' covariances have in common")
    scale: Literal["none", "standard"] = Field(
        "none", description="standard brings each column to variance 1 first; gmm does so by itself"
    )
    starts: int = Field(3, ge=1, le=100, description="kmeans and gmm: attempts, of which the best counts")
    seed: Seed = 0


class MergeTree(BaseModel):
    """One entry a merge, nearest first. `left` and `right` are rows (below n), or merges: n and their place."""

    left: list[int]
    right: list[int]
    height: list[Number] = Field(description="The distance at which they meet")
    size: list[int] = Field(description="The rows below")


class Choice(BaseModel):
    """For one number of clusters that was tried."""

    k: int
    silhouette: Number
    bic: Number = Field(description="Of gmm")


class ClusterAnswer(BaseModel):
    model: Model
    method: Method
    names: list[str]
    n: int
    k: int
    labels: list[int] = Field(description="A row's cluster, from 0, the largest")
    membership: list[Number] | None = Field(description="Of gmm: the chance of each row to be of its cluster")
    sizes: list[int]
    centres: list[list[Number]] = Field(description="The means of the clusters' rows, a row a cluster")
    inertia: Number = Field(description="Sum of squared distances of the rows from their centres")
    silhouette: Number = Field(description="-1..1, higher the clearer; of 5,000 rows at most; null of one cluster")
    tree: MergeTree | None = Field(description="Of hierarchical")
    tried: list[Choice] = Field(description="Of auto")
    warnings: list[str]
