"""What all processes of a whole Vernier say at /metrics."""

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.gateway.conftest import gateway_before
from tests.processes import running, running_redis


@pytest.fixture(scope="session")
def scrapes(stats_url: str, speed_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Expositions by the process's name, which is the label `job` of a scrape."""
    with ExitStack() as stack:
        _, redis_url = stack.enter_context(running_redis(tmp_path_factory.mktemp("redis")))
        text = stack.enter_context(running("services.text", REDIS_URL=redis_url))
        services = {"speed": speed_url, "text": text.address, "stats": stats_url}
        env = {f"VERNIER_JOBS_{name.upper()}_URL": url for name, url in services.items()}
        jobs = stack.enter_context(running("gateway.jobs", **env, REDIS_URL=redis_url))
        gateway = stack.enter_context(gateway_before(services, REDIS_URL=redis_url))
        addresses = {**services, "jobs": jobs.address, "gateway": gateway.address}
        yield {name: httpx.get(f"{address}/metrics").text for name, address in addresses.items()}
