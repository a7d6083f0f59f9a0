"""BentoML, as its documentation has it: a service whose workers load the model."""

import os
from pathlib import Path
from typing import Annotated

import bentoml
from bentoml.validators import ContentType

from benchmarks.peers import work

WORKERS, THREADS = int(os.environ.get("BENCH_WORKERS", "2")), int(os.environ.get("BENCH_THREADS", "1"))


@bentoml.service(workers=WORKERS, threads=THREADS, traffic={"timeout": 60})
class Bench:
    def __init__(self) -> None:
        self.work = work.load()

    @bentoml.api(route="/frame")
    def frame(self, image: Annotated[Path, ContentType("image/jpeg")], /) -> dict:
        return self.work(image.read_bytes())

    @bentoml.api(route="/speed")
    def speed(self, images: Annotated[Path, ContentType("application/octet-stream")], /) -> dict:
        return self.work(images.read_bytes())

    @bentoml.api(route="/sentences")
    def sentences(self, texts: list[str]) -> dict:
        return self.work(texts)

    @bentoml.api(route="/sentence", batchable=True, max_batch_size=32, max_latency_ms=10_000)
    def sentence(self, texts: list[str]) -> list[str]:
        return self.work(texts)["embeddings"]
