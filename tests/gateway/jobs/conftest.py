from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.jobs.store import Store
from shared import redis
from tests.gateway.jobs.laboratory import Laboratory, laboratory


@pytest.fixture(scope="session")
def session_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    with laboratory(tmp_path_factory.mktemp("redis"), VERNIER_JOBS_MAX_RESULT_BYTES="100000") as lab:
        yield lab


@pytest.fixture
def lab(session_lab: Laboratory) -> Iterator[Laboratory]:
    """Redis, service, gateway and one worker, shared by all tests that disturb none of them."""
    yield session_lab
    session_lab.service.open.set()
    session_lab.service.share = 0.0


@pytest.fixture(scope="module")
def bare_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """Redis, service and gateway; workers come and go with each test."""
    with laboratory(tmp_path_factory.mktemp("redis"), workers=0) as lab:
        yield lab


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Store]:
    client = redis.connect(redis_url, timeout_s=5)
    yield Store(client)
    await client.aclose()
