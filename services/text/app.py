"""The text service as an application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from redis.asyncio import Redis
from threadpoolctl import threadpool_limits

from services.text import corpus_routes, information_routes, model, routes
from services.text.corpora import Corpora
from services.text.corpus_store import CorpusStore, Limits
from services.text.direct import DirectEmbeddings
from services.text.serving import TextEmbedding
from services.text.settings import TextSettings
from services.text.trends import Trends
from shared import redis
from shared.app import App
from shared.app import create_app as create_shared_app
from shared.inference.routes import inference_router, install
from shared.onnx import ModelError, describe
from shared.repository import Repository
from shared.service import ServiceClient
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
        state.corpora = Corpora(_store(state.redis, settings), state.workers, settings.ready_words)
        state.trends = Trends(ServiceClient(settings.stats_url))
        state.repository = Repository(settings.models, build, health=state.health, metrics=state.metrics, policy=policy)
        try:
            await state.repository.start((model.MODEL_NAME,))
            install(app, state.repository)
            state.health.loaded()
            yield
        finally:
            await state.repository.aclose()
            await state.trends.aclose()
            if state.redis is not None:
                await state.redis.aclose()

    texts = (routes.embeddings, routes.router, information_routes.router, corpus_routes.router)
    routers = (*texts, inference_router())
    app = create_shared_app(settings, title="Vernier text", summary=SUMMARY, routers=routers, lifespan=lifespan)
    app.before = DirectEmbeddings
    return app


def _store(client: Redis | None, settings: TextSettings) -> CorpusStore | None:
    if client is None:
        return None
    limits = Limits(
        corpora=settings.max_corpora,
        bytes=settings.corpora_bytes,
        words=settings.max_words,
        keys=settings.max_idempotency_keys,
        key_s=settings.idempotency_s,
    )
    return CorpusStore(client, limits)
