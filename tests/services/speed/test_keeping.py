import json
from collections import deque
from typing import Any

import numpy as np
import pytest

from services.speed.camera import PRESETS, Attitude
from services.speed.keeping import alike, kept, taken_up
from services.speed.mount import Mount
from services.speed.scene import Trouble


def through_json(value: Any) -> Any:
    return taken_up(json.loads(json.dumps(kept(value))))


@pytest.mark.parametrize(
    "value",
    [None, True, 3, 0.1, "text", [1, [2.5, None]], (1, (2, 3)), deque([1, (2, 3)], maxlen=5), Attitude(0.1, 0.2)],
)
def test_comes_back_as_it_was(value: Any) -> None:
    found = through_json(value)
    assert found == value
    assert type(found) is type(value)
    assert getattr(found, "maxlen", None) == getattr(value, "maxlen", None)


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3), np.zeros((0, 3)), np.array(2, np.uint8)])
def test_arrays_keep_type_and_shape(array: np.ndarray[Any, Any]) -> None:
    found = through_json(array)
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert (found == array).all()


def test_a_number_of_numpy_is_a_number() -> None:
    assert through_json(np.float64(0.25)) == 0.25


def test_what_a_mount_has_learnt_goes_on() -> None:
    mount = Mount(PRESETS["kitti"])
    other = through_json(mount)
    assert alike(other, mount)
    assert kept(other) == kept(mount)
    assert not alike(other, Attitude(0, 0))
    other.of_another_version = 1
    assert not alike(other, mount)


@pytest.mark.parametrize("value", [object(), print, Trouble.cut, {1: 2}, b"bytes"])
def test_other_things_are_not_kept(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot be kept"):
        kept(value)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"object": "os:system", "fields": {}},
        {"object": "services.speed.camera:Nothing", "fields": {}},
        {"object": "services.speed.nowhere:Mount", "fields": {}},
        {"object": 3},
        {"array": [1, 2], "type": "float64", "shape": [3]},
        {"array": [1], "type": "no type", "shape": [1]},
    ],
)
def test_what_was_not_kept_is_refused(state: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        taken_up(state)
