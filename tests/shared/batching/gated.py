"""A service with one model that holds its runs until it is told to go on; what the tests over a socket talk to."""

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, ClassVar, cast

from fastapi import APIRouter, FastAPI, Request, Response

from shared.app import App, create_app
from shared.batching import Batcher
from shared.bodies import Body, JsonBody
from shared.responses import json_response
from shared.server import main
from shared.settings import Settings

MODEL, VERSION = "twice", "1"
POISON = 13.0


class GatedSettings(Settings):
    process: ClassVar[str] = "gated"
    max_queue: int = 100
    """Items that may wait."""


class Numbers(Body):
    x: list[float]


class Model:
    def __init__(self) -> None:
        self.gate = threading.Event()
        self.runs: list[list[float]] = []

    def run(self, items: Sequence[float]) -> list[float]:
        self.runs.append(list(items))
        self.gate.wait(60)
        if POISON in items:
            raise ValueError("poison")
        return [2 * item for item in items]


router = APIRouter()


def batcher(request: Request) -> Batcher[float, float]:
    return cast(Batcher[float, float], request.app.state.batcher)


def model(request: Request) -> Model:
    return cast(Model, request.app.state.model)


@router.post("/twice")
async def twice(request: Request, body: Annotated[Numbers, JsonBody(Numbers)]) -> Response:
    return json_response({"y": await batcher(request).submit(body.x)})


@router.get("/open")
async def open_gate(request: Request) -> Response:
    model(request).gate.set()
    return json_response({})


@router.get("/runs")
async def runs(request: Request) -> Response:
    """What the model was given, run by run, and what the batcher says of itself."""
    facts: dict[str, Any] = batcher(request).statistics.document(MODEL, VERSION)
    return json_response({"runs": model(request).runs, "statistics": facts})


def gated_app(settings: GatedSettings) -> App:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.model = Model()
        app.state.batcher = Batcher[float, float](
            app.state.model.run, model=MODEL, version=VERSION, cost=lambda _: 1, max_cost=8, slots=1,
            max_queue_cost=settings.max_queue, metrics=app.state.metrics,
        )  # fmt: skip
        app.state.health.loaded({MODEL: VERSION})
        yield
        app.state.batcher.close()

    return create_app(settings, title="Gated", summary="Waits to be told", routers=[router], lifespan=lifespan)


if __name__ == "__main__":
    main(GatedSettings, gated_app)
