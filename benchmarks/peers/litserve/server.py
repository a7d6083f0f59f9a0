"""LitServe, as its documentation has it: an API whose worker processes load the model; images as an uploaded file."""

import os

import litserve
from fastapi import Request, UploadFile

from benchmarks.peers import work

BATCH = int(os.environ.get("BENCH_BATCH", "1"))


class Api(litserve.LitAPI):
    def setup(self, device):  # noqa: ARG002
        self.work = work.load()

    def predict(self, value):
        return self.work(value)

    def encode_response(self, output):
        return output


class Files(Api):
    def decode_request(self, request: UploadFile):
        return request.file.read()


class Texts(Api):
    def decode_request(self, request: Request):
        return request["texts"]


class Batches(Texts):
    """Several requests in one run of the model."""

    def batch(self, inputs):
        return inputs

    def predict(self, inputs):
        return self.work.many(inputs)

    def unbatch(self, output):
        return output


def api():
    if work.name() != "sentences":
        return Files()
    return Batches(max_batch_size=BATCH, batch_timeout=0.005) if BATCH > 1 else Texts()


if __name__ == "__main__":
    server = litserve.LitServer(
        api(),
        accelerator="cpu",
        workers_per_device=int(os.environ.get("BENCH_WORKERS", "2")),
        fast_queue=os.environ.get("BENCH_FAST_QUEUE") == "1",
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ["BENCH_PORT"]),
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
    )
