"""Fixtures that every room's tests may use; the processes are real."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import DATA, running, running_redis


@pytest.fixture(scope="session")
def stats_url() -> Iterator[str]:
    with running("services.stats") as process:
        yield process.address


@pytest.fixture(scope="session")
def text_url() -> Iterator[str]:
    with running("services.text") as process:
        yield process.address


@pytest.fixture(scope="session")
def speed_url() -> Iterator[str]:
    with running("services.speed") as process:
        yield process.address


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    with running_redis(tmp_path) as (_, url):
        yield url


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60) as each:
        yield each


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data; a test that asks for it is skipped where it is not."""
    if not DATA.is_dir():
        pytest.skip(f"lacks the real data at {DATA}")
    return DATA
