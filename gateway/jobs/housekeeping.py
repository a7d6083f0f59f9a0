"""What has to happen now and then, in every process that knows of jobs: the expired go, the rest is counted."""

import asyncio
import contextlib

from gateway.jobs.records import Records
from gateway.jobs.store import Store
from shared.redis import Failure

INTERVAL_S = 1.0


async def keep_house(store: Store, records: Records) -> None:
    """Never returns."""
    while True:
        with contextlib.suppress(*Failure):
            records.counted(await store.counts())
        await asyncio.sleep(INTERVAL_S)
