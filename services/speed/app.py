"""The speed service as an application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import cv2
from fastapi import FastAPI

from services.speed import routes, stream
from services.speed.aggregation import aggregating
from services.speed.conversation import Streams
from services.speed.service import Service
from services.speed.serving import SpeedModel
from services.speed.sessions import sessions
from services.speed.settings import SpeedSettings
from shared.app import App
from shared.app import create_app as create_shared_app
from shared.inference.routes import inference_router, install
from shared.repository import Repository
from shared.versions import VersionPolicy

SUMMARY = "Speed and its uncertainty off dash-cam video and frames"


def create_app(settings: SpeedSettings) -> App:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Requests run side by side on the process's own threads; a library's threads on top would only contend.
        cv2.setNumThreads(1)
        state = app.state
        frames = state.metrics.counter("speed_frames", "Frames whose speed was measured")

        def build(folder: Path) -> SpeedModel:
            return SpeedModel(folder, settings, state.workers, state.metrics, frames)

        models = Repository(
            settings.models,
            build,
            health=state.health,
            metrics=state.metrics,
            policy=VersionPolicy(settings.model_versions),
        )
        await models.start(required=(settings.model,), others=False)
        install(app, models)
        state.service = Service(settings, models, frames)
        kept = sessions(settings.redis_url, settings.stream_keep_s)
        dropped = state.metrics.counter("speed_stream_dropped", "Frames of streams that were dropped to keep up")
        state.streams = Streams(state.service, state.workers, kept, dropped)
        state.health.loaded()
        try:
            async with aggregating(settings, state.metrics) as state.aggregation:
                yield
        finally:
            await kept.aclose()
            await models.aclose()

    return create_shared_app(
        settings,
        title="Vernier speed",
        summary=SUMMARY,
        routers=(routes.router, stream.router, inference_router()),
        lifespan=lifespan,
    )
