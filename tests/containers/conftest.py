"""The containers that `make containers` started; elsewhere these tests are skipped."""

import os
from typing import Any

import pytest

from tests.containers.docker import state


@pytest.fixture(scope="session")
def project() -> str:
    """Name of the compose project."""
    name = os.environ.get("VERNIER_CONTAINERS")
    if not name:
        pytest.skip("lacks containers: `make containers` starts them and runs this")
    return name


@pytest.fixture
def containers(project: str) -> dict[str, dict[str, Any]]:
    return state(project)


@pytest.fixture
def vernier(project: str) -> str:  # noqa: ARG001
    """Address of the gateway's container."""
    return os.environ["VERNIER_URL"]
