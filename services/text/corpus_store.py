"""Corpora in Redis: additions of whoever sends them at once are one step each, which is done or is not.

A corpus is a list of pieces, each some texts; to add is to append, and reads nothing first. Now and then the pieces are
merged to one, which takes effect only if nobody else did. Without a lifetime nothing of a corpus expires, keys
included, so that Redis never makes room by it.
"""

import secrets
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from redis.asyncio import Redis

from shared.redis import written

_LUA = Path(__file__).parent / "lua"

Made = Literal["created", "same", "other", "full"]
Added = Literal["added", "repeated", "other", "crowded", "large", "full", "fixed", "unknown"]


class Piece(NamedTuple):
    """Texts, packed."""

    content: bytes
    texts: int
    words: int


class Known(NamedTuple):
    """A corpus at one moment. `token` tells those that had the same id one after the other apart; `digest` is that of
    the texts that it was made of."""

    token: bytes
    texts: int
    words: int
    grows: bool
    merges: int
    digest: str


class Limits(NamedTuple):
    corpora: int
    bytes: int
    words: int
    keys: int
    key_s: float


class CorpusStore:
    """Its methods raise what `shared.redis.Failure` lists."""

    def __init__(self, redis: Redis, limits: Limits) -> None:
        self._redis, self._limits = redis, limits
        common = (_LUA / "common.lua").read_text()
        self._scripts = {
            path.stem: redis.register_script(f"{common}\n{path.read_text()}")
            for path in _LUA.glob("*.lua")
            if path.stem != "common"
        }

    async def _run(self, name: str, *arguments: Any) -> Any:
        return await self._scripts[name](args=arguments)

    async def make(self, id: str, digest: str, piece: Piece, *, grows: bool, keep_s: float | None) -> Made:
        limits, keep_ms = self._limits, 0 if keep_s is None else max(1, round(keep_s * 1000))
        facts = digest, secrets.token_hex(8), *piece, int(grows), keep_ms
        found = await self._run("make", id, *facts, limits.corpora, limits.bytes)
        await written(self._redis)
        return cast(Made, found.decode())

    async def add(self, id: str, piece: Piece, key: bytes, meant: bytes) -> tuple[Added, int]:
        """And into how many pieces that makes it. In the hands of the system when it returns."""
        limits = self._limits
        bounds = limits.words, limits.bytes
        kind, length = await self._run("add", id, *piece, *bounds, key, meant, limits.key_s, limits.keys)
        if kind in {b"added", b"repeated"}:
            await written(self._redis)
        return cast(Added, kind.decode()), length

    async def look(self, id: str) -> Known | None:
        token, texts, words, grows, merges, digest = await self._run("look", id)
        if token is None:
            return None
        return Known(token, int(texts), int(words), grows == b"1", int(merges), digest.decode())

    async def read(self, id: str) -> list[bytes]:
        """Its pieces."""
        return cast(list[bytes], await self._run("read", id))

    async def merge(self, id: str, known: Known, pieces: list[bytes], merged: bytes) -> bool:
        """`merged` takes the place of `pieces`, all that there were. False where another was faster."""
        size = sum(map(len, pieces))
        return bool(await self._run("merge", id, known.token, known.merges, len(pieces), merged, size))

    async def remove(self, id: str) -> bool:
        removed = bool(await self._run("remove", id))
        await written(self._redis)
        return removed
