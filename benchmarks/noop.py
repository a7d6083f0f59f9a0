"""A service of Vernier's own making that does nothing: what a route costs, and a proxied one more."""

from typing import ClassVar

from fastapi import APIRouter, Response

from shared.app import App, create_app
from shared.bodies import Body
from shared.openapi import CACHEABLE
from shared.responses import json_response
from shared.server import main
from shared.settings import Settings


class NoopSettings(Settings):
    process: ClassVar[str] = "noop"


class Numbers(Body):
    x: list[float]


router = APIRouter()


@router.post("/noop")
async def noop(body: Numbers) -> Response:
    return json_response({"n": len(body.x)})


@router.post("/noop/kept", openapi_extra=CACHEABLE)
async def kept(body: Numbers) -> Response:
    return json_response({"n": len(body.x)})


def create(settings: NoopSettings) -> App:
    return create_app(settings, title="No-op", summary="Does nothing", routers=[router])


if __name__ == "__main__":
    main(NoopSettings, create)
