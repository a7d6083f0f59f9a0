"""MLServer, as its documentation has it: a runtime of one's own, asked by the inference protocol.

Its protocol over REST is JSON only, so the bytes travel in base64.
"""

import asyncio
import base64
import os

from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

from benchmarks.peers import work


class Runtime(MLModel):
    async def load(self) -> bool:
        self.work = work.load()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        values = StringCodec.decode_input(payload.inputs[0])
        if os.environ.get("BENCH_THREADS"):
            result = await asyncio.to_thread(self._compute, values)
        else:
            result = self._compute(values)
        return InferenceResponse(model_name=self.name, outputs=result)

    def _compute(self, values: list[str]) -> list[ResponseOutput]:
        if work.name() == "sentences":
            embeddings = self.work(values)["embeddings"]
            return [ResponseOutput(name="embeddings", shape=[len(embeddings)], datatype="BYTES", data=embeddings)]
        (key, numbers), *_ = self.work(base64.b64decode(values[0])).items()
        return [ResponseOutput(name=key, shape=[len(numbers)], datatype="FP64", data=numbers)]
