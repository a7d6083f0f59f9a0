"""What is read and answered about sessions."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from shared.bodies import Body
from shared.openapi import Model

Item = Annotated[str, Field(min_length=1, max_length=2048)]


class SessionParameters(Body):
    dimensions: int = Field(64, ge=2, le=512, description="Numbers an item, at most")
    window: int = Field(
        5, ge=1, le=20, description="Items so many steps apart are met together; nearer ones count more"
    )
    min_count: int = Field(5, ge=1, le=1_000_000, description="Items that occur less often have no vector")
    method: Literal["ppmi", "word2vec"] = Field(
        "ppmi", description="`word2vec` (skip-gram) where the service has gensim; `ppmi` needs no chance"
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Of `word2vec`; `ppmi` has none of its own")


class SessionsRequest(SessionParameters):
    sessions: list[list[Item]] = Field(min_length=1, description="Each the items of one visit, in their order")


class SessionsAnswer(BaseModel):
    model: Model
    id: str = Field(description="By which the vectors are asked; the same request has the same")
    items: int = Field(description="How many have a vector")
    dimensions: int
    sessions: int
    clicks: int = Field(description="Items of all sessions together")
    log: dict[str, int] | None = Field(
        None, description="Of an access log: its lines, and how many were no page (strange, assets, robots, unserved)"
    )
    warnings: list[str]


class SimilarRequest(Body):
    positive: list[Item] = Field(min_length=1, max_length=100, description="Items to be near")
    negative: list[Item] = Field([], max_length=100, description="Items to be far from: an analogy's minus")
    top: int = Field(10, ge=1, le=1000)


class Near(BaseModel):
    item: str
    cosine: float = Field(ge=-1, le=1)
    count: int = Field(description="How often it occurs in the sessions")


class SimilarAnswer(BaseModel):
    model: Model
    similar: list[Near]


class ItemClusterRequest(Body):
    k: int = Field(ge=1, le=1000)
    projection: Literal["tsne", "pca"] | None = "pca"
    seed: int = Field(0, ge=0, lt=2**32)


class ItemCluster(BaseModel):
    label: int
    size: int
    representatives: list[str] = Field(description="The items nearest to its centre")


class ItemPlane(BaseModel):
    method: Literal["tsne", "pca"]
    x: list[float]
    y: list[float]


class ItemClusterAnswer(BaseModel):
    model: Model
    k: int
    items: list[str]
    labels: list[int] = Field(description="One an item, 0 the largest cluster")
    clusters: list[ItemCluster]
    projection: ItemPlane | None
    silhouette: float | None
    warnings: list[str]
