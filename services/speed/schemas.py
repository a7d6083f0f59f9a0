"""What a client of the speed service sends and gets."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.speed.aggregation import AggregateId
from services.speed.camera import DEFAULT_CAMERA, MAX_HEIGHT_M, MAX_PITCH_RAD, PRESETS
from services.speed.evaluate import GRADES, Grade, Score
from services.speed.video import MAX_FPS
from services.speed.views import View
from shared.openapi import Model

FPS_EXAMPLE = [20]
MAX_PIXELS_AWAY = 100_000.0


class CameraQuery(BaseModel):
    """Query parameters of every operation that measures frames."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    fps: float | None = Field(None, gt=0, le=MAX_FPS, description="Frames a second", examples=FPS_EXAMPLE)
    smoothing: Literal["kalman", "rts", "none"] = Field(
        "kalman",
        description="`kalman`: each frame by itself and those before it; `rts`: by all frames, for recordings; "
        "`none`: the raw measurements",
    )
    camera: str | None = Field(
        None,
        description=f"A preset. Without it and without the numbers below `{DEFAULT_CAMERA}` is assumed, with a warning",
        json_schema_extra={"enum": [*PRESETS]},
    )
    focal_px: float | None = Field(None, gt=0, le=MAX_PIXELS_AWAY, description="Focal length, pixels of the frames")
    cx_px: float | None = Field(
        None, ge=-MAX_PIXELS_AWAY, le=MAX_PIXELS_AWAY, description="Principal point from the left, pixels of the frames"
    )
    cy_px: float | None = Field(
        None, ge=-MAX_PIXELS_AWAY, le=MAX_PIXELS_AWAY, description="Principal point from the top, pixels of the frames"
    )
    height_m: float | None = Field(
        None, ge=0.1, le=MAX_HEIGHT_M, description="Height of the camera above the road, metres; speeds scale with it"
    )
    pitch_rad: float | None = Field(
        None, ge=-MAX_PITCH_RAD, le=MAX_PITCH_RAD, description="How far the camera looks down, radians"
    )

    @property
    def view(self) -> View:
        return View(self.camera, self.focal_px, self.cx_px, self.cy_px, self.height_m, self.pitch_rad)


class SequenceQuery(CameraQuery):
    """Of those whose speeds can be added up."""

    aggregate: AggregateId | None = None


FileFps = Annotated[
    float | None,
    Field(
        gt=0,
        le=MAX_FPS,
        description="Frames a second, in place of the times that the file states",
        examples=FPS_EXAMPLE,
    ),
]


class VideoQuery(SequenceQuery):
    fps: FileFps = None


class EvaluateQuery(CameraQuery):
    """They matter where `file` is a video."""

    fps: FileFps = None


class FramesQuery(SequenceQuery):
    """`fps` or `time_s`, one of the two, here or as a field of the form."""

    time_s: list[str] = Field(
        [],
        description="The frames' times in seconds, increasing: separated by commas, or repeated",
        examples=[["0,0.05,0.1"]],
    )


class SpeedModel(Model):
    provider: str = Field(description="ONNX Runtime's execution provider")


class UsedCamera(BaseModel):
    """The camera that the speeds hold for, in pixels of the frames."""

    model_config = ConfigDict(from_attributes=True)

    focal_px: float
    cx_px: float
    cy_px: float
    height_m: float
    pitch_rad: float
    width: int
    height: int
    scale_sd: float = Field(
        description="Share of every speed, one standard deviation, by which height and focal length may be off; "
        "sd_mps holds it"
    )


Column = list[float | None]


class SpeedResponse(BaseModel):
    """Speeds over the road as columns, one entry a frame."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": {"name": "speed", "version": "1.2.0", "provider": "CPUExecutionProvider"},
                    "fps": 20.0,
                    "frames": 3,
                    "smoothing": "kalman",
                    "camera": {
                        "focal_px": 359.0, "cx_px": 310.25, "cy_px": 94.0, "height_m": 1.65, "pitch_rad": 0.0,
                        "width": 620, "height": 188, "scale_sd": 0.015,
                    },
                    "time_s": [0.0, 0.05, 0.1],
                    "speed_mps": [8.28, 8.28, 8.31],
                    "sd_mps": [0.31, 0.3, 0.25],
                    "raw_mps": [None, 8.28, 8.34],
                    "warnings": [],
                }
            ]
        }
    )  # fmt: skip

    model: SpeedModel
    fps: float = Field(description="Frames a second on average")
    frames: int
    smoothing: Literal["kalman", "rts", "none"]
    camera: UsedCamera
    time_s: list[float] = Field(description="Seconds since the first frame")
    speed_mps: Annotated[Column, Field(description="Metres a second, smoothed; below 0 only where the car reverses")]
    sd_mps: Annotated[
        Column, Field(description="Standard deviation of speed_mps: of the measurement, and of the camera's scale")
    ]
    raw_mps: Annotated[Column, Field(description="As measured between a frame and the one before it; null where not")]
    warnings: list[str] = Field(description="What was assumed, or went wrong without spoiling the rest")


class EvaluateResponse(BaseModel):
    """How far a prediction is from the truth; all speeds in metres a second."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "mse": 0.0412, "rmse": 0.203, "mae": 0.151, "bias": -0.012, "frames": 1200, "grade": "heart",
                    "within_1_sd": 0.69, "within_2_sd": 0.953, "model": None, "warnings": [],
                }
            ]
        }
    )  # fmt: skip

    mse: float = Field(ge=0, description="Mean squared error over all frames, (m/s)^2: the speed challenge's score")
    rmse: float = Field(ge=0, description="Its root, m/s")
    mae: float = Field(ge=0, description="Mean absolute error, m/s")
    bias: float = Field(description="Mean of prediction less truth, m/s: above 0 where the prediction is too fast")
    frames: int = Field(ge=1)
    grade: Grade | None = Field(
        description="The challenge's word: " + ", ".join(f"`{word}` below {limit:g}" for limit, word in GRADES)
    )
    within_1_sd: float | None = Field(
        description="Share of frames whose truth lies within one sd, where the prediction has a column `sd_mps` or is "
        "measured here; 0.68 where that is calibrated"
    )
    within_2_sd: float | None = Field(description="The same within two; 0.95 where it is calibrated")
    model: SpeedModel | None = Field(description="What measured the video; null where speeds were sent")
    warnings: list[str] = Field(description="Of that measurement")

    @classmethod
    def of(cls, score: Score, model: Mapping[str, str] | None, warnings: list[str]) -> "EvaluateResponse":
        named = SpeedModel(**model) if model else None
        return cls(**asdict(score), model=named, warnings=warnings)

    def as_text(self) -> str:
        """Name and value, one a line; what there is none of is left out."""
        given = self.model_dump(exclude={"model", "warnings"}, exclude_none=True)
        return "".join(f"{name} {value}\n" for name, value in given.items())
