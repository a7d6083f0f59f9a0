"""Ray Serve, as its documentation has it: a deployment with replicas, or one that runs its work on threads, or one
that batches.
"""

import asyncio
import json
import os
import signal
import threading

import ray
from ray import serve
from starlette.requests import Request

from benchmarks.peers import work

REPLICAS, THREADS = int(os.environ.get("BENCH_REPLICAS", "2")), os.environ.get("BENCH_THREADS")
BATCH = int(os.environ.get("BENCH_BATCH", "1"))


@serve.deployment(num_replicas=REPLICAS, max_ongoing_requests=64, ray_actor_options={"num_cpus": 0})
class Bench:
    def __init__(self):
        self.work = work.load()

    async def __call__(self, request: Request):
        if request.method == "GET":
            return {}
        body = await request.body()
        value = json.loads(body)["texts"] if work.name() == "sentences" else body
        if BATCH > 1:
            return await self.many(value)
        return await asyncio.to_thread(self.work, value) if THREADS else self.work(value)

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=0.005)
    async def many(self, values):
        return self.work.many(values)


if __name__ == "__main__":
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", logging_level="error")
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["BENCH_PORT"])})
    serve.run(Bench.bind(), route_prefix="/")
    ended.wait()
    serve.shutdown()
    ray.shutdown()
