"""`python -m tests.shared.reloads FOLDER COUNT`: loads a real graph again and again, and prints the resident memory
after each load, in bytes, a line each."""

import asyncio
import hashlib
import sys
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import orjson
from onnx import TensorProto, helper, numpy_helper

from shared.batching import Batcher
from shared.health import Health
from shared.inference.types import Array, TensorSpec
from shared.metrics import Metrics
from shared.onnx import OnnxModel
from shared.repository import Repository

SIDE = 2048
WEIGHT_BYTES = 4 * SIDE * SIDE


class Product:
    """A matrix times a vector, on threads of its own."""

    inputs: Sequence[TensorSpec] = ()
    outputs: Sequence[TensorSpec] = ()

    def __init__(self, folder: Path, metrics: Metrics) -> None:
        graph = OnnxModel.load(folder)
        self.name, self.version, self.sha256, self.provider = graph.name, graph.version, graph.sha256, graph.provider
        self.batcher: Batcher[Array, Array] = Batcher(
            lambda rows: [graph.run({"x": row})[0] for row in rows],
            model=self.name, version=self.version, cost=len, max_cost=8, slots=2, max_queue_cost=64, metrics=metrics,
        )  # fmt: skip
        self.batcher.compute([np.ones((1, SIDE), np.float32)])

    def infer(self, inputs: Mapping[str, Array], parameters: Mapping[str, Any]) -> Awaitable[Mapping[str, Array]]:
        raise NotImplementedError

    def close(self) -> None:
        self.batcher.close()


def write(folder: Path) -> None:
    folder.mkdir(parents=True)
    weights = numpy_helper.from_array(np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(np.float32), "w")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, SIDE])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, SIDE])
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "product", [x], [y], [weights])
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    (folder / "model.onnx").write_bytes(content)
    card = {"name": "product", "version": "1", "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "model.json").write_bytes(orjson.dumps(card))


def resident_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    raise AssertionError("no VmRSS")


async def main(root: Path, count: int) -> None:
    write(root / "product" / "1")
    metrics = Metrics()
    repository = Repository(root, lambda folder: Product(folder, metrics), health=Health("x"), metrics=metrics)
    await repository.start(("product",))
    for _ in range(count):
        await repository.load("product")
        with repository.use("product") as served:
            await served.batcher.submit([np.ones((1, SIDE), np.float32)] * 4)
        print(resident_bytes(), flush=True)  # noqa: T201
    await repository.aclose()


if __name__ == "__main__":
    assert onnx.__version__
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
