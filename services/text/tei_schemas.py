"""What text-embeddings-inference's clients send and read.

https://huggingface.github.io/text-embeddings-inference. Fields that it does not know it passes over, and so does this.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from services.text.schemas import texts_of
from shared.bodies import Body
from shared.openapi import Model

Direction = Literal["Left", "Right", "left", "right"]
_INPUTS = WithJsonSchema(
    {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string", "minLength": 1}}]}
)
_TRUNCATE = "Cut what is longer than the model reads; null does as the server is set, which is to cut"


class _Lenient(Body):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class Reading(_Lenient):
    truncate: bool | None = Field(None, description=_TRUNCATE)
    truncation_direction: Direction = Field("Right", description="The end that is cut")
    prompt_name: str | None = Field(None, description="Name of a prompt; the model has none")

    @property
    def left(self) -> bool:
        return self.truncation_direction.lower() == "left"

    @property
    def may_cut(self) -> bool:
        return self.truncate is not False


class EmbedRequest(Reading):
    inputs: Annotated[list[str], _INPUTS] = Field(description="A text, or several; token ids are not taken")
    normalize: bool = Field(True, description="Bring vectors to length 1")
    dimensions: int | None = Field(None, ge=1, description="Keep the first so many dimensions, before the length is 1")

    @field_validator("inputs", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        return value if value == [] else texts_of(value)


class SimilarityInput(_Lenient):
    source_sentence: str = Field(description="What the others are compared with")
    sentences: list[str] = Field(description="What is compared")


class SimilarityRequest(_Lenient):
    inputs: SimilarityInput
    parameters: Reading | None = None

    @field_validator("inputs", mode="before")
    @classmethod
    def _sentences(cls, value: Any) -> Any:
        if isinstance(value, dict) and "sentences" in value and value["sentences"] != []:
            if not isinstance(value["sentences"], list):
                raise PydanticCustomError("input_type", "`sentences` must be an array of strings")
            texts_of(value["sentences"])
        return value


class EmbeddingModel(BaseModel):
    pooling: str


class ModelType(BaseModel):
    embedding: EmbeddingModel


class Info(BaseModel):
    model_id: str
    model_sha: str | None = Field(description="sha256 of the weights, null where they are not known")
    model_dtype: str = Field(description="`float32` or `int8`")
    model_type: ModelType
    max_concurrent_requests: int
    max_input_length: int = Field(description="Tokens of a text that are read")
    max_batch_tokens: int = Field(description="Padded tokens that are computed at once")
    max_batch_requests: int | None
    max_client_batch_size: int = Field(description="Texts of one request")
    auto_truncate: bool
    tokenization_workers: int
    version: str
    sha: str | None
    docker_label: str | None
    model: Model = Field(description="As every other answer names it")


class TeiError(BaseModel):
    error: str
    error_type: Literal["Unhealthy", "Backend", "Overloaded", "Validation", "Tokenizer", "Empty"]
