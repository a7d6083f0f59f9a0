"""Builds the gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI

from gateway.bodies import Budget
from gateway.caching import CachedProxy
from gateway.client import Client
from gateway.gateway import Gateway
from gateway.guard import Guards
from gateway.inference import GATHERED, inference_router
from gateway.jobs import routes as jobs_routes
from gateway.jobs.document import describe_jobs
from gateway.jobs.service import Jobs
from gateway.merge import merge
from gateway.operations import list_websockets
from gateway.pages import home_router
from gateway.refusals import add_refusals
from gateway.services import Services
from gateway.settings import GatewaySettings
from gateway.websockets import WebSocketProxy
from shared import redis
from shared.app import App
from shared.app import create_app as create_shared_app
from shared.cache import Cache, MemoryCache, NoRemote, RedisCache, RemoteCache
from shared.docs import TYPES
from shared.edge import QUIET
from shared.metrics import Metrics
from shared.progress import PATH as PROGRESS

SUMMARY = "Reads measurements off raw material: speed off dash-cam frames, information off text, trend off numbers."
OWN = (QUIET - {PROGRESS}) | {"/", "/docs", "/openapi.json", *(f"/docs/{name}" for name in TYPES)} | GATHERED
"""Paths that the gateway answers itself, whatever a service offers."""


def create_app(settings: GatewaySettings) -> App:
    routers = [home_router(), jobs_routes.router, inference_router()]
    app = create_shared_app(settings, title="Vernier", summary=SUMMARY, routers=routers, lifespan=_lifespan)
    metrics: Metrics = app.state.metrics
    jobs = app.state.jobs = Jobs(settings, metrics, app.state.health)
    guards = Guards(settings.services, settings, metrics)
    client = Client(settings, metrics, guards)
    services = Services(settings.services, client, guards, interval_s=settings.poll_interval_s, metrics=metrics)
    cache = _cache(settings, metrics)
    app.state.client, app.state.services, app.state.cache = client, services, cache
    app.before = partial(
        Gateway,
        own=OWN,
        jobs=jobs.acceptance,
        services=services,
        client=client,
        guards=guards,
        cached=CachedProxy(cache, client, metrics, entry_bytes=settings.cache_entry_bytes),
        budget=Budget(settings.body_memory_bytes),
        websockets=WebSocketProxy(services, settings),
    )
    app.state.health.details = lambda: (services.ready, {"services": services.states()})
    _serve_merged_document(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state = app.state
    state.client.start()
    await state.cache.start()
    state.services.start()
    state.jobs.start()
    state.health.loaded()
    try:
        yield
    finally:
        await state.services.aclose()
        await state.jobs.aclose()
        await state.cache.aclose()
        await state.client.aclose()


def _cache(settings: GatewaySettings, metrics: Metrics) -> Cache:
    memory = MemoryCache(
        max_bytes=settings.cache_memory_bytes,
        max_entry_bytes=settings.cache_entry_bytes,
        ttl_s=settings.cache_ttl_s,
    )
    remote: RemoteCache = NoRemote()
    if settings.redis_url:
        remote = RedisCache(
            redis.connect(settings.redis_url, timeout_s=settings.redis_timeout_s),
            ttl_s=settings.cache_ttl_s,
            max_value_bytes=settings.cache_entry_bytes,
            timeout_s=settings.redis_timeout_s,
            cooldown_s=settings.redis_cooldown_s,
        )
    metrics.gauge("cache_bytes", "Bytes of answers kept in the process").set_function(lambda: memory.bytes)
    metrics.gauge("cache_entries", "Answers kept in the process").set_function(lambda: len(memory))
    metrics.counted("cache_evictions", "Answers given up for room", lambda: memory.evictions)
    metrics.counted("cache_redis_errors", "Failed commands and damaged entries", lambda: remote.errors)
    return Cache(memory, remote)


def _serve_merged_document(app: App) -> None:
    services: Services = app.state.services
    alone = app.openapi

    def openapi() -> dict[str, Any]:
        if services.merged is None:
            own = alone()
            merged = describe_jobs(merge(own, services.documents, OWN - GATHERED))
            services.merged = {**add_refusals(merged, own), **list_websockets(services.documents.values())}
        return services.merged

    app.openapi = openapi  # type: ignore[method-assign]
