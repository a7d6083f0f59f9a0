"""The outbox itself: items by id, and when each is due. It does not expire, so that Redis makes no room by it."""

from pathlib import Path
from typing import Any, NamedTuple

from redis.asyncio import Redis

from shared.redis import scripts, written

_LUA = Path(__file__).parent


class Item(NamedTuple):
    """`id` is that of the deed: put in twice, it is there once."""

    id: str
    content: bytes


class Outbox:
    """At most `items` of `size` bytes together, for all processes that name the same `prefix`. Its methods raise what
    `shared.redis.Failure` lists."""

    def __init__(self, redis: Redis, prefix: str, *, items: int, size: int) -> None:
        self._redis, self._prefix = redis, prefix
        self._items, self._size = items, size
        self._scripts = scripts(redis, _LUA)

    async def _run(self, name: str, *arguments: Any) -> Any:
        return await self._scripts[name](args=[self._prefix, *arguments])

    async def put(self, item: Item) -> bool:
        """False where there is no room; else it is kept, and survives the death of Redis if that writes to disk."""
        kept = bool(await self._run("put", item.id, item.content, self._items, self._size) == b"kept")
        if kept:
            await written(self._redis)
        return kept

    async def claim(self, lease_s: float, most: int) -> list[Item]:
        """What is due; for `lease_s` seconds nobody else is given it, and then it is due again."""
        flat = await self._run("claim", lease_s, most)
        return [Item(id.decode(), content) for id, content in zip(flat[::2], flat[1::2], strict=True)]

    async def remove(self, item: Item) -> bool:
        """Whether it was still there."""
        return bool(await self._run("remove", item.id))

    async def postpone(self, items: list[Item], pause_s: float) -> None:
        if items:
            await self._run("later", pause_s, *(item.id for item in items))

    async def count(self) -> int:
        return int(await self._redis.hlen(f"{self._prefix}items"))
