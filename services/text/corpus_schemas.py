"""What the text service reads and answers about corpora."""

from pydantic import BaseModel, Field

from services.text.information_schemas import CorpusFigures
from services.text.schemas import Texts
from shared.bodies import Body


class CorpusTexts(Body):
    texts: Texts = Field(description="Texts to count")


class CorpusRequest(CorpusTexts):
    keep_s: float | None = Field(
        None,
        ge=1,
        le=365 * 86_400,
        description="Seconds after its last use that it is kept, and less where Redis is full; without it, until it is"
        " deleted",
    )


class CorpusMade(BaseModel):
    id: str
    digest: str = Field(description="Of the texts sent; the same in any order, case and spacing")
    texts: int = Field(description="Sent")
    tokens: int = Field(description="Their words")


class CorpusAdded(BaseModel):
    id: str
    texts: int
    tokens: int
    repeated: bool = Field(description="Whether this Idempotency-Key had been counted before")


class CorpusAnswer(CorpusFigures):
    id: str
    named: bool = Field(description="Whether texts can be added")
    digest: str = Field(description="Of all its texts")
