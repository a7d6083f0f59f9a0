from collections.abc import Iterator

import pytest

from tests.processes import Process, running


@pytest.fixture
def echo() -> Iterator[Process]:
    with running(
        "tests.shared.echo", VERNIER_THREADS="1", VERNIER_MAX_QUEUE="1", VERNIER_MAX_BODY_BYTES="100000"
    ) as it:
        yield it
