"""What the text service reads and answers."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from shared.bodies import Body

_INPUT = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "maxItems": 2048},
        ]
    }
)


def texts_of(value: Any) -> list[str]:
    """One text or several, as several. Raises PydanticCustomError for what is no text."""
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
        return texts_of(value)


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


Texts = Annotated[list[Annotated[str, AfterValidator(_not_blank)]], Field(min_length=1)]
