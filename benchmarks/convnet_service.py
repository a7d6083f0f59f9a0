"""The small convnet on Vernier's own ground: the app factory, the scheduler, one route. What a user of the peers writes
there, written here.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

from fastapi import APIRouter, FastAPI, Request, Response

from benchmarks.peers.work import Frame
from shared.app import App, create_app
from shared.batching import Batcher
from shared.cores import available_cores
from shared.responses import json_response
from shared.server import main
from shared.settings import Settings


class ConvnetSettings(Settings):
    process: ClassVar[str] = "convnet_service"

    model: Path = Path("model")
    """Folder of model.onnx."""


router = APIRouter()


@router.post("/frame", summary="Scores of one JPEG image")
async def frame(request: Request) -> Response:
    batcher: Batcher[bytes, dict[str, list[float]]] = request.app.state.batcher
    return json_response((await batcher.submit([await request.body()]))[0])


def create(settings: ConvnetSettings) -> App:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        work = Frame(settings.model)

        def run(images: Sequence[bytes]) -> list[dict[str, list[float]]]:
            return [work(image) for image in images]

        app.state.batcher = Batcher(
            run, model="convnet", version="1", cost=lambda _: 1, max_cost=1, slots=available_cores(),
            max_queue_cost=settings.max_queue, max_wait_s=settings.max_wait_s, metrics=app.state.metrics,
        )  # fmt: skip
        app.state.health.loaded({"convnet": "1"})
        yield
        app.state.batcher.close()

    return create_app(settings, title="Convnet", summary="Scores images", routers=[router], lifespan=lifespan)


if __name__ == "__main__":
    main(ConvnetSettings, create)
