"""Settings of the launcher, and of all processes that it starts."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from gateway.jobs.settings import JobsSettings
from gateway.settings import GatewaySettings
from services.speed.settings import SpeedSettings
from services.stats.settings import StatsSettings
from services.text.settings import TextSettings
from shared.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
MODULES: dict[str, type[Settings]] = {
    "services.speed": SpeedSettings,
    "services.text": TextSettings,
    "services.stats": StatsSettings,
    "gateway.jobs": JobsSettings,
    "gateway": GatewaySettings,
}
"""What `python -m` starts, and its settings; the gateway last, since it needs the others."""


class RunSettings(Settings):
    """What `make run` itself reads. Of the common settings it uses `redis_url` and those of the drain."""

    process: ClassVar[str] = "run"

    redis_port: int = Field(default=6389, ge=1, le=65535)
    """Port of the Redis that is started when REDIS_URL is not set."""
    redis_maxmemory: str = "256mb"
    """Memory of that Redis; beyond it, what may expire goes, the least recently used first."""
    data: Path = ROOT / ".vernier"
    """Folder where that Redis keeps what must survive a restart."""
    ready_timeout_s: float = Field(default=120.0, gt=0)
    """Seconds that everything may take to be ready, before it is stopped again."""
