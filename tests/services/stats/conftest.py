from typing import Any

import httpx
import pytest
import scipy.linalg  # noqa: F401 - its threads are limited too
from hypothesis import settings
from threadpoolctl import threadpool_limits

from tests.services.stats.asking import Ask

threadpool_limits(1)  # as in the service: small systems wait for the threads of large ones

# machines that run tests are shared, so no deadline; 50 examples find what 100 did here, in half the time
settings.register_profile("stats", deadline=None, max_examples=50)
settings.load_profile("stats")


@pytest.fixture
def ask(url: str, client: httpx.Client) -> Ask:
    def post(**body: Any) -> dict[str, Any]:
        answer = client.post(url, json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return post
