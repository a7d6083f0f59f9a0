"""Operations on tables of several columns and on pictures: one router, and the models behind it."""

from fastapi import APIRouter

from services.stats import factor_answers, factor_routes

MODELS = {**factor_answers.MODELS}

router = APIRouter()
for each in (factor_routes,):
    router.include_router(each.router)
