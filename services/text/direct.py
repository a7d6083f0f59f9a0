"""The way round FastAPI for the one operation whose answers may take less than FastAPI does."""

from fastapi import Request

from services.text.routes import EMBEDDINGS_PATH, create_embeddings
from shared.asgi import ASGIApp, Receive, Scope, Send


class DirectEmbeddings:
    """Answers POST /v1/embeddings by the same function as the route, and hands on everything else. What it raises, the
    process's edge answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != EMBEDDINGS_PATH or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        scope["vernier.context"].route = EMBEDDINGS_PATH
        response = await create_embeddings(Request(scope, receive))
        await response(scope, receive, send)
