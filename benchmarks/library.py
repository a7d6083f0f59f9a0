"""The bare library on all cores: the same subject modules in a loop, with no HTTP about them.

Runs as a process of its own: `python -m benchmarks.library WORK SECONDS FILE` prints units of work per second.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, cast

import numpy as np
import orjson
from numpy.typing import NDArray

from benchmarks.forms import images_of
from benchmarks.inputs import FPS, HEIGHT, WIDTH
from benchmarks.servers import CORES

Grey = NDArray[np.uint8]


def frames(file: Path) -> Callable[[], int]:
    """Decode one video and measure its speeds; its frames count."""
    return measured(lambda: decoded(file))


def decoded(file: Path) -> Iterator[Grey]:
    """A video's frames."""
    import cv2

    video = cv2.VideoCapture(str(file), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    while (read := video.read())[0]:
        yield cast(Grey, cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY))
    video.release()


def images(file: Path) -> Callable[[], int]:
    """Decode one form's JPEG images and measure their speeds."""
    import cv2

    encoded = [np.frombuffer(each, np.uint8) for each in images_of(file.read_bytes())]
    return measured(lambda: (cast(Grey, cv2.imdecode(each, cv2.IMREAD_GRAYSCALE)) for each in encoded))


def measured(greys: Callable[[], Iterator[Grey]]) -> Callable[[], int]:
    import cv2

    from services.speed.camera import PRESETS
    from services.speed.estimator import Estimator, Frame
    from shared.onnx import OnnxModel

    cv2.setNumThreads(1)
    estimator = Estimator(OnnxModel.load(speed_model(), threads=1))
    camera = PRESETS["kitti"].scaled(WIDTH, HEIGHT)

    def work() -> int:
        numbered = (Frame(index / FPS, grey) for index, grey in enumerate(greys()))
        return sum(1 for _ in estimator.measure(numbered, camera))

    return work


def sentences(file: Path) -> Callable[[], int]:
    """Tokenise and embed one request's sentences, each in a run of its own on one thread: no padding at all."""
    from tokenizers import Tokenizer

    from shared.onnx import OnnxModel

    folder = text_model()
    texts = orjson.loads(file.read_bytes())["input"]
    model = OnnxModel.load(folder, threads=1)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)

    def work() -> int:
        for each in tokenizer.encode_batch(texts):
            model.run({"input_ids": np.array([each.ids]), "attention_mask": np.array([each.attention_mask])})
        return len(texts)

    return work


def cluster(file: Path) -> Callable[[], int]:
    """Embed texts and group them."""
    from threadpoolctl import threadpool_limits

    from services.text import grouping
    from services.text.clustering import Options
    from services.text.embedder import Embedder

    threadpool_limits(1)
    asked = orjson.loads(file.read_bytes())
    embedder = Embedder.load(text_model())
    selection = grouping.select(asked["texts"], 1)

    def work() -> int:
        vectors = embedder.embed(selection.texts)
        grouping.group(selection, vectors, options=Options(k=asked["k"]), plane=None)
        return len(selection.texts)

    return work


def information(file: Path) -> Callable[[], int]:
    """Score texts against one another."""
    from services.text.information_answers import information_answer, score
    from services.text.information_schemas import InformationRequest
    from services.text.settings import TextSettings

    asked, settings = InformationRequest.model_validate_json(file.read_bytes()), TextSettings()

    def work() -> int:
        information_answer(asked, score(asked, settings, lambda: None))
        return len(asked.texts)

    return work


def regression(file: Path) -> Callable[[], int]:
    from services.stats.regression import fit

    asked = orjson.loads(file.read_bytes())
    columns, y = [np.array(column) for column in asked["x"]], np.array(asked["y"])
    return lambda: fit(columns, y).n


def series(file: Path) -> Callable[[], int]:
    """Test many series for a trend."""
    from services.stats.trend import mann_kendall

    columns = [np.array(values) for values in orjson.loads(file.read_bytes())["series"].values()]
    return lambda: len(mann_kendall(columns).z)


def covariance(file: Path) -> Callable[[], int]:
    from services.stats.covariance import covariance

    columns = {name: np.array(values) for name, values in orjson.loads(file.read_bytes())["columns"].items()}
    return lambda: covariance(columns).n


WORK = {
    each.__name__: each for each in (frames, images, sentences, cluster, information, regression, series, covariance)
}


def text_model(precision: Literal["auto", "float32", "int8"] = "auto") -> Path:
    """Folder of the sentence model that is served on this machine, or of one precision."""
    from services.text.choice import choose
    from services.text.settings import TextSettings

    found = choose(TextSettings(precision=precision))
    there = [path.name for path in (found.folder / "text-embedding").iterdir() if (path / "model.json").is_file()]
    return found.folder / "text-embedding" / found.policy.select(there)[0]


def speed_model() -> Path:
    """Folder of the speed model that is served: the newest version."""
    return newest(Path(__file__).parent.parent / "services" / "speed" / "models" / "speed")


def newest(folder: Path) -> Path:
    from shared.versions import newest_first

    return folder / newest_first(each.name for each in folder.iterdir() if (each / "model.json").is_file())[0]


def rate(work: Callable[[], int], seconds: float, threads: int) -> float:
    """Units per second over all threads; work that is under way at the end counts by the time it took."""
    done = [0] * threads
    start = time.perf_counter()

    def loop(index: int) -> None:
        while time.perf_counter() - start < seconds:
            done[index] += work()

    running = [threading.Thread(target=loop, args=(index,)) for index in range(threads)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    return sum(done) / (time.perf_counter() - start)


if __name__ == "__main__":
    name, seconds, file = sys.argv[1:]
    work = WORK[name](Path(file))
    work()
    print(rate(work, float(seconds), len(CORES)))
