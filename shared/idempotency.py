"""The header by which a client may send a change as often as it takes."""

from typing import Annotated

from fastapi import Header

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern="^[!-~]{1,255}$",
        description="Sent twice to the same thing, it counts once: for 24 hours, unless the service was set otherwise",
    ),
]
