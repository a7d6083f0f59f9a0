"""Memory bound on the CPU, where every device that ONNX Runtime knows can be stood in for."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from shared.binding import KEPT_SHAPES, Binding, BoundRuns
from shared.runtime import FAULTS, onnxruntime


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> onnxruntime.InferenceSession:
    """x [n, 3] and k [n] -> k x, and the sum of each row."""
    x, k = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size]) for name, size in (("x", 3), ("k", 1)))
    y, z = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size]) for name, size in (("y", 3), ("z", 1)))
    nodes = [helper.make_node("Mul", ["x", "k"], ["y"]), helper.make_node("ReduceSum", ["y", "axes"], ["z"])]
    axes = onnx.numpy_helper.from_array(np.array([1]), "axes")
    graph = helper.make_graph(nodes, "scaled", [x, k], [y, z], [axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path: Path = tmp_path_factory.mktemp("graph") / "scaled.onnx"
    onnx.save(model, path)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def feeds(rows: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    draw = np.random.default_rng(seed)
    return {"x": draw.normal(size=(rows, 3)).astype(np.float32), "k": draw.normal(size=(rows, 1)).astype(np.float32)}


def same(found: list[NDArray[Any]], session: onnxruntime.InferenceSession, given: dict[str, NDArray[Any]]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(found, session.run(None, given), strict=True))


def test_the_same_as_without_and_in_the_order_asked(session: onnxruntime.InferenceSession) -> None:
    bound = BoundRuns(session, ["y", "z"], "cpu")
    for rows in (1, 4, 1, 2, 4):
        given = feeds(rows, rows)
        assert same(bound.run(given), session, given)
    turned = BoundRuns(session, ["z", "y"], "cpu").run(feeds(2))
    assert [each.shape for each in turned] == [(2, 1), (2, 3)]


def test_an_answer_is_not_overwritten_by_the_next(session: onnxruntime.InferenceSession) -> None:
    bound = BoundRuns(session, ["y", "z"], "cpu")
    first = bound.run(feeds(3, 1))
    kept = [each.copy() for each in first]
    bound.run(feeds(3, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, kept, strict=True))


def test_memory_is_used_again_and_bounded(session: onnxruntime.InferenceSession) -> None:
    binding = Binding(session, ["y"], "cpu")
    binding.run(feeds(1))
    (before,) = binding._buffers["x"].values()
    binding.run(feeds(1, 5))
    assert list(binding._buffers["x"].values()) == [before]
    for rows in range(2, 3 * KEPT_SHAPES):
        given = feeds(rows)
        assert np.array_equal(binding.run(given)[0], session.run(["y"], given)[0])
    assert len(binding._buffers["x"]) == KEPT_SHAPES


def test_arrays_of_any_strides(session: onnxruntime.InferenceSession) -> None:
    given = feeds(6)
    strided = {"x": given["x"][::2], "k": np.asfortranarray(given["k"])[::2]}
    assert same(BoundRuns(session, ["y", "z"], "cpu").run(strided), session, strided)


def test_callers_at_once(session: onnxruntime.InferenceSession) -> None:
    bound = BoundRuns(session, ["y", "z"], "cpu")
    given = [feeds(1 + seed % 4, seed) for seed in range(200)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(bound.run, given))
    assert all(same(each, session, one) for each, one in zip(found, given, strict=True))


def test_a_run_that_fails_spoils_none_after_it(session: onnxruntime.InferenceSession) -> None:
    bound = BoundRuns(session, ["y", "z"], "cpu")
    bound.run(feeds(2))
    for wrong in ({**feeds(2), "x": np.zeros((2, 3))}, {**feeds(2), "x": np.zeros((2, 4), np.float32)}):
        with pytest.raises(FAULTS):
            bound.run(wrong)
        assert same(bound.run(feeds(2)), session, feeds(2))
