"""What the stats service reads and answers about Kalman filters."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, Field, PlainValidator, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from services.stats.columns import SMALLEST, Column, OneOrNamed, column
from services.stats.leastsquares import FloatArray
from services.stats.replies import COLUMNS
from services.stats.tables.layout import Layout, TableBody
from shared.kalman import Kind, Noise
from shared.openapi import Model

MOST_STRENGTH = 1e100
"""The largest q and r that are taken."""

Q = Annotated[float, Field(ge=0, le=MOST_STRENGTH)]
R = Annotated[float, Field(ge=SMALLEST, le=MOST_STRENGTH)]
Gate = Annotated[
    float | None,
    Field(
        gt=0,
        lt=1,
        description="Leave out measurements beyond this share of what is expected, by the chi-squared distribution of "
        "the NIS: 0.99 leaves out those above 6.63; null takes all",
    ),
]
KIND = "What wanders: the level, its rate of change, or the rate of change of that"
NOISE = (
    "What q is. `continuous`: the spectral density of the white noise that drives the last derivative, in unit^2 / "
    "time^(2n - 1) for n components; `discrete`: the variance of an acceleration (of an increment of the acceleration) "
    "that is constant within each step; a level has the continuous form only"
)
_Z = "Measurements in the order of time, null where missing; or an object of such, equally long"
_TIME = "A number a measurement that does not decrease, the same for all series; else 0, 1, 2, ..."
_LAYOUT = Layout("z", roles={"time": "the column of times"}, alone=True, by_row=True)


def _strength(least: float) -> Any:
    """A number, or an object of them; with a `least` above 0 also an array of one a time."""

    def number(value: Any, place: tuple[str, ...] = ()) -> float:
        if isinstance(value, str):  # of a query
            try:
                value = float(value)
            except ValueError:
                raise PydanticCustomError("float_parsing", "must be a number") from None
        if type(value) not in (int, float):
            what = f"'{place[0]}' must be a number" if place else "must be a number, or numbers by id"
            raise PydanticCustomError("float_type", "{what}", {"what": what})
        if not least <= value <= MOST_STRENGTH:
            what = f"must be from {least:g} to {MOST_STRENGTH:g}" + (f"; that of '{place[0]}' is not" if place else "")
            raise PydanticCustomError("value_error", "{what}", {"what": what})
        return float(value)

    def read(value: Any) -> float | FloatArray | dict[str, float]:
        if isinstance(value, dict):
            return {name: number(each, (name,)) for name, each in value.items()}
        if isinstance(value, list) and least > 0:
            array = column(value)
            if not (least <= array.min() and array.max() <= MOST_STRENGTH):
                what = f"must be from {least:g} to {MOST_STRENGTH:g}, each of them"
                raise PydanticCustomError("value_error", "{what}", {"what": what})
            return array
        return number(value)

    return PlainValidator(read)


_NUMBER = {"type": "number", "maximum": MOST_STRENGTH}
_BY_ID = {"type": "object", "minProperties": 1}
_ONE_Q, _ONE_R = {**_NUMBER, "minimum": 0}, {**_NUMBER, "minimum": SMALLEST}
Strength = Annotated[
    float | dict[str, float],
    _strength(0.0),
    WithJsonSchema({"anyOf": [_ONE_Q, {**_BY_ID, "additionalProperties": _ONE_Q}]}),
]
Variance = Annotated[
    float | FloatArray | dict[str, float],
    _strength(SMALLEST),
    WithJsonSchema(
        {
            "anyOf": [
                _ONE_R,
                {**_BY_ID, "additionalProperties": _ONE_R},
                {"type": "array", "minItems": 1, "items": _ONE_R},
            ]
        }
    ),
]


class KalmanRequest(TableBody):
    """One series, or many by id, and their model."""

    layout: ClassVar[Layout] = _LAYOUT
    offers: ClassVar[Sequence[str]] = COLUMNS

    z: OneOrNamed = Field(description=_Z)
    time: Column | None = Field(None, description=_TIME)
    model: Kind = Field("velocity", description=KIND)
    noise: Noise = Field("continuous", description=NOISE)
    q: Strength = Field(description="Strength of the noise that moves the state: one number, or one by id")
    r: Variance = Field(description="Variance of a measurement: one number, one by id, or one a time")
    gate: Gate = None


class KalmanFitRequest(TableBody):
    """One series, or many by id, whose q and r are to be found."""

    layout: ClassVar[Layout] = _LAYOUT
    offers: ClassVar[Sequence[str]] = COLUMNS

    z: OneOrNamed = Field(description=_Z)
    time: Column | None = Field(None, description=_TIME)
    model: Kind = Field("velocity", description=KIND)
    noise: Noise = Field("continuous", description=NOISE)
    q: Q | None = Field(None, description="Given, it is kept, and r alone is found")
    r: R | None = Field(None, description="Given, it is kept, and q alone is found")

    @model_validator(mode="after")
    def _something_to_find(self) -> Self:
        if self.q is not None and self.r is not None:
            raise PydanticCustomError("value_error", "has both q and r: leave out what is to be found")
        if self.q == 0:
            raise PydanticCustomError("value_error", "has q = 0: r follows from the filter's NIS; leave q out")
        return self


Numbers = list[float | None]
Rows = list[Numbers]
_UNKNOWN = "null while the measurements do not tell it yet"


class KalmanAnswer(BaseModel):
    """Of one series, one entry a time."""

    model: Model
    motion: Kind
    noise: Noise
    time: list[float]
    x: Numbers = Field(description=f"The level; {_UNKNOWN}")
    sd: Numbers = Field(description=f"Its standard deviation; {_UNKNOWN}")
    velocity: Numbers | None = Field(None, description=f"Of models that have one; {_UNKNOWN}")
    velocity_sd: Numbers | None = None
    acceleration: Numbers | None = Field(None, description=f"Of models that have one; {_UNKNOWN}")
    acceleration_sd: Numbers | None = None
    innovation: Numbers = Field(description="Measurement less prediction; null where there is no measurement")
    nis: Numbers = Field(
        description="Innovation squared over its variance: chi-squared with one degree of freedom if the model is "
        "right; null while the prediction is diffuse"
    )
    used: list[bool] = Field(description="Whether there was a measurement and it passed the gate")
    loglik: float = Field(description="Exact diffuse log-likelihood of the measurements used")
    warnings: list[str]


class KalmansAnswer(BaseModel):
    """Of many series: a row an id, one entry a time."""

    model: Model
    motion: Kind
    noise: Noise
    id: list[str]
    time: list[float]
    x: Rows
    sd: Rows
    velocity: Rows | None = None
    velocity_sd: Rows | None = None
    acceleration: Rows | None = None
    acceleration_sd: Rows | None = None
    innovation: Rows
    nis: Rows
    used: list[list[bool]]
    loglik: list[float]
    warnings: list[str]


class KalmanFitAnswer(KalmanAnswer):
    """And the filter's answer with them."""

    q: float = Field(description="0 where nothing is likelier than a state that does not move by itself")
    r: float


class KalmanFitsAnswer(KalmansAnswer):
    """And the filter's answer with them; null for a series that has too few measurements."""

    q: Numbers
    r: Numbers
    loglik: Numbers  # type: ignore[assignment]
