"""Settings of a process, from the environment.

`VERNIER_<NAME>` speaks to every process, `VERNIER_<PROCESS>_<NAME>` to one and wins over the former.
Redis alone keeps the name that the world gives it: `REDIS_URL`.
"""

import json
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from shared.providers import Providers
from shared.versions import VersionPolicy


def _listed(value: object) -> object:
    """A list may be written as JSON or separated by commas."""
    if not isinstance(value, str):
        return value
    return json.loads(value) if value.lstrip().startswith("[") else [x for x in map(str.strip, value.split(",")) if x]


class Settings(BaseSettings):
    """What all processes share. A process subclasses it, sets `process` and `port`, and adds its own."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    process: ClassVar[str] = "process"

    host: str = "127.0.0.1"
    """Address to listen on. Containers listen on 0.0.0.0."""
    port: int = Field(default=8100, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged."""
    log_format: Literal["json", "console"] = "json"
    """One JSON object a line, or lines for people."""
    access_log: bool = True
    """Log one line a request (health probes are never logged)."""
    max_body_bytes: int = Field(default=64 << 20, ge=1)
    """Largest request body taken, in bytes; more is answered 413 before it is read."""
    max_message_bytes: int = Field(default=16 << 20, ge=1)
    """Largest message of a WebSocket taken, in bytes; more ends it with 1009."""
    request_timeout_s: float = Field(default=120.0, gt=0)
    """Deadline of a request that names none by X-Request-Timeout-Ms, in seconds, and the most that one may ask for."""
    slow_client_s: float = Field(default=20.0, gt=0)
    """Seconds that a client may take over the head of a request; a body that comes, and an answer that is read, more
    slowly than 500 bytes a second for that long ends the connection too."""
    threads: int = Field(default=0, ge=0, le=256)
    """Threads that compute; 0 takes as many as the cgroup's CPU quota allows."""
    max_queue: int = Field(default=256, ge=1)
    """Computations that may wait for a thread; more are answered 503 with Retry-After."""
    max_wait_s: float = Field(default=0.03, gt=0)
    """Longest wait, estimated by the measured service rate, of what is accepted once there has been no pause for a
    quarter of a second, in seconds; where a handful of typical requests takes longer than that, they may be waited for.
    A larger one refuses less and lets latency grow further under overload."""
    drain_delay_s: float = Field(default=0.0, ge=0)
    """After SIGTERM, seconds to serve on while answering not ready, so that balancers notice."""
    drain_timeout_s: float = Field(default=30.0, gt=0)
    """After the drain delay, seconds that requests in flight have to finish."""
    redis_url: str | None = Field(
        default=None, validation_alias=AliasChoices("redis_url", "REDIS_URL", "VERNIER_REDIS_URL")
    )
    """Redis to use, `redis://host:port/db`; without it nothing is cached beyond the process, and no aggregates, jobs
    or broken-off streams are kept."""

    @classmethod
    def settings_customise_sources(  # type: ignore[override]
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        **_: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        own = EnvSettingsSource(settings_cls, env_prefix=f"VERNIER_{cls.process.upper()}_")
        common = EnvSettingsSource(settings_cls, env_prefix="VERNIER_")
        return init_settings, own, common


class ModelSettings(Settings):
    """Of a process that serves models out of a repository; it gives `models` its default."""

    models: Path
    """Model repository: FOLDER/<model>/<version>/ with model.onnx, model.json and the card."""
    model_versions: Annotated[str, AfterValidator(lambda text: VersionPolicy(text).text)] = "latest"
    """Versions of each model that are served: `latest`, `all`, or a list separated by commas."""
    repository_control: bool = False
    """Take POST /v2/repository/models/{model}/load and /unload; off, they are answered 403. Whoever may call them
    decides what everyone is answered, so switch it on only where the clients are trusted."""
    max_infer_bytes: int = Field(default=64 << 20, ge=1)
    """Largest body of an inference-protocol request, in bytes, packed and unpacked: it is held in memory."""
    infer_memory_bytes: int = Field(default=512 << 20, ge=1)
    """Bytes of such bodies that are held at a time; requests beyond are answered 503."""
    providers: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = ()
    """What runs the models, in order of preference, separated by commas: `tensorrt`, `cuda`, `cpu` or another execution
    provider of ONNX Runtime. One that is not installed or does not work gives way to the next with a warning, in the
    end to the CPU; empty takes CUDA where it is. /metrics and every answer name the one that runs."""
    provider_required: bool = False
    """Do not start on another provider than the first of `providers`."""
    provider_options: dict[str, dict[str, str]] = Field(default={})
    """ONNX Runtime's own options by provider, as JSON: `{"cuda": {"device_id": "1"}}`."""
    tensorrt_cache: Path | None = None
    """Folder where TensorRT's engines and timings are kept; without one every start builds them anew, which takes
    minutes. They hold for one GPU, one version of TensorRT and one model."""
    tensorrt_fp16: bool = False
    """Let TensorRT compute in half precision."""

    @property
    def execution(self) -> Providers:
        return Providers(
            self.providers,
            required=self.provider_required,
            options=self.provider_options,
            tensorrt_cache=self.tensorrt_cache,
            tensorrt_fp16=self.tensorrt_fp16,
        )
