from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.gateway.upstream import Upstream
from tests.polling import until
from tests.processes import Process, running


@contextmanager
def gateway_before(upstreams: dict[str, str], *, known: bool = True, **env: str) -> Iterator[Process]:
    """A gateway before the named services; `known`: wait until it has their documents."""
    urls = {f"VERNIER_GATEWAY_{name}_URL": "" for name in ("SPEED", "TEXT", "STATS")}
    urls |= {f"VERNIER_GATEWAY_{name.upper()}_URL": url for name, url in upstreams.items()}
    with running("gateway", **{"VERNIER_GATEWAY_POLL_INTERVAL_S": "0.2", **urls, **env}) as process:
        if known:
            until(lambda: httpx.get(f"{process.address}/readyz").status_code == 200, "the gateway is ready")
        yield process


@pytest.fixture(scope="module")
def module_upstream() -> Iterator[Upstream]:
    upstream = Upstream().start()
    yield upstream
    upstream.stop()


@pytest.fixture(scope="module")
def module_gateway(module_upstream: Upstream) -> Iterator[str]:
    with gateway_before(
        {"stats": module_upstream.url},
        VERNIER_MAX_BODY_BYTES="3000000",
        VERNIER_GATEWAY_BODY_MEMORY_BYTES="4000000",
        VERNIER_GATEWAY_CACHE_ENTRY_BYTES="300000",
    ) as process:
        yield process.address


@pytest.fixture
def upstream(module_upstream: Upstream) -> Iterator[Upstream]:
    module_upstream.asked.clear()
    module_upstream.left.clear()
    yield module_upstream
    module_upstream.open.set()


@pytest.fixture
def gateway(module_gateway: str, upstream: Upstream) -> str:  # noqa: ARG001
    """The address of a gateway, whose service is `upstream`."""
    return module_gateway
