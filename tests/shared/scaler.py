"""A service of models that multiply, to test the model repository and the inference protocol with."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import orjson
from fastapi import APIRouter, FastAPI, Request, Response

from shared.app import App, create_app
from shared.batching import Batcher
from shared.context import current_context
from shared.inference.routes import inference_router, install
from shared.inference.types import Array, TensorSpec
from shared.metrics import Metrics
from shared.onnx import ModelError, describe
from shared.repository import Repository
from shared.responses import json_response
from shared.server import serve
from shared.settings import ModelSettings
from shared.versions import VersionPolicy
from shared.waiting import while_wanted


class ScalerSettings(ModelSettings):
    process: ClassVar[str] = "scaler"

    models: Path = Path("models")
    max_infer_bytes: int = 200_000


class Scaler:
    """`y` = `scale` times `x`, both of one datatype; by 1 whatever it is comes back. With a parameter `hold_s` it
    takes so long."""

    provider = "CPUExecutionProvider"

    def __init__(self, folder: Path, metrics: Metrics) -> None:
        card = describe(folder)
        content = (folder / "model.onnx").read_bytes()
        if hashlib.sha256(content).hexdigest() != card["sha256"]:
            raise ModelError(f"{folder / 'model.onnx'} has another sha256 than its model.json says")
        self.name, self.version, self.sha256 = card["name"], card["version"], card["sha256"]
        self.scale, datatype = card["scale"], card["datatype"]
        self.held = 0
        shape = tuple(card["shape"])
        self.inputs = (TensorSpec("x", datatype, shape), TensorSpec("offset", "FP64", (1,), optional=True))
        self.outputs = (TensorSpec("y", datatype, shape), TensorSpec("scale", "FP64", (1,)))
        self.batcher: Batcher[Array, Array] = Batcher(
            self._run, model=self.name, version=self.version, cost=lambda x: max(1, x.size), max_cost=1 << 20, slots=1,
            max_queue_cost=1 << 20, metrics=metrics,
        )  # fmt: skip

    def _run(self, items: Sequence[Array]) -> list[Array]:
        return [x if self.scale == 1 else (x * self.scale).astype(x.dtype) for x in items]

    async def infer(self, inputs: Mapping[str, Array], parameters: Mapping[str, Any]) -> Mapping[str, Array]:
        if hold_s := parameters.get("hold_s"):
            self.held += 1
            try:
                await while_wanted(asyncio.ensure_future(asyncio.sleep(float(hold_s))), current_context.get())
            finally:
                self.held -= 1
        (y,) = await self.batcher.submit([inputs["x"]])
        if "offset" in inputs:
            y = y + inputs["offset"].astype(y.dtype)
        return {"y": y, "scale": np.array([self.scale], np.float64)}

    def close(self) -> None:
        self.batcher.close()


def write_model(
    root: Path, name: str, version: str, *, scale: float = 1.0, datatype: str = "FP32", shape: Sequence[int] = (-1, -1),
    **more: Any,
) -> Path:  # fmt: skip
    """A folder of the repository at `root`."""
    folder = root / name / version
    folder.mkdir(parents=True, exist_ok=True)
    content = f"{name} {version} {scale}".encode()
    (folder / "model.onnx").write_bytes(content)
    card = {"name": name, "version": version, "sha256": hashlib.sha256(content).hexdigest(), "scale": scale}
    (folder / "model.json").write_bytes(orjson.dumps({**card, "datatype": datatype, "shape": list(shape), **more}))
    return folder


def held_router() -> APIRouter:
    """How many hold a model right now, by its parameter `hold_s`."""
    router = APIRouter()

    @router.get("/held/{model}")
    async def held(request: Request, model: str) -> Response:
        versions = request.app.state.dataplane.repository.loaded().get(model, {})
        return json_response({"held": sum(served.held for served in versions.values())})

    return router


def scaler_app(settings: ScalerSettings) -> App:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        metrics = app.state.metrics
        repository = Repository(
            settings.models,
            lambda folder: Scaler(folder, metrics),
            health=app.state.health,
            metrics=metrics,
            policy=VersionPolicy(settings.model_versions),
        )
        await repository.start(required=())
        install(app, repository)
        app.state.health.loaded()
        yield
        await repository.aclose()

    return create_app(
        settings, title="Scaler", summary="Multiplies", routers=[inference_router(), held_router()], lifespan=lifespan
    )


if __name__ == "__main__":
    settings = ScalerSettings()
    serve(scaler_app(settings), settings)
