"""A hundred clients ask the same at once: the model runs once."""

import http.client
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import orjson
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import expected
from benchmarks.checks import WrongAnswer
from benchmarks.inputs import JSON
from benchmarks.measure import Goal, Row, Rule
from benchmarks.servers import gateway, redis, service

PART = "once"
CLIENTS = 100


def rows(folder: Path, rule: Rule) -> Iterator[Row]:  # noqa: ARG001
    """As many rounds as make sure, each with a text of its own."""
    with ExitStack() as stack:
        url = stack.enter_context(redis(folder))
        text = stack.enter_context(service("services.text"))
        front = stack.enter_context(gateway([text], REDIS_URL=url))
        counts, by_cache = [], Counter[str]()
        for number in range(3):
            words = [f"one text that {CLIENTS} clients send at the same moment, round {number}"]
            before = runs(text.url)
            answers = at_once(front.url + "/v1/embeddings", orjson.dumps({"input": words, "encoding_format": "base64"}))
            counts.append(runs(text.url) - before)
            by_cache.update(cache for cache, _ in answers)
            check = expected.embeddings(words)
            for answer in {body for _, body in answers}:
                check(0, answer)
        raw = {"x_cache_status": dict(by_cache), "rounds": len(counts)}
        yield Row(
            PART, f"{CLIENTS} identical requests at once", max(counts), "runs of the model",
            "inference_batch_size_count of the service", Goal(1, at_most=True), min(counts), max(counts), True, raw,
        )  # fmt: skip


def runs(url: str) -> int:
    """How often the service has run a model so far."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as response:
        families = text_string_to_metric_families(response.read().decode())
        samples = [each for family in families for each in family.samples]
    return int(sum(each.value for each in samples if each.name == "inference_batch_size_count"))


def at_once(url: str, body: bytes) -> list[tuple[str, bytes]]:
    """`X-Cache-Status` and body of each answer; connected first, sent together. Raises WrongAnswer."""
    parts = urlsplit(url)
    barrier, answers = threading.Barrier(CLIENTS), list[tuple[str, bytes]]()

    def ask() -> None:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        connection.connect()
        barrier.wait(60)
        connection.request("POST", parts.path, body, JSON)
        response = connection.getresponse()
        content = response.read()
        if response.status == 200:
            answers.append((response.headers["X-Cache-Status"], content))
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if len(answers) != CLIENTS:
        raise WrongAnswer(f"{len(answers)} of {CLIENTS} identical requests were answered 200")
    return answers
