"""A whole Vernier: the one that VERNIER_URL names, else one started here with a Redis of its own."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.processes import PATIENCE_S, running, running_redis


@pytest.fixture(scope="session")
def vernier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if given := os.environ.get("VERNIER_URL"):
        await_ready(given.rstrip("/"))
        yield given.rstrip("/")
        return
    with ExitStack() as stack:
        _, redis_url = stack.enter_context(running_redis(tmp_path_factory.mktemp("redis")))
        services: dict[str, str] = {}
        for name in ("stats", "text", "speed"):
            known = {f"VERNIER_{name.upper()}_STATS_URL": services["stats"]} if name != "stats" else {}
            services[name] = stack.enter_context(running(f"services.{name}", REDIS_URL=redis_url, **known)).address
        common = {f"VERNIER_{name.upper()}_URL": address for name, address in services.items()}
        common["REDIS_URL"] = redis_url
        stack.enter_context(running("gateway.jobs", **common))
        gateway = stack.enter_context(running("gateway", **common))
        await_ready(gateway.address)
        yield gateway.address


def await_ready(url: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while (answer := httpx.get(f"{url}/readyz", timeout=PATIENCE_S)).status_code != 200:
        assert time.monotonic() < until, answer.text


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float], dict[str, str]]:
    """A dash-cam video, its true speeds in m/s, and the camera as query parameters: rendered, so always there."""
    from services.speed.camera import PRESETS
    from services.speed.render import render_clip

    camera = PRESETS["kitti"].scaled(620, 188)
    path = tmp_path_factory.mktemp("clip") / "road.mp4"
    truth = render_clip(path, seconds=6.0, fps=10.0, seed=1, camera=camera)
    return path, [float(each) for each in truth], {"camera": "kitti"}
