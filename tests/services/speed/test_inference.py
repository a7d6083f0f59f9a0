"""Speed under the inference protocol: the stock client against a real process, and its models coming and going."""

import base64
import io
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from PIL import Image
from tritonclient.http import InferenceServerClient as Client
from tritonclient.utils import InferenceServerException

from services.speed.camera import PRESETS
from services.speed.render import render_clip
from services.speed.video import Limits, open_video
from shared.inference.types import Array
from tests.processes import Process, running
from tests.services.speed import clips
from tests.services.speed.models import scaled, served, without_seconds, write_folder

WIDTH, HEIGHT = 310, 94
CAMERA = PRESETS["kitti"].scaled(WIDTH, HEIGHT)
NUMBERS = np.array([CAMERA.focal_px, CAMERA.cx_px, CAMERA.cy_px, CAMERA.height_m, CAMERA.pitch_rad])
NAMES = ("focal_px", "cx_px", "cy_px", "height_m", "pitch_rad")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that is served, and one that says twice its speeds."""
    root = tmp_path_factory.mktemp("models")
    write_folder(root / "speed" / "1.0.0", served(), "1.0.0")
    write_folder(root / "speed" / "2.0.0", scaled(2.0), "2.0.0")
    return root


@pytest.fixture(scope="module")
def speed(root: Path) -> Iterator[Process]:
    settings = {"MODELS": str(root), "MODEL_VERSIONS": "all", "REPOSITORY_CONTROL": "1", "MAX_IMAGES": "40"}
    with running("services.speed", **{f"VERNIER_SPEED_{name}": value for name, value in settings.items()}) as process:
        yield process


@pytest.fixture
def client(speed: Process) -> Iterator[Client]:
    with Client(speed.address.removeprefix("http://"), concurrency=4) as it:
        yield it


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """A drive, rendered, as PNG images ten a second."""
    path = tmp_path_factory.mktemp("drive") / "road.mp4"
    render_clip(path, seconds=1.2, fps=10.0, seed=1, camera=CAMERA)
    with clips.upload(path.read_bytes()).taken() as upload:
        video = open_video(upload, Limits())
        frames = [clips.encoded(frame.grey) for frame in video.frames(None)]
        video.close()
    return frames


def tensors(pictures: list[bytes], *, camera: Array | None = NUMBERS, **changed: Array) -> list[triton.InferInput]:
    image = np.empty(len(pictures), np.object_)
    image[:] = pictures
    arrays: dict[str, Any] = {"image": image, "time_s": np.arange(len(pictures)) / 10, **changed}
    if camera is not None:
        arrays["camera"] = camera
    found = []
    for name, array in arrays.items():
        given = triton.InferInput(name, list(array.shape), "BYTES" if array.dtype == np.object_ else "FP64")
        given.set_data_from_numpy(array)
        found.append(given)
    return found


def frames(speed: Process, pictures: list[bytes], *, camera: Any = None, **query: Any) -> dict[str, Any]:
    files = [("frames", (f"{k}.png", each, "image/png")) for k, each in enumerate(pictures)]
    times = ",".join(repr(k / 10) for k in range(len(pictures)))
    params = {**(camera or dict(zip(NAMES, NUMBERS.tolist(), strict=True))), "time_s": times, **query}
    answer = httpx.post(f"{speed.address}/v1/speed/frames", files=files, params=params, timeout=60)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def columns(result: triton.InferResult) -> dict[str, list[float | None]]:
    """As JSON has them: NaN is null."""
    found = {name: result.as_numpy(name) for name in ("speed_mps", "sd_mps", "raw_mps")}
    return {name: [None if np.isnan(v) else v for v in column.tolist()] for name, column in found.items()}


def test_what_the_model_takes_and_gives(client: Client) -> None:
    assert client.is_model_ready("speed")
    described = client.get_model_metadata("speed", "1.0.0")
    assert described["platform"] == "onnx_onnxv1"
    assert described["versions"] == ["2.0.0", "1.0.0"]
    assert [each["name"] for each in described["inputs"]] == ["image", "time_s", "camera"]
    assert [each["name"] for each in described["outputs"]] == ["speed_mps", "sd_mps", "raw_mps", "warnings"]
    assert described["model"]["version"] == "1.0.0"


@pytest.mark.parametrize("smoothing", ["kalman", "rts", "none"])
def test_the_same_numbers_as_of_frames_to_the_last_digit(
    client: Client, speed: Process, pictures: list[bytes], smoothing: str
) -> None:
    expected = frames(speed, pictures, smoothing=smoothing)
    found = client.infer("speed", tensors(pictures), parameters={"smoothing": smoothing})
    assert expected["model"]["version"] == found.get_response()["model_version"] == "2.0.0"
    assert columns(found) == {name: expected[name] for name in ("speed_mps", "sd_mps", "raw_mps")}
    assert sum(value is not None for value in expected["raw_mps"]) > len(pictures) / 2


def test_a_preset_and_single_numbers_in_its_place(client: Client, speed: Process, pictures: list[bytes]) -> None:
    partly = np.array([np.nan, np.nan, np.nan, 1.2, np.nan])
    found = client.infer("speed", tensors(pictures, camera=partly), parameters={"camera": "kitti-03"})
    expected = frames(speed, pictures, camera={"camera": "kitti-03", "height_m": 1.2})
    assert columns(found)["speed_mps"] == expected["speed_mps"]


def test_images_as_base64_in_json(speed: Process, client: Client, pictures: list[bytes]) -> None:
    data = [base64.b64encode(each).decode() for each in pictures]
    count = len(pictures)
    image = {
        "name": "image", "shape": [count], "datatype": "BYTES", "data": data, "parameters": {"content_type": "base64"},
    }  # fmt: skip
    times = {"name": "time_s", "shape": [count], "datatype": "FP64", "data": [k / 10 for k in range(count)]}
    camera = {"name": "camera", "shape": [5], "datatype": "FP64", "data": NUMBERS.tolist()}
    answer = httpx.post(f"{speed.address}/v2/models/speed/infer", json={"inputs": [image, times, camera]}, timeout=60)
    outputs = {each["name"]: each["data"] for each in answer.json()["outputs"]}
    assert outputs.pop("warnings") == []
    assert outputs == columns(client.infer("speed", tensors(pictures)))
    assert outputs["raw_mps"][0] is None


def test_what_was_assumed_is_said(client: Client, speed: Process, pictures: list[bytes]) -> None:
    found = client.infer("speed", tensors(pictures, camera=None)).as_numpy("warnings")
    expected = frames(speed, pictures, camera={"smoothing": "kalman"})["warnings"]
    assert [each.decode() for each in found] == expected
    assert "no camera was given" in expected[0]


def test_each_version_answers_for_itself(client: Client, pictures: list[bytes]) -> None:
    once, twice = (
        columns(client.infer("speed", tensors(pictures), model_version=version))["raw_mps"]
        for version in ("1.0.0", "2.0.0")
    )
    assert [value and 2 * value for value in once] == twice


def jpeg(width: int = WIDTH, height: int = HEIGHT) -> bytes:
    out = io.BytesIO()
    Image.new("L", (width, height)).save(out, "JPEG")
    return out.getvalue()


GOOD = [jpeg(), jpeg()]


@pytest.mark.parametrize(
    ("given", "status", "says"),
    [
        (tensors(GOOD[:1]), 422, "input 'image' has 1 images; a speed needs two or more"),
        (tensors([], time_s=np.empty(0)), 422, "input 'image' has 0 images"),
        (tensors([GOOD[0], b"GIF89a"]), 400, "input 'image': frame 1 is no JPEG, PNG or WebP image"),
        (tensors([GOOD[0], b""]), 400, "input 'image': frame 1 is empty"),
        (tensors([GOOD[0], GOOD[0][:300]]), 400, "input 'image': frame 1"),
        (tensors([GOOD[0], jpeg(320, 94)]), 422, "input 'image': frame 1 is 320 x 94 pixels"),
        (tensors([GOOD[0], clips.jpeg_header(30_000, 30_000)]), 413, "input 'image': frame 1"),
        (tensors(GOOD * 21), 413, "42 images, more than the 40"),
        (tensors(GOOD, time_s=np.array([0.0, 0.0])), 422, "time_s must increase"),
        (tensors(GOOD, time_s=np.array([0.0])), 422, "time_s has 1 times for 2 frames"),
        (tensors(GOOD, time_s=np.array([0.0, np.inf])), 400, "input 'time_s' holds what is no finite number"),
        (tensors(GOOD, camera=NUMBERS[:3]), 400, "input 'camera' has shape [3]; it must be [5]"),
        (tensors(GOOD, camera=NUMBERS * -1), 422, "focal_px must lie between"),
        (tensors(GOOD, time_s=np.zeros((2, 1))), 400, "input 'time_s' has shape [2, 1]; it must be [-1]"),
        (tensors(GOOD)[:1], 400, "input 'time_s' is missing"),
        (tensors(GOOD)[1:], 400, "input 'image' is missing"),
        (tensors(GOOD, image=np.array([1.0, 2.0])), 400, "input 'image' is FP64; it must be BYTES"),
    ],
)
def test_a_refusal_names_the_input(client: Client, given: list[triton.InferInput], status: int, says: str) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.infer("speed", given)
    assert says in caught.value.message()
    assert caught.value.status() == str(status)
    assert client.infer("speed", tensors(GOOD)).as_numpy("speed_mps").shape == (2,)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"camera": "none"}, "there is no camera 'none'; the presets are"),
        ({"camera": 1}, "camera is the name of a preset"),
        ({"smoothing": "much"}, "smoothing is one of kalman, rts, none"),
    ],
)
def test_parameters_that_mean_nothing(client: Client, parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(InferenceServerException, match=says):
        client.infer("speed", tensors(GOOD), parameters=parameters)


def test_statistics_count_pairs_of_frames(client: Client, pictures: list[bytes]) -> None:
    def counted() -> int:
        (entry,) = client.get_inference_statistics("speed", "1.0.0")["model_stats"]
        return int(entry["inference_count"])

    before = counted()
    client.infer("speed", tensors(pictures), model_version="1.0.0")
    assert 0 < counted() - before <= len(pictures) - 1


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: write_folder(folder, without_seconds(), "3.0.0"), "it must have previous (uint8)"),
        (lambda folder: truncate(folder), "has sha256"),
    ],
    ids=["signature", "truncated"],
)
def test_a_model_that_cannot_be_served_changes_nothing(
    client: Client, speed: Process, root: Path, make: Callable[[Path], None], says: str
) -> None:
    folder = root / "speed" / "3.0.0"
    identity = httpx.get(f"{speed.address}/readyz").json()["identity"]
    try:
        make(folder)
        with pytest.raises(InferenceServerException) as caught:
            client.load_model("speed")
        assert caught.value.status() == "409"
        assert says in caught.value.message()
        (entry,) = (each for each in client.get_model_repository_index() if each["version"] == "3.0.0")
        assert entry["state"] == "UNAVAILABLE"
        assert says in entry["reason"]
    finally:
        shutil.rmtree(folder)
    assert httpx.get(f"{speed.address}/readyz").json()["identity"] == identity
    assert client.infer("speed", tensors(GOOD)).get_response()["model_version"] == "2.0.0"


def truncate(folder: Path) -> None:
    write_folder(folder, scaled(3.0), "3.0.0")
    content = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(content[: len(content) // 2])


def test_reloads_under_load_drop_nothing(client: Client, speed: Process, pictures: list[bytes]) -> None:
    expected = frames(speed, pictures)["speed_mps"]
    stop = threading.Event()

    def ask() -> int:
        count = 0
        while not stop.is_set():
            assert frames(speed, pictures)["speed_mps"] == expected
            count += 1
        return count

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask) for _ in range(3)]
        try:
            for _ in range(5):
                client.load_model("speed")
        finally:
            stop.set()
        assert all(each.result(120) for each in asking)


def test_unloaded_it_says_so_everywhere(client: Client, speed: Process, pictures: list[bytes]) -> None:
    client.unload_model("speed")
    try:
        report = httpx.get(f"{speed.address}/readyz")
        assert (report.status_code, report.json()["detail"]) == (503, "not loaded: speed")
        assert not client.is_model_ready("speed")
        assert not client.is_server_ready()
        assert client.is_server_live()
        with pytest.raises(InferenceServerException, match="speed is not loaded"):
            client.infer("speed", tensors(GOOD))
        files = [("frames", ("a.png", each, "image/png")) for each in pictures]
        refused = httpx.post(f"{speed.address}/v1/speed/frames?fps=10", files=files, timeout=60)
        assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
        assert "speed is not loaded" in refused.json()["detail"]
    finally:
        client.load_model("speed")
    assert client.is_server_ready()
