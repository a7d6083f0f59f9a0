"""What the gateway holds of request bodies is counted for as long as it is held."""

import asyncio
from typing import Any

import pytest

from gateway.bodies import Body, Budget
from shared.errors import ClientGone, Overloaded


def receiving(*messages: dict[str, Any]) -> Any:
    left = list(messages)

    async def receive() -> dict[str, Any]:
        return left.pop(0)

    return receive


def piece(content: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": content, "more_body": more}


async def test_a_body_in_one_piece_and_in_many() -> None:
    budget = Budget(100)
    with Body(budget, 0) as body:
        assert await body.read(receiving(piece(b"abc"))) == b"abc"
        assert budget.held == 3
    with Body(budget, 6) as body:
        assert await body.read(receiving(piece(b"abc", more=True), piece(b"def"))) == b"abcdef"
        assert budget.held == 6
    assert budget.held == 0


@pytest.mark.parametrize("announced", [0, 101])
async def test_what_does_not_fit_is_refused_and_what_was_taken_given_back(announced: int) -> None:
    budget = Budget(100)
    with pytest.raises(Overloaded, match="100 may be"), Body(budget, announced) as body:
        await body.read(receiving(piece(b"x" * 60, more=True), piece(b"x" * 60)))
    assert budget.held == 0


async def test_a_body_that_is_cut_off_is_none() -> None:
    budget = Budget(100)
    with pytest.raises(ClientGone), Body(budget, 0) as body:
        await body.read(receiving(piece(b"abc", more=True), {"type": "http.disconnect"}))
    assert budget.held == 0


async def test_a_body_counts_until_the_last_who_needs_it_is_done() -> None:
    budget = Budget(100)
    done = asyncio.Event()

    async def compute(body: Body) -> None:
        body.hold()
        await done.wait()
        body.release()

    with Body(budget, 10) as body:
        await body.read(receiving(piece(b"x" * 10)))
        others = asyncio.create_task(compute(body))
        await asyncio.sleep(0)
    assert budget.held == 10
    done.set()
    await others
    assert budget.held == 0
