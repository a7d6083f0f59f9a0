"""The docs page: Swagger UI with every asset served from here, so that it works with no internet."""

from collections.abc import Awaitable, Callable
from importlib.resources import files

from fastapi import APIRouter, Request, Response

from shared.responses import json_response

ASSETS = files(__package__) / "swagger-ui"
TYPES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({{url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, displayRequestDuration: true,
  tryItOutEnabled: true, validatorUrl: null, defaultModelsExpandDepth: 0, docExpansion: "list"}});
</script>
</body>
</html>
"""


def docs_router(title: str) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    page = PAGE.format(title=title).encode()

    @router.get("/docs")
    async def docs() -> Response:
        return Response(page, media_type="text/html")

    @router.get("/openapi.json")
    async def document(request: Request) -> Response:
        return json_response(request.app.openapi())

    for name, media_type in TYPES.items():
        router.add_api_route(f"/docs/{name}", _asset(name, media_type))
    return router


def _asset(name: str, media_type: str) -> Callable[[], Awaitable[Response]]:
    content = (ASSETS / name).read_bytes()
    headers = {"Cache-Control": "public, max-age=86400"}

    async def asset() -> Response:
        return Response(content, headers=headers, media_type=media_type)

    return asset
