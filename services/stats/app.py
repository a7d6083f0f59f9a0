"""The stats service as an application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from fastapi import FastAPI
from redis.asyncio import Redis
from threadpoolctl import threadpool_limits

from services.stats import (
    aggregate_routes,
    answers,
    examples,
    kalman_answers,
    kalman_routes,
    multivariate,
    regression_answers,
    regression_routes,
    routes,
    stream_routes,
)
from services.stats.aggregates.aggregate import KINDS, Aggregate
from services.stats.kalman_schemas import KalmanFitRequest, KalmanRequest
from services.stats.keeping import Keeping
from services.stats.regression_schemas import PredictionRequest, RegressionRequest
from services.stats.schemas import CovarianceRequest, TrendRequest
from services.stats.settings import StatsSettings
from services.stats.store import Store
from services.stats.streams.keeping import Streams
from services.stats.streams.store import Store as StreamStore
from shared import redis
from shared.app import App
from shared.app import create_app as create_shared_app
from shared.inference.bodies import Room

SUMMARY = "Regression, trend, covariance and Kalman filters with their uncertainty; aggregates that many add to at once"


def create_app(settings: StatsSettings) -> App:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Requests run side by side on the process's own threads; BLAS threads on top would only contend.
        threadpool_limits(1)
        app.state.room = Room(settings.body_memory_bytes)
        warm_up()
        client = redis.connect(settings.redis_url, timeout_s=settings.redis_timeout_s) if settings.redis_url else None
        keeping = app.state.keeping = Keeping(None if client is None else _store(client, settings), app.state.workers)
        app.state.streams = Streams(None if client is None else _stream_store(client, settings), app.state.workers)
        app.state.health.loaded(
            {
                **answers.MODELS,
                **regression_answers.MODELS,
                **multivariate.MODELS,
                **kalman_answers.MODELS,
                aggregate_routes.MODEL["name"]: aggregate_routes.MODEL["version"],
            }
        )
        try:
            yield
        finally:
            await keeping.aclose()
            if client is not None:
                await client.aclose()

    return create_shared_app(
        settings,
        title="Vernier stats",
        summary=SUMMARY,
        routers=[
            regression_routes.router,
            routes.router,
            kalman_routes.router,
            stream_routes.router,
            aggregate_routes.router,
            multivariate.router,
        ],
        lifespan=lifespan,
    )


def _store(client: Redis, settings: StatsSettings) -> Store:
    return Store(
        client,
        most=settings.max_aggregates,
        keep_s=settings.idempotency_s,
        most_keys=settings.max_idempotency_keys,
        replicas=settings.redis_replicas,
    )


def _stream_store(client: Redis, settings: StatsSettings) -> StreamStore:
    return StreamStore(
        client,
        most=settings.max_streams,
        remembered=settings.stream_remembered,
        replicas=settings.redis_replicas,
    )


def warm_up() -> None:
    """Answer the examples once, so that the first request waits for no import and no page."""
    for example in examples.REGRESSION.values():
        regression_answers.regression_answer(RegressionRequest(**example), lambda: None)
    for example in examples.PREDICTION.values():
        regression_answers.prediction_answer(PredictionRequest(**example), lambda: None)
    for example in examples.TREND.values():
        answers.trend_answer(TrendRequest(**example), lambda: None, lambda _: None)
    for example in examples.COVARIANCE.values():
        answers.covariance_answer(CovarianceRequest(**example), lambda: None)
    for example in examples.KALMAN.values():
        for way in ("filter", "smooth"):
            kalman_answers.kalman_answer(KalmanRequest(**example), way, lambda: None)
    for example in examples.KALMAN_FIT.values():
        kalman_answers.fit_answer(KalmanFitRequest(**example), lambda: None, lambda _: None)
    aggregate = Aggregate.of(KINDS, ["x", "y"])
    aggregate.present(aggregate.merge([aggregate.fold({"x": np.arange(3.0), "y": np.arange(3.0)})] * 2))
