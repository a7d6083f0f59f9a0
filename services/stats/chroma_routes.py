"""Chroma from luma over HTTP: the body is two planes as JSON, or a picture as it is."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from services.stats import chroma_answers
from services.stats.chroma_examples import CHROMA
from services.stats.chroma_schemas import ChromaAnswer, ChromaOptions, ChromaRequest
from services.stats.requests import check_values
from services.stats.tables import JSON
from shared.bodies import parse, read_body, require_type
from shared.context import checker
from shared.errors import Malformed
from shared.negotiation import negotiate
from shared.openapi import CACHEABLE, json_request, problems
from shared.workers import WorkersDep

PICTURES = ("image/png", "image/jpeg", "image/webp")

router = APIRouter(prefix="/v1/stats", tags=["stats"])


def _documented() -> dict[str, Any]:
    extra = {**CACHEABLE, **json_request(ChromaRequest, CHROMA)}
    extra["requestBody"]["content"] |= {kind: {"schema": {"type": "string", "format": "binary"}} for kind in PICTURES}
    return extra


@router.post(
    "/chroma-from-luma",
    summary="What a picture's colour owes to its brightness, block by block",
    description="""AV1's chroma-from-luma prediction, fitted: a block's chroma is
`clip(dc + Round2Signed(8 alpha * L_AC_q3, 6))`, where L_AC_q3 are the luma samples under each chroma sample, averaged,
in eighths and less the block's mean. `alpha` is the multiple of 1/8 from -2 to 2 that predicts the block best. Blocks
at the right and lower edge are filled with the last column and row; their errors are of what lies within the picture.

The body is two planes as JSON, or a JPEG, PNG or WebP picture with the options in the query: it becomes Y, Cb and Cr by
JFIF's conversion, as it is stored, and chroma samples that stand for several pixels are their mean.""",
    response_model=ChromaAnswer,
    responses=problems(406, 415, 422),
    openapi_extra=_documented(),
)
async def predict_chroma(request: Request, workers: WorkersDep, options: Annotated[ChromaOptions, Query()]) -> Response:
    kind = require_type(request, JSON, *PICTURES)
    negotiate(request.headers.get("accept"), [JSON])
    if kind == JSON and request.query_params:
        name = next(iter(request.query_params))
        raise Malformed(f"query {name}: parameters stand in the JSON body; the query is for pictures")
    body = await read_body(request)
    if not body:
        raise Malformed("the body is empty; it must be a picture, or a JSON object as ChromaRequest describes")
    if kind == JSON:
        check_values(body, request.app.state.settings.max_values)
    check = checker()

    def answer() -> bytes:
        if kind == JSON:
            return chroma_answers.planes_answer(parse(ChromaRequest, body), check)
        return chroma_answers.picture_answer(body, options, check)

    return Response(await workers.run(answer), media_type=JSON)
