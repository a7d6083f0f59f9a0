"""What all processes of a whole Vernier say at /metrics."""

from collections.abc import Iterator

import httpx
import pytest

from tests.gateway.conftest import gateway_before
from tests.processes import running, running_redis


@pytest.fixture(scope="session")
def scrapes(
    stats_url: str, text_url: str, speed_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Expositions by the process's name, which is the label `job` of a scrape."""
    services = {"speed": speed_url, "text": text_url, "stats": stats_url}
    env = {f"VERNIER_JOBS_{name.upper()}_URL": url for name, url in services.items()}
    with (
        running_redis(tmp_path_factory.mktemp("redis")) as (_, redis_url),
        running("gateway.jobs", **env, REDIS_URL=redis_url) as jobs,
        gateway_before(services, REDIS_URL=redis_url) as gateway,
    ):
        addresses = {**services, "jobs": jobs.address, "gateway": gateway.address}
        yield {name: httpx.get(f"{address}/metrics").text for name, address in addresses.items()}
