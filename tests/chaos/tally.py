"""A service whose requests must not be sent twice: each writes its id into the file that TALLY names."""

import os
from pathlib import Path
from typing import Annotated, ClassVar

from fastapi import APIRouter, Response
from pydantic import Field

from shared.app import create_app
from shared.bodies import Body, JsonBody
from shared.openapi import json_request
from shared.responses import json_response
from shared.server import serve
from shared.settings import Settings
from shared.workers import WorkersDep


class TallySettings(Settings):
    process: ClassVar[str] = "tally"


class Entry(Body):
    id: str = Field(max_length=64)


router = APIRouter()


@router.post("/tally", openapi_extra=json_request(Entry))
async def tally(body: Annotated[Entry, JsonBody(Entry)], workers: WorkersDep) -> Response:
    await workers.run(_write, body.id)
    return json_response({"id": body.id})


def _write(entry: str) -> None:
    with Path(os.environ["TALLY"]).open("a") as file:
        file.write(entry + "\n")


if __name__ == "__main__":
    settings = TallySettings()
    serve(create_app(settings, title="Tally", summary="Counts", routers=[router]), settings)
