"""Operations on tables of several columns and on pictures: one router, and the models behind it."""

from fastapi import APIRouter

from services.stats import (
    chroma_answers,
    chroma_routes,
    cluster_answers,
    cluster_routes,
    density_answers,
    density_routes,
    factor_answers,
    factor_routes,
)

MODELS = {**factor_answers.MODELS, **density_answers.MODELS, **cluster_answers.MODELS, **chroma_answers.MODELS}

router = APIRouter()
for each in (factor_routes, density_routes, cluster_routes, chroma_routes):
    router.include_router(each.router)
