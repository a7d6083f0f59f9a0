"""A service that offers WebSockets, on the real factory and server."""

import asyncio
from typing import ClassVar

from fastapi import APIRouter, Response, WebSocket
from starlette.websockets import WebSocketDisconnect

from shared.app import App, create_app
from shared.context import current_context
from shared.errors import Unprocessable
from shared.responses import json_response
from shared.server import main
from shared.settings import Settings


class ChatterSettings(Settings):
    process: ClassVar[str] = "chatter"


router = APIRouter()
ended: list[tuple[int, str]] = []
sent = [0]
hear = asyncio.Event()


@router.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    """Says back what it hears; what it can say of itself first, when asked by `about`."""
    wanted = websocket.scope["subprotocols"]
    await websocket.accept(subprotocol=wanted[-1] if wanted else None)
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                ended.append((message["code"], message.get("reason") or ""))
                return
            text = message.get("text")
            if text == "about":
                await websocket.send_json(about(websocket))
            elif text is not None and text.startswith("close "):
                _, code, reason = text.split(" ", 2)
                await websocket.close(int(code), reason)
            elif text == "fault":
                raise RuntimeError("a bug")
            elif text is not None:
                await websocket.send_text(text)
            else:
                await websocket.send_bytes(message["bytes"])
    except WebSocketDisconnect as error:
        ended.append((error.code, error.reason))


def about(websocket: WebSocket) -> dict[str, object]:
    context = current_context.get()
    return {
        "path": websocket.url.path,
        "query": websocket.url.query,
        "headers": dict(websocket.headers),
        "request_id": context.request_id if context else None,
        "trace_id": context.trace_id if context else None,
    }


@router.websocket("/rooms/{room}")
async def room(websocket: WebSocket, room: str) -> None:
    await websocket.accept()
    await websocket.send_text(room)
    await websocket.close(4001, "that was all")


@router.websocket("/closed")
async def closed(_: WebSocket) -> None:
    raise Unprocessable("nobody may talk here")


@router.websocket("/flood")
async def flood(websocket: WebSocket) -> None:
    """Sends without end; `/sent` says how much it could."""
    await websocket.accept()
    piece = bytes(1 << 20)
    try:
        while True:
            await websocket.send_bytes(piece)
            sent[0] += 1
    except (WebSocketDisconnect, RuntimeError):
        ended.append((0, "flood"))


@router.websocket("/deaf")
async def deaf(websocket: WebSocket) -> None:
    """Opens and reads nothing until `/hear`."""
    await websocket.accept()
    await hear.wait()


@router.get("/hear")
async def end_deafness() -> Response:
    hear.set()
    return json_response({})


@router.get("/state")
async def state() -> Response:
    return json_response({"ended": ended, "sent": sent[0]})


def chatter_app(settings: ChatterSettings) -> App:
    return create_app(settings, title="Chatter", summary="Talks", routers=[router])


if __name__ == "__main__":
    main(ChatterSettings, chatter_app)
