"""Corpora that are kept: between the routes, their counting and Redis."""

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import structlog

from services.text.corpus import digest, pack, unpack
from services.text.corpus_store import Added, CorpusStore, Known, Piece
from services.text.estimator import Document
from services.text.information import Described, Method, Reference
from services.text.unigram import Unigram
from shared.errors import Conflict, FieldError, NotFound, Overloaded, TooLarge, Unavailable, Unprocessable, VernierError
from shared.redis import Failure, reaching
from shared.workers import Workers

log = structlog.get_logger()

MERGED = 64
"""So many pieces of a corpus are merged into one, by whoever adds the last of them."""
RETRY_AFTER_S = 10.0
_DIGEST = re.compile("[0-9a-f]{32}")
FULL = "there are as many corpora as may be kept, or as many bytes of them; DELETE some"


class Kept(NamedTuple):
    """A corpus that was made, or was there: `made` says which."""

    id: str
    digest: str
    texts: int
    tokens: int
    made: bool


class Addition(NamedTuple):
    """Texts that are counted; `repeated`: they were before, and are not again."""

    texts: int
    tokens: int
    repeated: bool


class Look(NamedTuple):
    id: str
    named: bool
    digest: str
    figures: Described


class Corpora:
    """`store` is None where there is no Redis. Every method raises NotFound for a corpus that there is not, and
    Unavailable while Redis is away or full."""

    def __init__(self, store: CorpusStore | None, workers: Workers, ready_words: int) -> None:
        self._store = store
        self._workers = workers
        self._ready = Ready(ready_words)

    async def make(self, name: str | None, documents: list[list[str]], keep_s: float | None) -> Kept:
        """Without a `name` its digest is its id and it stays as it is. Raises Conflict where another has the name."""
        if name is not None and _DIGEST.fullmatch(name):
            detail = "has the form of a digest; choose another name, or POST the texts without one"
            raise Unprocessable(f"the id {detail}", errors=[FieldError("/id", detail, "path")])
        found, piece = await self._workers.run(_made, documents)
        id = name or found
        with _reaching_redis():
            outcome = await self._kept.make(id, found, piece, grows=name is not None, keep_s=keep_s)
        if outcome == "other":
            raise Conflict(f"there is a corpus {id} that was made of other texts; POST .../texts adds to it")
        if outcome == "full":
            raise Overloaded(FULL, retry_after_s=RETRY_AFTER_S)
        return Kept(id, found, piece.texts, piece.words, outcome == "created")

    async def add(self, id: str, documents: list[list[str]], key: str | None) -> Addition:
        """All of them, or none. Raises Conflict for a corpus without a name, Unprocessable for a key that stood for
        other texts, TooLarge where the corpus would be."""
        meant, piece = await self._workers.run(_made, documents)
        hashed = hashlib.blake2b(key.encode(), digest_size=16).digest() if key else b""
        with _reaching_redis():
            outcome, pieces = await self._kept.add(id, piece, hashed, meant.encode())
        if outcome not in {"added", "repeated"}:
            raise _refusal(id, outcome)
        if pieces and pieces % MERGED == 0:
            await self._merge(id)
        return Addition(piece.texts, piece.words, outcome == "repeated")

    async def look(self, id: str) -> Look:
        known = await self._known(id)
        found, figures = await self._workers.run_costing(_cost(known), _described, await self._pieces(id))
        return Look(id, known.grows, found, figures)

    async def reference(self, id: str, method: Method, check: Callable[[], None]) -> tuple[Reference, bool]:
        """Ready to judge by, and whether it stays as it is. Raises Unprocessable where the corpus has no word."""
        known = await self._known(id)
        background = method.background and method.background.name
        key = (id, known.token, known.texts, method.estimator, method.smoothing, background, method.weight)
        if (ready := self._ready.get(key)) is not None:
            return ready, not known.grows
        pieces = await self._pieces(id)
        made = await self._workers.run_costing(_cost(known), _reference, pieces, method, check)
        if made is None:
            detail = f"corpus {id} has no word to count"
            raise Unprocessable(detail, errors=[FieldError("/corpus_id", detail)])
        if made.described.texts == known.texts:
            self._ready.put(key, made)
        return made, not known.grows

    async def remove(self, id: str) -> None:
        with _reaching_redis():
            if not await self._kept.remove(id):
                raise unknown(id)

    @property
    def _kept(self) -> CorpusStore:
        if self._store is None:
            raise Unavailable(
                "corpora are kept in Redis, and this service has none (REDIS_URL); send the texts as `corpus`",
                retry_after_s=60,
            )
        return self._store

    async def _known(self, id: str) -> Known:
        with _reaching_redis():
            known = await self._kept.look(id)
        if known is None:
            raise unknown(id)
        return known

    async def _pieces(self, id: str) -> list[bytes]:
        with _reaching_redis():
            pieces = await self._kept.read(id)
        if not pieces:
            raise unknown(id)
        return pieces

    async def _merge(self, id: str) -> None:
        """A failure is no one's: many pieces are as good as one, only slower to read."""
        try:
            known, pieces = await self._kept.look(id), await self._kept.read(id)
            if known is not None and len(pieces) > 1:
                await self._kept.merge(id, known, pieces, await self._workers.run(_merged, pieces))
        except (*Failure, VernierError) as error:
            log.warning("a corpus's pieces were not merged", id=id, error=str(error) or type(error).__name__)


class Ready:
    """References of corpora, the last used, up to `most` words together."""

    def __init__(self, most: int) -> None:
        self._most, self._held = most, 0
        self._entries: OrderedDict[tuple[object, ...], Reference] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[object, ...]) -> Reference | None:
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def put(self, key: tuple[object, ...], reference: Reference) -> None:
        with self._lock:
            if key in self._entries or reference.described.tokens > self._most:
                return
            self._entries[key] = reference
            self._held += reference.described.tokens
            while self._held > self._most:
                _, gone = self._entries.popitem(last=False)
                self._held -= gone.described.tokens


def _made(documents: Sequence[Document]) -> tuple[str, Piece]:
    return digest(documents), Piece(pack(documents), len(documents), sum(map(len, documents)))


def _merged(pieces: list[bytes]) -> bytes:
    return pack(unpack(pieces))


def _cost(known: Known) -> float:
    """Of reading it, in computations of the process's small ones."""
    return 1 + known.words / 20_000


def _described(pieces: list[bytes]) -> tuple[str, Described]:
    documents = unpack(pieces)
    return digest(documents), Described.of(len(documents), Unigram(documents, 0))


def _reference(pieces: list[bytes], method: Method, check: Callable[[], None]) -> Reference | None:
    try:
        return Reference(unpack(pieces), method, check, own=False)
    except ValueError:
        return None


def unknown(id: str) -> NotFound:
    return NotFound(f"there is no corpus {id}; PUT /v1/text/corpora/{id} makes one")


def _refusal(id: str, outcome: Added) -> VernierError:
    if outcome == "unknown":
        return unknown(id)
    if outcome == "fixed":
        return Conflict(f"corpus {id} is known by its texts and stays as it is; PUT one under a name to add to it")
    if outcome == "large":
        return TooLarge(f"corpus {id} would have more words than one may have; begin another")
    if outcome == "full":
        return Overloaded(FULL, retry_after_s=RETRY_AFTER_S)
    if outcome == "crowded":
        detail = "has had as many additions with an Idempotency-Key as it can tell apart; send larger ones"
        return Overloaded(f"corpus {id} {detail}", retry_after_s=RETRY_AFTER_S)
    detail = "was used for other texts of this corpus; use a new one for each addition"
    return Unprocessable(f"this Idempotency-Key {detail}", errors=[FieldError("Idempotency-Key", detail, "header")])


def _reaching_redis() -> AbstractContextManager[None]:
    hint = "; what was sent with an Idempotency-Key may be sent again without being counted twice"
    return reaching("corpora", retry_after_s=RETRY_AFTER_S, hint=hint)
