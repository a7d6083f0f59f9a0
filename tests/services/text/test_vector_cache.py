"""Vectors kept in a real Redis: half known is half computed, and a Redis that fails costs nothing but the computing."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.text.embedder import Embedder, Vectors
from services.text.serving import TextEmbedding
from services.text.settings import TextSettings
from services.text.vector_cache import HEAD, Known, VectorCache, keys_of, open_cache, packed, unpacked
from shared.inference.types import of_texts
from shared.metrics import Metrics
from shared.workers import Workers
from tests.polling import until
from tests.processes import running, running_redis

TEXTS = [f"Statement {number} says {'very ' * number}little." for number in range(8)]

PATIENT = {"vector_cache_timeout_s": 30.0}
"""A busy machine may take its time; what is tested is not how fast it is."""


class Counting(Embedder):
    ran: int = 0

    def run(self, rows: Any) -> Vectors:
        self.ran += len(rows)
        return super().run(rows)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with running_redis(tmp_path_factory.mktemp("redis")) as found:
        yield found


@asynccontextmanager
async def serving(model: Counting, url: str, **options: Any) -> AsyncIterator[TextEmbedding]:
    settings = TextSettings(**{"threads": 1, "vector_cache_from": 0, "redis_url": url, **PATIENT, **options})
    metrics = Metrics()
    workers = Workers(settings, metrics)
    cache = open_cache(
        url, metrics, ttl_s=settings.vector_cache_ttl_s, timeout_s=settings.vector_cache_timeout_s,
        from_characters=settings.vector_cache_from,
    )  # fmt: skip
    model.ran = 0
    served = TextEmbedding(model, settings, workers, metrics, cache)
    try:
        yield served
    finally:
        served.close()
        workers.close()
        if cache is not None:
            await cache.aclose()


@pytest.fixture
def counting(small: Embedder) -> Counting:
    return Counting(small.model, small.tokenizer)


async def stored(served: TextEmbedding) -> None:
    """Until what was computed is kept."""
    assert isinstance(served.cache, VectorCache)
    await asyncio.gather(*served.cache.writes)


async def test_a_request_that_is_half_known_computes_half(counting: Counting, redis: tuple[Any, str]) -> None:
    async with serving(counting, redis[1]) as served:
        first, vectors = await served.embed(TEXTS[:4])
        assert (first.cached, counting.ran) == ([False] * 4, 4)
        await stored(served)
        both, found = await served.embed(TEXTS[2:6])
        assert both.cached == [True, True, False, False]
        assert counting.ran == 6
        assert np.array_equal(found[:2], vectors[2:])
        assert both.tokens[:2] == first.tokens[2:]
        assert np.array_equal(both.norms[:2], first.norms[2:])
        outputs = await served.infer({"text": of_texts(TEXTS[2:4])}, {})
        assert outputs["cached"].all()
        assert counting.ran == 6


async def test_what_was_cut_is_remembered_and_either_end_has_its_own_vector(
    counting: Counting, redis: tuple[Any, str]
) -> None:
    text = ["first " + "word " * 300 + "last"]
    async with serving(counting, redis[1]) as served:
        _, right = await served.embed(text)
        facts, left = await served.embed(text, left=True)
        assert facts.cached == [False]
        assert not np.array_equal(left, right)
        await stored(served)
        again, kept = await served.embed(text)
    assert (again.cached, again.truncated, again.tokens) == ([True], [True], [256])
    assert np.array_equal(kept, right)


async def test_short_requests_are_not_looked_for(counting: Counting, redis: tuple[Any, str]) -> None:
    async with serving(counting, redis[1], vector_cache_from=100) as served:
        for _ in range(2):
            facts, _ = await served.embed(["a short text of its own"])
            await stored(served)
            assert facts.cached == [False]


async def test_it_is_kept_for_its_time_only(counting: Counting, redis: tuple[Any, str]) -> None:
    async with serving(counting, redis[1], vector_cache_ttl_s=900.0) as served:
        await served.embed(["kept for a quarter of an hour"])
        await stored(served)
        assert served.cache is not None
        (key,) = keys_of(["kept for a quarter of an hour"], served.identity(left=False))
        assert 890_000 < await served.cache.client.pttl(key) <= 900_000
    async with serving(counting, redis[1], vector_cache_ttl_s=0.0) as served:
        assert served.cache is None


async def test_a_damaged_vector_is_computed_anew(counting: Counting, redis: tuple[Any, str]) -> None:
    text = ["damaged in between"]
    async with serving(counting, redis[1]) as served:
        _, vectors = await served.embed(text)
        await stored(served)
        assert served.cache is not None
        (key,) = keys_of(text, served.identity(left=False))
        await served.cache.client.setrange(key, 40, b"\xff")
        facts, found = await served.embed(text)
    assert facts.cached == [False]
    assert np.array_equal(found, vectors)


async def test_a_redis_that_hangs_is_waited_for_once_and_briefly(counting: Counting, tmp_path: Path) -> None:
    with running_redis(tmp_path) as (process, url):
        async with serving(counting, url, vector_cache_timeout_s=0.05) as served:
            await served.embed(TEXTS[:2])
            await stored(served)
            process.send_signal(signal.SIGSTOP)
            facts, vectors = await served.embed(TEXTS[:2])
            assert facts.cached == [False, False]
            np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
            assert served.cache is not None
            assert not served.cache.takes(TEXTS)


def test_without_redis_nothing_is_kept(model_folder: Path, client: httpx.Client) -> None:
    assert model_folder.is_dir()
    with running("services.text", REDIS_URL="redis://127.0.0.1:1/0", VERNIER_TEXT_VECTOR_CACHE_FROM="0") as process:
        for _ in range(2):
            answer = client.post(f"{process.address}/v1/embeddings", json={"input": TEXTS}).json()
            assert [each["cached"] for each in answer["data"]] == [False] * len(TEXTS)


def test_every_item_says_whether_it_was_known(model_folder: Path, client: httpx.Client, redis: tuple[Any, str]) -> None:
    assert model_folder.is_dir()
    with running(
        "services.text",
        REDIS_URL=redis[1],
        VERNIER_TEXT_VECTOR_CACHE_FROM="0",
        VERNIER_TEXT_VECTOR_CACHE_TIMEOUT_S="30",
    ) as process:

        def ask(texts: list[str], **more: Any) -> list[dict[str, Any]]:
            data: list[dict[str, Any]] = client.post(
                f"{process.address}/v1/embeddings", json={"input": texts, **more}
            ).json()["data"]
            return data

        first = ask(["over the wire one", "over the wire two"])
        until(lambda: ask(["over the wire two"])[0]["cached"], "the vectors are kept")
        mixed = ask(["over the wire three", "over the wire two"])
        assert [each["cached"] for each in mixed] == [False, True]
        assert mixed[1]["embedding"] == first[1]["embedding"]
        assert [(each["tokens"], each["truncated"]) for each in mixed] == [(6, False), (6, False)]
        cut = ask(["over the wire two"], dimensions=8)[0]
        assert cut["cached"]
        assert np.linalg.norm(cut["embedding"]) == pytest.approx(1)
        shown = client.get(f"{process.address}/metrics").text
        hits = next(
            line for line in shown.splitlines() if line.startswith('text_vector_cache_lookups_total{result="hit"')
        )
        assert float(hits.split()[-1]) >= 3


@given(st.integers(0, 512), st.booleans(), st.lists(st.floats(width=32, allow_nan=False), min_size=9, max_size=9))
def test_what_is_kept_comes_back_bit_for_bit(tokens: int, truncated: bool, row: list[float]) -> None:
    known = Known(tokens, truncated, np.array(row, dtype=np.float32))
    value = packed(known)
    found = unpacked(value, 8)
    assert found is not None
    assert (found.tokens, found.truncated) == (tokens, truncated)
    assert found.row.tobytes() == known.row.tobytes()
    assert unpacked(value, 9) is None
    assert len(value) == HEAD.size + 36


@given(st.integers(0, HEAD.size + 35), st.integers(1, 255))
def test_a_changed_byte_is_noticed(place: int, change: int) -> None:
    value = bytearray(packed(Known(7, True, np.arange(9, dtype=np.float32))))
    value[place] ^= change
    assert unpacked(bytes(value), 8) is None


@given(st.lists(st.text(), unique=True, max_size=20))
def test_different_texts_have_different_keys(texts: list[str]) -> None:
    keys = keys_of(texts, "a")
    assert len(set(keys)) == len(texts)
    assert set(keys).isdisjoint(keys_of(texts, "b"))
