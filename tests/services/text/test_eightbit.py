"""The 8-bit model against float32, and against what stock quantisation makes of it."""

import csv
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic
from scipy.stats import spearmanr

from services.text import eightbit, graph
from services.text.architecture import Architecture
from services.text.calibration import SENTENCES
from services.text.embedder import Embedder, Vectors
from services.text.model import Precision
from services.text.weights import Tensors
from shared.runtime import onnxruntime

TEXTS = [
    "A man is riding a horse.",
    "unemployment",
    "It costs £3.50 - naïve café, Straße, 東京, 😀",
    "Which documents do I need to open an account?",
    "The quick brown fox jumps over the lazy dog. " * 9,
    "Yeah.",
    "budget " * 300,
    "How do I change the PIN of my card?",
]


def cosines(a: Vectors, b: Vectors) -> NDArray[np.float64]:
    cosine: NDArray[np.float64] = np.einsum("ij,ij->i", a, b, dtype=np.float64)
    return cosine


@pytest.fixture(scope="module")
def sentences(data: Path) -> list[list[str]]:
    """Rows of STS-B's development half: two sentences and how alike people find them."""
    path = data / "text" / "stsb_dev.csv"
    if not path.is_file():
        pytest.skip(f"lacks {path}")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[::6]


def test_its_vectors_are_near_those_of_float32(exact: Embedder, small: Embedder, sentences: list[list[str]]) -> None:
    texts = [row[0] for row in sentences]
    found = cosines(small.embed(texts), exact.embed(texts))
    # Measured 0.9991 and 0.9960 over all 3,000 sentences.
    assert found.mean() >= 0.998
    assert found.min() >= 0.99


def test_it_ranks_pairs_as_float32_does(exact: Embedder, small: Embedder, sentences: list[list[str]]) -> None:
    human = [float(row[2]) for row in sentences]
    agreement = [
        spearmanr(
            cosines(model.embed([row[0] for row in sentences]), model.embed([row[1] for row in sentences])), human
        )
        for model in (exact, small)
    ]
    # Measured 0.8672 and 0.8668 on all 1,500 pairs.
    assert abs(agreement[0].statistic - agreement[1].statistic) <= 0.003


def test_a_text_has_one_vector_alone_and_in_any_company(small: Embedder) -> None:
    alone = np.concatenate([small.embed([text]) for text in TEXTS])
    for company in (TEXTS, TEXTS[::-1], [*TEXTS, *SENTENCES[::6]]):
        rows = [each.ids for each in small.tokenizer.encode(company)]
        together = small.run(rows)[[company.index(text) for text in TEXTS], :-1]
        # A different order of sums in float32 (softmax, layer norm) may move a value over the edge to the next of 255
        # levels: measured 0.9999991.
        assert cosines(alone, together).min() >= 0.99999


def test_stock_dynamic_quantisation_is_refused(exact: Embedder, folders: dict[Precision, Path], tmp_path: Path) -> None:
    """One scale for the whole batch: what a text means to it depends on the texts beside it, so that nothing of it can
    be kept or compared. This is why the 8-bit model here is another one."""
    quantize_dynamic(
        folders["float32"] / "model.onnx", tmp_path / "stock.onnx", weight_type=QuantType.QInt8, per_channel=True
    )
    session = onnxruntime.InferenceSession(tmp_path / "stock.onnx", providers=["CPUExecutionProvider"])

    def run(texts: list[str]) -> Vectors:
        rows = [each.ids for each in exact.tokenizer.encode(texts)]
        ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)], mask[index, : len(row)] = row, 1
        vectors: Vectors = session.run(["embedding"], {"input_ids": ids, "attention_mask": mask})[0]
        return vectors

    alone = np.concatenate([run([text]) for text in TEXTS])
    assert cosines(alone, run(TEXTS)).min() < 0.99


def tiny(layers: int = 1) -> tuple[Tensors, Architecture]:
    """An encoder of 4 channels with weights drawn at random."""
    draw = np.random.default_rng(5)

    def tensor(*sizes: int) -> NDArray[np.float32]:
        return draw.normal(size=sizes).astype(np.float32)

    tensors = {"embeddings.word_embeddings.weight": tensor(9, 4), "embeddings.position_embeddings.weight": tensor(8, 4),
               "embeddings.token_type_embeddings.weight": tensor(2, 4)}  # fmt: skip
    names = ["embeddings.LayerNorm"]
    for layer in (f"encoder.layer.{index}" for index in range(layers)):
        names += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
        sizes = {f"{layer}.attention.self.{part}": (4, 4) for part in ("query", "key", "value")}
        sizes |= {f"{layer}.attention.output.dense": (4, 4), f"{layer}.intermediate.dense": (16, 4)}
        for name, size in (sizes | {f"{layer}.output.dense": (4, 16)}).items():
            tensors[f"{name}.weight"], tensors[f"{name}.bias"] = tensor(*size), tensor(size[0])
    for name in names:
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = np.ones(4, np.float32), np.zeros(4, np.float32)
    return tensors, Architecture("tiny", layers=layers, heads=2, hidden=4)


def test_a_channel_reaches_what_float32_put_into_it_and_the_bias_that_it_carries() -> None:
    tensors, shape = tiny()
    sentences = [[1, 2, 3], [4, 5]]
    seen = eightbit.observe(tensors, shape, sentences)
    layer = "encoder.layer.0"
    assert {name: len(values) for name, values in seen.items()} == {
        f"{layer}.attention.self": 4, f"{layer}.intermediate.dense": 4
    }  # fmt: skip
    # The first linear layer reads the embeddings, each of them normalised: mean 0 and variance 1 over its 4 channels.
    words = tensors["embeddings.word_embeddings.weight"] + tensors["embeddings.token_type_embeddings.weight"][0]
    rows = [words[word] + tensors["embeddings.position_embeddings.weight"][place]
            for sentence in sentences for place, word in enumerate(sentence)]  # fmt: skip
    normal = np.array([(row - row.mean()) / row.std() for row in rows])
    carried = tensors[f"{layer}.attention.output.dense.bias"]
    np.testing.assert_allclose(seen[f"{layer}.attention.self"], np.abs(normal + carried).max(axis=0), rtol=1e-5)


@pytest.mark.parametrize("layers", [1, 2])
def test_biases_that_move_from_node_to_node_leave_the_vector_as_it_is(layers: int) -> None:
    """In float32 the two graphs are one function. Eight bits give cosines of 0.99999 and 0.99997 here; without any one
    of its biases the vector moves to 0.9986 or farther."""
    tensors, shape = tiny(layers)
    text = [[1, 2, 3, 4]]

    def vector(model: onnx.ModelProto) -> Vectors:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        found: Vectors = session.run(["embedding"], {"input_ids": text, "attention_mask": np.ones((1, 4), np.int64)})[0]
        return found

    whole = vector(graph.build(graph.GraphWriter(tensors, shape)))
    assert cosines(whole, vector(eightbit.build(tensors, shape, text))).min() >= 0.9999
    for name in tensors:
        # The scores of a query's keys all move alike with the key's bias: the softmax does not see it.
        if name.endswith(("dense.bias", "query.bias", "value.bias")):
            without = tensors | {name: np.zeros_like(tensors[name])}
            assert cosines(whole, vector(graph.build(graph.GraphWriter(without, shape)))).min() < 0.999, name
