"""The end of background tasks."""

import asyncio
from typing import Any

AGAIN_S = 0.05


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel the tasks and wait until they have ended, whatever they raise.

    They are cancelled again and again: a library may swallow a cancellation that arrives while it gives up a
    connection attempt (aiohappyeyeballs can), and a loop around it would then go on for ever.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_S)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # retrieved, so that nobody is warned of it
