"""A small service on the real factory and server: what the tests of `shared` talk to."""

import asyncio
import logging
import sys
import threading
import warnings
from typing import Annotated, ClassVar

import structlog
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from shared import tracing
from shared.app import App, create_app
from shared.bodies import Body, JsonBody
from shared.openapi import CACHEABLE, json_request, problems
from shared.responses import json_response
from shared.server import main
from shared.settings import Settings
from shared.workers import WorkersDep

GATE = threading.Event()


class EchoSettings(Settings):
    process: ClassVar[str] = "echo"


class Numbers(Body):
    x: list[float] = Field(min_length=1)


router = APIRouter()


@router.post(
    "/sum", openapi_extra={**CACHEABLE, **json_request(Numbers, {"two": {"x": [1, 2]}})}, responses=problems(422)
)
async def total(body: Annotated[Numbers, JsonBody(Numbers)], workers: WorkersDep) -> Response:
    return json_response({"sum": await workers.run(sum, body.x)})


@router.get("/fault")
async def fault() -> Response:
    raise RuntimeError("a bug")


@router.get("/torn")
async def torn() -> Response:
    raise RuntimeError("half of \ud83d")


@router.get("/number")
async def number(n: Annotated[float, Query(ge=0, allow_inf_nan=False)]) -> Response:
    return json_response({"n": n})


@router.get("/wait")
async def wait(workers: WorkersDep) -> Response:
    """Holds a thread until `/open`."""
    return json_response({"opened": await workers.run(GATE.wait, 60)})


@router.get("/open")
async def open_gate() -> Response:
    GATE.set()
    return json_response({})


@router.get("/close")
async def close_gate() -> Response:
    GATE.clear()
    return json_response({})


@router.get("/told/{word}")
async def told(word: str, request: Request, workers: WorkersDep) -> Response:
    """Says it in all the ways in which a process may say something."""
    texts = [word, request.headers.get("x-text", "")]
    await workers.run(tell, *texts)
    asyncio.get_running_loop().call_exception_handler({"message": f"loop {word}"})
    asyncio.get_running_loop().create_task(fail_unseen(word))
    sys.stdout.write(f"printed {word}\n")
    return json_response({"told": texts})


def tell(word: str, header: str) -> None:
    with tracing.span("telling", words=2):
        structlog.get_logger().info("told", word=word, header=header)
        logging.getLogger("some.library").warning("library %s %s", word, header)
        warnings.warn(f"warned {word}", stacklevel=1)
    thread = threading.Thread(target=lambda: 1 / len(""), name=word)
    thread.start()
    thread.join()
    sys.stderr.write(f"written {word}\n")


async def fail_unseen(word: str) -> None:
    raise LookupError(f"unseen {word}")


def echo_app(settings: EchoSettings | None = None) -> App:
    return create_app(settings or EchoSettings(), title="Echo", summary="Says it back", routers=[router])


if __name__ == "__main__":
    main(EchoSettings, echo_app)
