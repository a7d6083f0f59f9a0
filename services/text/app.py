"""The text service as an application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from redis.asyncio import Redis
from threadpoolctl import threadpool_limits

from services.text import cluster_routes, clustering_routes, corpus_routes, information_routes, model, routes, tei
from services.text.choice import choose
from services.text.corpora import Corpora
from services.text.corpus_store import CorpusStore, Limits
from services.text.direct import DirectEmbeddings
from services.text.keeping import Bounds, Shelf
from services.text.serving import TextEmbedding
from services.text.sessions import routes as session_routes
from services.text.settings import TextSettings
from services.text.trends import Trends
from services.text.vector_cache import open_cache
from shared import redis
from shared.app import App
from shared.app import create_app as create_shared_app
from shared.inference.routes import inference_router, install
from shared.repository import Repository
from shared.service import ServiceClient

SUMMARY = "Sentence vectors, groups of statements, and how much each says"


def create_app(settings: TextSettings) -> App:
    """Raises ModelError, which says what is missing, where there is no model to serve."""
    found = choose(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Requests run side by side on the process's own threads; a library's threads on top would only contend.
        threadpool_limits(1)
        state = app.state
        vectors = open_cache(
            settings.redis_url, state.metrics, ttl_s=settings.vector_cache_ttl_s,
            timeout_s=settings.vector_cache_timeout_s, from_characters=settings.vector_cache_from,
        )  # fmt: skip

        def build(folder: Path) -> TextEmbedding:
            return TextEmbedding.build(folder, settings, state.workers, state.metrics, vectors)

        state.redis = (
            redis.connect(settings.redis_url, timeout_s=settings.redis_timeout_s) if settings.redis_url else None
        )
        state.clusterings = Shelf(state.redis, "clusterings", "clustering", _clusterings(settings))
        state.corpora = Corpora(_store(state.redis, settings), state.workers, settings.ready_words)
        state.trends = Trends(ServiceClient(settings.stats_url))
        state.repository = Repository(
            found.folder, build, health=state.health, metrics=state.metrics, policy=found.policy
        )
        try:
            await state.repository.start((model.MODEL_NAME,))
            install(app, state.repository)
            state.health.loaded()
            yield
        finally:
            await state.repository.aclose()
            found.close()
            await state.trends.aclose()
            if vectors is not None:
                await vectors.aclose()
            if state.redis is not None:
                await state.redis.aclose()

    clusters = (cluster_routes.router, clustering_routes.router)
    texts = (routes.embeddings, *clusters, information_routes.router, corpus_routes.router)
    routers = (*texts, tei.router, session_routes.router, inference_router())
    app = create_shared_app(settings, title="Vernier text", summary=SUMMARY, routers=routers, lifespan=lifespan)
    app.before = DirectEmbeddings
    return app


def _clusterings(settings: TextSettings) -> Bounds:
    return Bounds(settings.max_clusterings, settings.max_clustering_bytes, settings.clusterings_keep_s)


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
