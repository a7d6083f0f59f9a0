"""The background task that delivers what is in an outbox."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

import structlog

from shared.ending import end
from shared.outbox.store import Item, Outbox
from shared.redis import Failure

log = structlog.get_logger()

AT_ONCE = 16
Deliver = Callable[[Item], Awaitable[bool]]
"""True when the item is done with, for good or ill; False when it is to be tried again. Doing it twice must do no more
than doing it once: a process may die between the two."""


class Courier:
    """Looks every `look_s` seconds, and while deliveries fail at pauses that double up to `longest_s`. An item is
    claimed for `lease_s`, which must be longer than `AT_ONCE` deliveries take."""

    def __init__(
        self, outbox: Outbox, deliver: Deliver, *, look_s: float = 1.0, longest_s: float = 15.0, lease_s: float = 120.0
    ) -> None:
        self.pending = 0
        """As far as is known: items that wait."""
        self._outbox, self._deliver = outbox, deliver
        self._look_s, self._longest_s, self._lease_s = look_s, longest_s, lease_s
        self._pause_s = look_s
        self._task: asyncio.Task[None] | None = None
        self._claim: asyncio.Task[list[Item]] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """What was under way is due again at once, for whoever claims it next."""
        if self._task is not None:
            await end(self._task)
        if self._claim is not None:
            with contextlib.suppress(*Failure):
                await self._outbox.postpone(await self._claim, 0)

    async def _run(self) -> None:
        while True:
            try:
                more = await self._round()
            except Failure as error:
                log.debug("outbox not to be reached", error=str(error) or type(error).__name__)
                more = False
            except Exception:
                log.exception("outbox")
                more = False
            if not more:
                await asyncio.sleep(self._pause_s * random.uniform(0.8, 1.2))

    async def _round(self) -> bool:
        """Whether there may be more to do at once."""
        self._claim = asyncio.create_task(self._outbox.claim(self._lease_s, AT_ONCE))
        items = await asyncio.shield(self._claim)  # what Redis has given is known, also where this is cancelled
        more = await self._hand_over(items)
        self._claim = None
        return more

    async def _hand_over(self, items: list[Item]) -> bool:
        for index, item in enumerate(items):
            if not await self._deliver(item):
                self._pause_s = min(self._longest_s, 2 * self._pause_s)
                await self._outbox.postpone([item], self._pause_s)
                await self._outbox.postpone(items[index + 1 :], 0)  # before it, next time
                self.pending = await self._outbox.count()
                return False
            await self._outbox.remove(item)
            self._pause_s = self._look_s
        self.pending = await self._outbox.count()
        return len(items) == AT_ONCE
