"""What light, lens, sensor and codec make of a picture."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Lens:
    """`gain`, `gamma` and `offset` act on grey levels; `vignette` is the loss of light in the corners; `glare` the grey
    levels that a low sun at `sun` (shares of width and height) adds around itself; `blur_px` and `noise` standard
    deviations; `quality` that of a JPEG the frame goes through, None for none; `exposure_s` smears the road."""

    gain: float = 1.0
    gamma: float = 1.0
    offset: float = 0.0
    vignette: float = 0.0
    glare: float = 0.0
    sun: tuple[float, float] = (0.5, 0.1)
    blur_px: float = 0.45
    noise: float = 1.5
    quality: int | None = None
    exposure_s: float = 0.004

    def expose(self, light: Floats, draw: np.random.Generator) -> Grey:
        """The frame uint8 [H, W] of the scene's light [H, W], 0 to 255 and beyond."""
        height, width = light.shape
        seen = cv2.GaussianBlur(light, (0, 0), self.blur_px) if self.blur_px > 0.2 else light
        seen = 255 * self.gain * np.power(np.maximum(seen, 0) * np.float32(1 / 255), np.float32(self.gamma))
        if self.vignette or self.glare:
            x, y = np.arange(width, dtype=np.float32)[None] / width, np.arange(height, dtype=np.float32)[:, None]
            y = y / width
            seen = seen * (1 - self.vignette * ((x - 0.5) ** 2 + (y - 0.5 * height / width) ** 2) * 3)
            far = (x - self.sun[0]) ** 2 + (y - self.sun[1] * height / width) ** 2
            seen = seen + self.glare / (1 + 40 * far)
        grain = draw.standard_normal(light.shape, dtype=np.float32)
        seen = seen + self.offset + self.noise * grain * np.sqrt(0.4 + np.maximum(seen, 0) * np.float32(1 / 200))
        frame = np.clip(seen + 0.5, 0, 255).astype(np.uint8)
        if self.quality is None:
            return np.asarray(frame)
        coded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, self.quality])[1]
        return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
