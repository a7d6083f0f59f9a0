"""Speeds of frames as they come in, over a WebSocket."""

from collections.abc import Mapping
from typing import Annotated, cast

from fastapi import APIRouter, WebSocket
from pydantic import Field, ValidationError

from services.speed.aggregation import AggregateId
from services.speed.conversation import Asked, Conversation, Streams
from services.speed.schemas import SequenceQuery
from services.speed.streaming import Stream
from shared.errors import Unprocessable
from shared.handlers import refusal

router = APIRouter(prefix="/v1/speed")


class StreamQuery(SequenceQuery):
    """Query of the handshake. `session`: goes on where the stream of that id broke off."""

    session: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = None
    aggregate: AggregateId | None = None


@router.websocket("/stream")
async def stream_speeds(websocket: WebSocket) -> None:
    query = _query(websocket.query_params)
    streams = cast(Streams, websocket.app.state.streams)
    settings = streams.service.settings
    with streams.place(), streams.service.models.use(settings.model) as model:
        if query.aggregate is not None:
            await websocket.app.state.aggregation.check(query.aggregate, websocket.scope["vernier.context"])
        stream = Stream(model, query.view, query.smoothing, query.fps, settings.limits)
        await Conversation(websocket, stream, streams, Asked(query.session, query.aggregate)).run()


def _query(given: Mapping[str, str]) -> StreamQuery:
    """Raises Malformed and Unprocessable, before the WebSocket is open."""
    try:
        query = StreamQuery.model_validate(dict(given))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        raise refusal(list(faults), "query") from None
    if query.smoothing == "rts":
        raise Unprocessable("query /smoothing: rts looks at frames that are still to come; kalman and none do not")
    return query
