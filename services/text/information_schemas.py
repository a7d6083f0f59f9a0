"""What the text service reads and answers about information."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from services.text.information import EstimatorName
from services.text.keeping import ID_PATTERN
from services.text.schemas import Texts
from shared.bodies import Body
from shared.openapi import Model

CorpusId = Annotated[str, Field(pattern=ID_PATTERN)]


class ScoringRequest(Body):
    """What texts are scored, and against what."""

    texts: Texts = Field(description="Texts to score")
    corpus: Texts | None = Field(
        None, description="Texts to count words in; without it `texts` are their own, each left out of its own counts"
    )
    corpus_id: CorpusId | None = Field(None, description="Instead of `corpus`: one that is kept, by its name or digest")
    background: Literal["spoken"] | None = Field(
        None, description="`spoken`: general English, with its fillers, beside the corpus"
    )
    background_weight: float = Field(0.5, ge=0, le=1, description="Of the background; the rest is the corpus's")
    estimator: EstimatorName = Field(
        "unigram",
        description="`unigram`: smoothed word frequencies; `ngram`: words after the two before them (Kneser-Ney);"
        " `compression`: how much longer the compressed corpus gets",
    )
    smoothing: float = Field(0.5, gt=0, le=100, description="Added to every count: the a of the unigram's formula")


class InformationRequest(ScoringRequest):
    per_token: bool = Field(False, description="Answer the bits of each word too")


class RankingRequest(ScoringRequest):
    time_s: list[float] | None = Field(
        None, description="When each text was said, in seconds, in any order; else their places 0, 1, 2, ..."
    )
    top: int = Field(10, ge=1, le=1000, description="Texts in `most` and in `least`, at most")

    @model_validator(mode="after")
    def _one_time_a_text(self) -> "RankingRequest":
        if self.time_s is not None and len(self.time_s) != len(self.texts):
            raise ValueError(f"time_s has {len(self.time_s)} entries, texts has {len(self.texts)}: give one a text")
        return self


class TokenBits(BaseModel):
    token: str = Field(description="The class that the word is counted in; `</s>` is the end of the text")
    bits: float


class TextInformation(BaseModel):
    bits: float = Field(description="Total surprisal: the figure to rank by")
    bits_per_token: float | None = Field(description="null for a text without words")
    tokens: int = Field(description="Words counted")
    percentile: float = Field(description="Share of corpus texts with fewer bits, 0..100, ties counted half")
    kl_bits: float | None = Field(
        description="From the text's distribution of words to the corpus's: sum q log2(q/p), p that of `unigram`. Not"
        " to rank by, since a short text diverges most"
    )
    ncd: float | None = Field(
        None, description="With `compression`: normalised compression distance to the corpus, about 0..1"
    )


class InformationScore(TextInformation):
    token_bits: list[TokenBits] | None = Field(None, description="With `per_token`: they add up to `bits`")


class CorpusFigures(BaseModel):
    texts: int
    tokens: int
    types: int = Field(description="Different words")
    entropy_bits: float = Field(description="Entropy of the word distribution, bits a word")
    perplexity: float = Field(description="2 to the power of `entropy_bits`")


class BackgroundFacts(BaseModel):
    name: str
    version: str = Field(description="What it was made from")
    weight: float


class InformationResponse(BaseModel):
    model: Model
    unit: Literal["bits"] = "bits"
    scores: list[InformationScore] = Field(description="One a text, in their order")
    corpus: CorpusFigures
    background: BackgroundFacts | None
    warnings: list[str]


class RankedText(TextInformation):
    index: int = Field(description="Position in `texts`")
    text: str
    time_s: float | None = Field(description="null where the request has no times")


class Course(BaseModel):
    """One entry a time, in their order; texts without words are not in it."""

    time_s: list[float] | None = Field(description="null where the request has no times: then an entry a text")
    bits: list[float] = Field(description="Of the texts of this time, the mean of their totals")
    texts: list[int] = Field(description="How many these are")


class Trend(BaseModel):
    """As the stats service tells it: the Mann-Kendall test and Sen's slope of `over_time.bits`."""

    model: Model
    trend: Literal["increasing", "decreasing", "no trend"]
    significant: bool
    p: float
    tau: float = Field(description="Kendall's, -1..1")
    slope: float = Field(description="Median change in bits a second; a text, where the request has no times")
    slope_ci: list[float | None] = Field(description="95 %")
    n: int


class RankingResponse(BaseModel):
    model: Model
    unit: Literal["bits"] = "bits"
    most: list[RankedText] = Field(description="The most informative first")
    least: list[RankedText] = Field(description="The least informative first; texts without words are not ranked")
    over_time: Course
    trend: Trend | None = Field(description="null where it cannot be told; a warning says why")
    corpus: CorpusFigures
    background: BackgroundFacts | None
    warnings: list[str]
