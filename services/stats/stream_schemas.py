"""What the stats service reads and answers about streams that are filtered as they come."""

from typing import ClassVar, Literal, Self

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from services.stats.aggregate_schemas import MOST_TTL_S
from services.stats.columns import Column, Series
from services.stats.kalman_schemas import KIND, NOISE, Gate, Numbers, Q, R
from services.stats.streams.stream import Definition
from services.stats.tables.layout import Layout, TableBody
from shared.bodies import Body
from shared.kalman import Kind, Noise
from shared.openapi import Model


class StreamRequest(Body):
    """The model of a stream."""

    model: Kind = Field("velocity", description=KIND)
    noise: Noise = Field("continuous", description=NOISE)
    q: Q
    r: R
    gate: Gate = None
    ttl_s: float | None = Field(
        None, gt=0, le=MOST_TTL_S, description="Seconds without an observation, after which it is forgotten; else never"
    )

    @model_validator(mode="after")
    def _level_is_continuous(self) -> Self:
        if self.model == "level" and self.noise == "discrete":
            raise PydanticCustomError("value_error", "has a level with discrete noise; a level's is continuous")
        return self

    @property
    def definition(self) -> Definition:
        return Definition(self.model, self.noise, self.q, self.r, self.gate)


class ObservationsRequest(TableBody):
    """What was measured, and when."""

    layout: ClassVar[Layout] = Layout(
        "z", roles={"time": "the column of times"}, required=frozenset({"time"}), alone=True
    )

    time: Column = Field(description="Increasing, and after the last time that was taken")
    z: Series = Field(description="One a time; null moves the stream on without a measurement")
    late: Literal["refuse", "drop"] = Field(
        "refuse", description="`refuse` a batch that has an observation which is late; `drop` those and take the rest"
    )


class StreamDefinitionAnswer(BaseModel):
    model: Model
    id: str
    motion: Kind
    noise: Noise
    q: float
    r: float
    gate: float | None = Field(None, description="Where one was given")
    ttl_s: float | None = Field(None, description="Where one was given")


class StreamAnswer(StreamDefinitionAnswer):
    """Where it is; null where it is not known yet."""

    observations: int = Field(description="Taken so far, nulls among them")
    time: float | None = Field(description="The last that was taken, or the one that was asked for")
    x: float | None
    sd: float | None
    velocity: float | None = None
    velocity_sd: float | None = None
    acceleration: float | None = None
    acceleration_sd: float | None = None
    loglik: float = Field(description="Exact diffuse log-likelihood of all that was used")


class ObservedAnswer(BaseModel):
    """The filter's answer, one entry an observation of the batch."""

    model: Model
    id: str
    time: list[float]
    x: Numbers = Field(description="null where it is not known yet, and where the observation was dropped")
    sd: Numbers
    velocity: Numbers | None = None
    velocity_sd: Numbers | None = None
    acceleration: Numbers | None = None
    acceleration_sd: Numbers | None = None
    innovation: Numbers
    nis: Numbers
    used: list[bool]
    accepted: int = Field(description="Observations of the batch that were new")
    repeated: int = Field(description="Those that were taken before, answered as they were then")
    dropped: int = Field(description="Those that were late, by late: drop")
    observations: int = Field(description="Taken by the stream so far, nulls among them")
    loglik: float
