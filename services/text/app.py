"""The text service as an application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from threadpoolctl import threadpool_limits

from services.text import model, routes
from services.text.direct import DirectEmbeddings
from services.text.serving import TextEmbedding
from services.text.settings import TextSettings
from shared import redis
from shared.app import App
from shared.app import create_app as create_shared_app
from shared.inference.routes import inference_router, install
from shared.onnx import ModelError, describe
from shared.repository import Repository
from shared.versions import VersionPolicy

SUMMARY = "Sentence vectors, groups of statements, and how much each says"


def model_folder(settings: TextSettings) -> Path:
    """Raises ModelError, which says how the folder is built, where it is not there or not described."""
    folder = settings.models / model.MODEL_NAME / model.MODEL_VERSION
    try:
        describe(folder)
    except ModelError as error:
        command = f"python -m services.text.build_model --out {settings.models}"
        raise ModelError(f"{error}; build it by `{command}`") from None
    return folder


def create_app(settings: TextSettings) -> App:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Requests run side by side on the process's own threads; a library's threads on top would only contend.
        threadpool_limits(1)
        state = app.state

        def build(folder: Path) -> TextEmbedding:
            return TextEmbedding.build(folder, settings, state.workers, state.metrics)

        policy = VersionPolicy(settings.model_versions)
        state.redis = (
            redis.connect(settings.redis_url, timeout_s=settings.redis_timeout_s) if settings.redis_url else None
        )
        state.repository = Repository(settings.models, build, health=state.health, metrics=state.metrics, policy=policy)
        try:
            await state.repository.start((model.MODEL_NAME,))
            install(app, state.repository)
            state.health.loaded()
            yield
        finally:
            await state.repository.aclose()
            if state.redis is not None:
                await state.redis.aclose()

    routers = (routes.embeddings, routes.router, inference_router())
    app = create_shared_app(settings, title="Vernier text", summary=SUMMARY, routers=routers, lifespan=lifespan)
    app.before = DirectEmbeddings
    return app
