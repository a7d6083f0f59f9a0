"""What the text service reads and answers."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from shared.bodies import Body
from shared.openapi import Model

_INPUT = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "maxItems": 2048},
        ]
    }
)


class EmbeddingRequest(Body):
    """OpenAI's request for embeddings. Token ids are refused: they would be another tokenizer's."""

    input: Annotated[list[str], _INPUT] = Field(description="A text, or up to 2048 of them; none may be empty")
    model: str | None = Field(None, description="`text-embedding`, or left out")
    encoding_format: Literal["float", "base64"] = Field(
        "float", description="`base64`: little-endian float32, a quarter of the size"
    )
    dimensions: int | None = Field(
        None, ge=1, description="Keep the first so many dimensions and bring them back to length 1"
    )
    user: str | None = Field(None, description="Taken, not used")

    @field_validator("input", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [value]
        if not isinstance(value, list) or not value:
            raise PydanticCustomError("input_type", "must be a string or a non-empty array of strings")
        for index, item in enumerate(value):
            if not isinstance(item, str):
                hint = "; token ids are not taken, send the text" if isinstance(item, int | list) else ""
                message = "item {index} must be a string{hint}"
                raise PydanticCustomError("input_type", message, {"index": index, "hint": hint})
        return value


class Embedding(BaseModel):
    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str
    tokens: int = Field(description="Tokens of this input that were read, [CLS] and [SEP] included")
    truncated: bool = Field(description="Whether the input went on after them")
    cached: bool = Field(description="Whether its vector was known, and not computed for this request")


class Usage(BaseModel):
    prompt_tokens: int = Field(description="Tokens embedded, [CLS] and [SEP] of each input included")
    total_tokens: int


class EmbeddingResponse(BaseModel):
    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    model_version: str = Field(description="Changes when the weights or the arithmetic do")
    usage: Usage


class OpenAIError(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIErrorResponse(BaseModel):
    error: OpenAIError


def _not_blank(text: str) -> str:
    if not text or text.isspace():
        raise PydanticCustomError("value_error", "is blank; leave it out or send text")
    return text


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
Texts = Annotated[list[Annotated[str, AfterValidator(_not_blank)]], Field(min_length=1)]


class ClusterRequest(Body):
    texts: Texts = Field(description="Texts to group; `[crosstalk 00:58:01]` and the like are not read")
    method: Literal["kmeans"] = Field("kmeans", description="`kmeans`: on sentence vectors of length 1")
    k: ClusterCount = Field(
        "auto", description="Clusters; `auto` takes the k of highest silhouette up to 28, and answers the curve"
    )
    min_words: int = Field(1, ge=1, description="Texts of fewer words are left out, with label -1")
    projection: Literal["tsne", "pca"] | None = Field("pca", description="The plane that the texts are drawn on")
    seed: int = Field(0, ge=0, lt=2**32, description="The same request with the same seed has the same answer")


class Representative(BaseModel):
    index: int = Field(description="Position in `texts`")
    text: str


class Cluster(BaseModel):
    label: int
    size: int
    terms: list[str] = Field(description="Words that set it apart (class-based TF-IDF), heaviest first; at most 10")
    representatives: list[Representative] = Field(description="The texts nearest to its centre; at most 3")


class Points(BaseModel):
    """One point a text; null for texts left out. Near means alike; the axes have no unit."""

    method: Literal["tsne", "pca"]
    x: list[float | None]
    y: list[float | None]


class CurvePoint(BaseModel):
    k: int
    silhouette: float = Field(description="Cosine, -1..1")
    stability: float = Field(description="Mean adjusted Rand index between groups of all texts and of samples of 80 %")


class ClusterResponse(BaseModel):
    model: Model = Field(description="The sentence model")
    k: int
    labels: list[int] = Field(description="One a text: 0, the largest cluster, to k - 1; -1 for texts left out")
    clusters: list[Cluster]
    projection: Points | None
    silhouette: float | None = Field(description="Mean over the texts, cosine, -1..1; null for one cluster")
    curve: list[CurvePoint] | None = Field(description="With k `auto`: each k that was tried")
    warnings: list[str]
