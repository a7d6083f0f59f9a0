"""The sentence model as it is served: what shares its runs and its limits, whatever way it comes."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.text.embedder import Embedder, Vectors
from services.text.serving import INLINE_CHARACTERS, PART_CHARACTERS, TextEmbedding
from services.text.settings import TextSettings
from shared.errors import Malformed, Overloaded, TooLarge, Unprocessable
from shared.inference.types import of_texts
from shared.metrics import Metrics
from shared.onnx import ModelError
from shared.workers import Workers
from tests.polling import PATIENCE_S, until


class Watched(Embedder):
    """Remembers what it ran; holds its runs while `open` is not set."""

    ran: list[list[list[int]]]
    open: threading.Event

    def run(self, rows: Any) -> Vectors:
        self.ran.append([list(row) for row in rows])
        assert self.open.wait(PATIENCE_S)
        return super().run(rows)


@pytest.fixture(scope="module")
def watched(exact: Embedder) -> Watched:
    return Watched(exact.model, exact.tokenizer)


@asynccontextmanager
async def serving(embedder: Watched, **options: Any) -> AsyncIterator[TextEmbedding]:
    embedder.ran, embedder.open = [], threading.Event()
    embedder.open.set()
    settings = TextSettings(**{"threads": 1, "max_wait_s": 1e6, **options})
    metrics = Metrics()
    workers = Workers(settings, metrics)
    served = TextEmbedding(embedder, settings, workers, metrics)
    try:
        yield served
    finally:
        served.close()
        workers.close()


@pytest.fixture
def texts() -> list[str]:
    return [f"Statement {number} says {'very ' * (number % 12)}little." for number in range(60)]


def near(one: Vectors, other: Vectors) -> None:
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


@asynccontextmanager
async def busy(served: TextEmbedding, watched: Watched) -> AsyncIterator[None]:
    """The model is held in a run of one text; it goes on at the end."""
    watched.open.clear()
    first = asyncio.ensure_future(served.embed(["busy"]))
    await asyncio.to_thread(until, lambda: len(watched.ran) == 1, "the model is busy")
    try:
        yield
    finally:
        watched.open.set()
        await first


async def test_many_texts_are_made_into_tokens_in_parts_and_what_is_said_twice_is_run_once(
    watched: Watched, exact: Embedder, texts: list[str]
) -> None:
    many = texts * 10
    assert sum(map(len, many)) > 2 * PART_CHARACTERS
    async with serving(watched, threads=3) as served:
        facts, vectors = await served.embed(many)
    whole = exact.tokenizer.encode(many)
    assert (facts.tokens, facts.truncated) == ([len(each.ids) for each in whole], [False] * len(many))
    assert sorted(row for run in watched.ran for row in run) == sorted(each.ids for each in whole[: len(texts)])
    near(vectors, exact.embed(many))


async def test_texts_of_several_requests_share_runs_and_keep_their_vectors(
    watched: Watched, exact: Embedder, texts: list[str]
) -> None:
    async with serving(watched) as served:
        async with busy(served, watched):
            tasks = [asyncio.ensure_future(served.embed([text])) for text in texts]
            await asyncio.sleep(0)
        answers = await asyncio.gather(*tasks)
    near(np.concatenate([vectors for _, vectors in answers]), np.concatenate([exact.embed([t]) for t in texts]))
    assert len(watched.ran) < len(texts) / 3
    for run in watched.ran:
        assert len(run) * max(map(len, run)) <= served.batcher.max_cost


async def test_a_list_is_answered_in_order_with_repeats_computed_once(watched: Watched, exact: Embedder) -> None:
    texts = ["yes", "no " * 30, "Yes", "perhaps it is", "no " * 30]
    async with serving(watched) as served:
        batch, vectors = await served.embed(texts)
    near(vectors, exact.embed(texts))
    assert np.array_equal(vectors[0], vectors[2])
    assert sum(map(len, watched.ran)) == 3
    assert batch.token_count == 3 + 32 + 3 + 5 + 32


async def test_a_large_list_lets_a_single_text_through(watched: Watched) -> None:
    async with serving(watched) as served:
        async with busy(served, watched):
            large = asyncio.ensure_future(served.embed([f"{number} and " * 20 for number in range(60)]))
            await asyncio.sleep(0)
            await asyncio.to_thread(until, lambda: served.batcher.admission.waiting > 0, "the list waits")
            single = asyncio.ensure_future(served.embed(["one text"]))
            await asyncio.sleep(0)
        await asyncio.gather(large, single)
    place = next(place for place, run in enumerate(watched.ran) if any(len(row) == 4 for row in run))
    assert place <= 2
    assert len(watched.ran) > 8


async def test_what_is_refused_is_not_run(watched: Watched) -> None:
    def refuse(_: Sequence[int], __: Sequence[bool]) -> None:
        raise Unprocessable("no")

    async with serving(watched, max_tokens=300) as served:
        with pytest.raises(TooLarge, match="402 tokens together, more than the 300"):
            await served.embed(["word " * 199] * 2)
        with pytest.raises(Unprocessable):
            await served.embed(["a"], refuse)
    assert not watched.ran


async def filled(served: TextEmbedding) -> "list[asyncio.Task[Any]]":
    """Four texts of a hundred tokens wait, which is all that may."""
    tasks = [asyncio.ensure_future(served.embed(["word " * 97 + str(number)])) for number in range(4)]
    await asyncio.sleep(0)
    assert served.batcher.admission.waiting == 400
    return tasks


async def test_one_limit_for_lists_and_single_texts(watched: Watched) -> None:
    async with serving(watched, max_queue_tokens=400) as served:
        async with busy(served, watched):
            waiting = await filled(served)
            for refused in (["a"], ["b", "c"]):
                with pytest.raises(Overloaded):
                    await served.embed(refused)
        await asyncio.gather(*waiting)
        await served.embed(["a", "b"])


async def test_a_large_request_is_refused_before_it_is_made_into_tokens(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(watched, max_queue_tokens=400) as served:
        async with busy(served, watched):
            waiting = await filled(served)
            with monkeypatch.context() as patched:
                patched.setattr(watched, "prepare", None)
                with pytest.raises(Overloaded):
                    await served.embed(["long " * INLINE_CHARACTERS])
        await asyncio.gather(*waiting)


async def test_inference_gives_vectors_tokens_and_what_was_cut(watched: Watched, exact: Embedder) -> None:
    texts = ["A man is riding a horse.", "hello " * 400, "größer als Ωmega"]
    async with serving(watched) as served:
        outputs = await served.infer({"text": of_texts(texts)}, {})
    assert set(outputs) == {spec.name for spec in served.outputs}
    near(outputs["embedding"], exact.embed(texts))
    assert outputs["embedding"].dtype == np.float32
    assert outputs["tokens"].tolist()[:2] == [9, 256]
    assert outputs["tokens"].dtype == np.int32
    assert outputs["truncated"].tolist() == [False, True, False]


async def test_inference_refuses_what_is_no_text(watched: Watched) -> None:
    async with serving(watched, max_inputs=2) as served:
        with pytest.raises(Malformed, match="text 1 is not UTF-8"):
            await served.infer({"text": np.array([b"a", b"\xff"], dtype=object)}, {})
        with pytest.raises(Unprocessable, match="input 1 is empty"):
            await served.infer({"text": of_texts(["a", " "])}, {})
        with pytest.raises(TooLarge, match="3 texts, more than the 2"):
            await served.infer({"text": of_texts(["a"] * 3)}, {})
        none = await served.infer({"text": of_texts([])}, {})
    assert none["embedding"].shape == (0, 384)
    assert not watched.ran


async def test_blank_texts_may_be_passed_over(watched: Watched, exact: Embedder) -> None:
    async with serving(watched) as served:
        outputs = await served.infer({"text": of_texts(["a cat", " ", "a dog", ""])}, {"skip_blank": True})
        with pytest.raises(Malformed, match="skip_blank must be true or false"):
            await served.infer({"text": of_texts(["a"])}, {"skip_blank": "yes"})
    near(outputs["embedding"][[0, 2]], exact.embed(["a cat", "a dog"]))
    assert not outputs["embedding"][[1, 3]].any()
    assert outputs["tokens"].tolist() == [4, 0, 4, 0]


def test_a_folder_without_a_tokenizer_is_no_model(model_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    for name in ("model.onnx", "model.json"):
        (folder / name).symlink_to(model_folder / name)
    with pytest.raises(ModelError, match=r"no tokenizer\.json"):
        Embedder.load(folder)
