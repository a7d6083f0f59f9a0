"""Which camera took the frames: a preset, numbers, or both."""

from dataclasses import dataclass, fields, replace
from math import sqrt

from services.speed.camera import DEFAULT_CAMERA, PRESETS, Camera
from shared.errors import FieldError, Unprocessable

MAX_ASPECT_ERROR = 0.02
"""Share by which the frames' shape may differ from the preset's before that is said."""
GIVEN_SD = 0.015
"""Share of the speed by which a camera whose numbers are known is off: 2 or 3 cm of its height go with load, fuel and
tyres."""
HEIGHTS_M = (1.2, 1.7)
"""Behind the windscreens of cars, and on their roofs, cameras stand about this high: evenly, for want of a survey."""
FOCALS = (0.45, 0.9)
"""Focal lengths of dash-cams in widths of the frame: fields of view from 96 to 58 degrees."""


@dataclass(frozen=True, slots=True)
class View:
    """What the client said of its camera; the numbers hold for the resolution of its own frames."""

    preset: str | None = None
    focal_px: float | None = None
    cx_px: float | None = None
    cy_px: float | None = None
    height_m: float | None = None
    pitch_rad: float | None = None

    def __post_init__(self) -> None:
        if self.preset is not None and self.preset not in PRESETS:
            known = f"the presets are {', '.join(sorted(PRESETS))}"
            raise Unprocessable(
                f"there is no camera {self.preset!r}; {known}", errors=[FieldError("/camera", known, "query")]
            )

    @property
    def numbers(self) -> dict[str, float | None]:
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "preset"}

    def camera(self, width: int, height: int) -> tuple[Camera, list[str]]:
        """The camera for frames of that size, and what had to be assumed. Raises Unprocessable."""
        name = self.preset or DEFAULT_CAMERA
        preset = PRESETS[name]
        given = {key: value for key, value in self.numbers.items() if value is not None}
        try:
            camera = preset.scaled(width, height).with_values(**given)
        except ValueError as error:
            errors = [FieldError(f"/{key}", str(error), "query") for key in given if key in str(error)]
            raise Unprocessable(f"no camera for frames of {width} x {height} pixels: {error}", errors=errors) from None
        camera = replace(camera, scale_sd=self._scale_sd(camera, given))
        return camera, self._assumed(camera, given, width / height, preset.width / preset.height)

    def _scale_sd(self, camera: Camera, given: dict[str, float]) -> float:
        """Speeds are in proportion to height and focal length: the root mean square of what the product of the true
        ones may be, as a share of the product of those used, about 1."""
        if self.preset is not None:
            return GIVEN_SD
        mean, square = 1.0, 1 + GIVEN_SD**2
        for name, span, used in (
            ("height_m", HEIGHTS_M, camera.height_m),
            ("focal_px", FOCALS, camera.focal_px / camera.width),
        ):
            if name not in given:
                low, high = span[0] / used, span[1] / used
                mean *= (low + high) / 2
                square *= (low * low + low * high + high * high) / 3
        return sqrt(square - 2 * mean + 1)

    def _assumed(self, camera: Camera, given: dict[str, float], shape: float, expected: float) -> list[str]:
        name, missing = self.preset or DEFAULT_CAMERA, [key for key in self.numbers if key not in given]
        if not missing:
            return []
        said = []
        sure = f"sd_mps covers that with {camera.scale_sd:.1%} of the speed; the pitch is learnt as the car drives"
        if self.preset is None and not given:
            said.append(f"no camera was given; {name!r} is assumed. Speeds go with its height and focal length; {sure}")
        elif given:
            said.append(f"{', '.join(missing)} not given; taken from camera {name!r}, scaled to the frames. {sure}")
        lens = [key for key in missing if key in ("focal_px", "cx_px", "cy_px")]
        if lens and abs(shape / expected - 1) > MAX_ASPECT_ERROR:
            said.append(
                f"the frames are {shape:.3g} times as wide as high, camera {name!r} {expected:.3g} times; if they are "
                f"cropped its {', '.join(lens)} do not fit"
            )
        return said
