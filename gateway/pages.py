"""The gateway's own pages."""

from fastapi import APIRouter, Response

HOME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Vernier</title>
<style>
body { font: 17px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem; }
</style>
</head>
<body>
<h1>Vernier</h1>
<p>Reads measurements off raw material over REST: speed off dash-cam frames, information off text,
trend off numbers.</p>
<ul>
<li><a href="/docs">Every operation, to read and to try</a></li>
<li><a href="/openapi.json">The same as an OpenAPI document</a></li>
<li><a href="/readyz">State of each service</a></li>
<li><a href="/metrics">Metrics of the gateway</a></li>
</ul>
</body>
</html>
"""


def home_router() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def home() -> Response:
        return Response(HOME, media_type="text/html")

    return router
