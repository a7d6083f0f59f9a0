"""What clustering reads and answers."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from services.text.schemas import Texts
from shared.bodies import Body
from shared.openapi import Model

Projection = Literal["tsne", "pca", "umap"]


def _cluster_count(value: Any) -> Any:
    if value == "auto":
        return value
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool) and value < 1):
        raise PydanticCustomError("value_error", "must be 1 or more, or 'auto'")
    if not isinstance(value, int) or isinstance(value, bool):
        raise PydanticCustomError("k_type", "must be a whole number or 'auto'")
    return value


ClusterCount = Annotated[
    Any,
    BeforeValidator(_cluster_count),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "const": "auto"}]}),
]
Seconds = Annotated[float, Field(ge=-1e12, le=1e12)]
Time = Seconds | Annotated[str, Field(max_length=40)] | None
Speaker = Annotated[str, Field(max_length=200)] | None


class ClusterRequest(Body):
    texts: Texts = Field(description="Texts to group; `[crosstalk 00:58:01]` and the like are not read")
    speakers: list[Speaker] | None = Field(None, description="Who says each text; null where that is not known")
    times: list[Time] | None = Field(
        None,
        description="When each is said: seconds, `mm:ss`, `hh:mm:ss`, or dates by ISO 8601; null where not known",
    )
    method: Literal["kmeans", "agglomerative", "gmm", "hdbscan"] = Field(
        "kmeans",
        description="`kmeans`; `agglomerative`, with its merge tree; `gmm`, a Gaussian mixture with probabilities and "
        "BIC; `hdbscan`, dense parts and noise",
    )
    k: ClusterCount = Field(
        "auto", description="Clusters; `auto` tries up to `k_max` and answers the curve. Not for `hdbscan`"
    )
    k_max: int = Field(28, ge=2, le=100, description="The largest k that `auto` tries; never more than half the texts")
    linkage: Literal["ward", "average", "complete", "single"] = Field(
        "ward", description="For `agglomerative`: what the distance of two groups is"
    )
    distance_threshold: float | None = Field(
        None, gt=0, description="For `agglomerative`, instead of `k`: groups this far apart or farther are not merged"
    )
    covariance: Literal["diag", "tied"] = Field(
        "diag", description="For `gmm`: variances of each cluster, or one covariance matrix for all"
    )
    min_cluster_size: int = Field(5, ge=2, description="For `hdbscan`: texts of the smallest cluster")
    min_words: int = Field(1, ge=1, description="Texts of fewer words are left out, with label -1")
    projection: Projection | None = Field("pca", description="The plane that the texts are drawn on")
    bins: int = Field(12, ge=1, le=200, description="With `times`: equal spans of time that texts are counted in")
    seed: int = Field(0, ge=0, lt=2**32, description="The same request with the same seed has the same answer")


class TranscriptRequest(ClusterRequest):
    """What a transcript is read as: a row may have no text, and keeps its place."""

    texts: list[str] = Field(min_length=1)


class Representative(BaseModel):
    index: int = Field(description="Position in `texts`")
    text: str
    speaker: str | None = None
    time_s: float | None = None


class Cluster(BaseModel):
    label: int
    size: int
    terms: list[str] = Field(description="Words that set it apart (class-based TF-IDF), heaviest first; at most 10")
    term_weights: list[float] = Field(description="tf / |c| * log(1 + A / f) of each term")
    representatives: list[Representative] = Field(description="The texts nearest to its centre; at most 3")


class Points(BaseModel):
    """One point a text; null for texts left out. Near means alike; the axes have no unit."""

    method: Projection
    x: list[float | None]
    y: list[float | None]


class CurvePoint(BaseModel):
    k: int
    silhouette: float | None = Field(description="Cosine, -1..1; null for k = 1")
    stability: float | None = Field(
        description="Mean adjusted Rand index between groups of all texts and of samples of 80 %; null for k = 1"
    )
    bic: float | None = Field(None, description="For `gmm`: lower is better")


class AssignRequest(Body):
    texts: Texts = Field(description="Texts to give a cluster; those of fewer words than the clustering's are left out")
    draw: bool = Field(True, description="Place them on the clustering's plane too")


class AssignResponse(BaseModel):
    model: Model = Field(description="The sentence model")
    id: str
    labels: list[int] = Field(description="One a text; -1 for noise and texts left out")
    distance: list[float | None] = Field(
        description="Cosine distance of each text to the centre of its cluster; null for texts left out"
    )
    probability: list[float | None] | None = Field(description="For `gmm`: that each text belongs to its cluster")
    outliers: list[int] = Field(description="Positions in `texts` of noise, and of those far beyond their cluster")
    projection: Points | None
    warnings: list[str]


class MergeTree(BaseModel):
    """The merges of an agglomerative clustering, lowest first. Node i below the number of leaves is the text
    `leaves[i]`; merge j makes node len(leaves) + j.
    """

    leaves: list[int] = Field(description="Positions in `texts`")
    left: list[int]
    right: list[int]
    height: list[float] = Field(description="Ward: Euclidean; other linkages: cosine distance, 0..2")
    size: list[int] = Field(description="Texts below the merge")
    order: list[int] = Field(description="Positions in `texts` from left to right, so that no two branches cross")


class OverTime(BaseModel):
    start_s: list[float]
    end_s: list[float]
    counts: list[list[int]] = Field(description="A row a cluster, a column a span of time")


class BySpeaker(BaseModel):
    speakers: list[str] = Field(description="In the order that they first speak; at most 200")
    counts: list[list[int]] = Field(description="A row a cluster, a column a speaker")


class ClusterResponse(BaseModel):
    model: Model = Field(description="The sentence model")
    id: str | None = Field(None, description="With `keep`: what new texts can be assigned under")
    method: str
    k: int
    labels: list[int] = Field(
        description="One a text: 0, the largest cluster, to k - 1; -1 for noise and texts left out"
    )
    distance: list[float | None] = Field(
        description="Cosine distance of each text to the centre of its cluster, of noise to the nearest one; null if "
        "left out"
    )
    probability: list[float | None] | None = Field(
        description="For `gmm` and `hdbscan`: that each text belongs to its cluster, 0..1"
    )
    outliers: list[int] = Field(
        description="Positions in `texts` of noise, and of those farther from their centre than the cluster's median "
        "distance by 3.5 / 0.6745 times the median absolute deviation"
    )
    clusters: list[Cluster]
    projection: Points | None
    silhouette: float | None = Field(description="Mean over the texts, cosine, -1..1; null for one cluster")
    curve: list[CurvePoint] | None = Field(description="With k `auto`: each k that was tried")
    dimensions: int | None = Field(
        description="Principal components that `gmm` and `hdbscan` work in; null where the vectors themselves are used"
    )
    tree: MergeTree | None = Field(description="For `agglomerative`")
    speakers: list[str | None] | None = Field(description="As sent")
    time_s: list[float | None] | None = Field(
        description="Seconds of the clock, counted on where it begins anew; since 1970 for dates"
    )
    over_time: OverTime | None = Field(description="With `times`")
    by_speaker: BySpeaker | None = Field(description="With `speakers`")
    warnings: list[str]
