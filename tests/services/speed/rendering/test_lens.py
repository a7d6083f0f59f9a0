import numpy as np
import pytest
from numpy.typing import NDArray

from services.speed.rendering.lens import Lens

GREY = np.full((60, 100), 100.0, np.float32)


def exposed(**values: object) -> NDArray[np.float64]:
    lens = Lens(**{"noise": 0.0, "blur_px": 0.0, **values})  # type: ignore[arg-type]
    return lens.expose(GREY, np.random.default_rng(0)).astype(float)


def test_without_any_fault_the_light_is_the_picture() -> None:
    assert (exposed() == 100).all()


@pytest.mark.parametrize(
    ("values", "level"), [({"gain": 2.0}, 200), ({"gain": 3.0}, 255), ({"offset": 10.0}, 110), ({"gamma": 2.0}, 39)]
)
def test_light(values: dict[str, float], level: int) -> None:
    assert (exposed(**values) == level).all()


def test_corners_darken_and_a_low_sun_dazzles() -> None:
    dark = exposed(vignette=0.5)
    assert dark[0, 0] < dark[30, 50] - 20
    bright = exposed(glare=100.0, sun=(0.2, 0.5))
    assert bright[30, 20] > bright[30, 90] + 50


def test_noise_has_its_size_and_jpeg_leaves_marks() -> None:
    assert exposed(noise=3.0).std() == pytest.approx(3.0 * np.sqrt(0.9), rel=0.1)
    noisy = exposed(noise=3.0)
    coded = exposed(noise=3.0, quality=30)
    assert 0 < np.abs(coded - noisy).mean() < 6
