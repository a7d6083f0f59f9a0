from collections.abc import Iterator

import pytest

from tests.chaos.stack import Stack, whole_stack


@pytest.fixture(scope="package")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with whole_stack(tmp_path_factory.mktemp("chaos")) as stack:
        yield stack


@pytest.fixture
def stack(whole: Stack) -> Stack:
    """Well at the beginning of each test, whatever the one before did to it."""
    whole.heal()
    return whole
