"""What the inference protocol says of a model and what its metrics say agree."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.polling import until
from tests.processes import running

MODEL = "text-embedding"


def metrics(url: str) -> dict[tuple[str, str], float]:
    """By series and outcome, of the model."""
    return {
        (sample.name, sample.labels.get("outcome", "")): sample.value
        for family in text_string_to_metric_families(httpx.get(f"{url}/metrics").text)
        for sample in family.samples
        if sample.labels.get("model") == MODEL and "le" not in sample.labels
    }


def statistics(url: str) -> dict[str, Any]:
    (found,) = httpx.get(f"{url}/v2/models/{MODEL}/stats").raise_for_status().json()["model_stats"]
    return dict(found)


def test_statistics_and_metrics_agree() -> None:
    with running("services.text", VERNIER_TEXT_MAX_QUEUE_TOKENS="6000") as text:

        def ask(number: int) -> int:
            body = {"model": MODEL, "input": [f"sentence {number}"] * (number % 5 + 1)}
            late = {"x-request-timeout-ms": "1"} if number % 10 == 0 else {}
            return httpx.post(f"{text.address}/v1/embeddings", json=body, headers=late, timeout=60).status_code

        before, earlier = metrics(text.address), statistics(text.address)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(60)))

        def grown(name: str, *outcomes: str) -> float:
            now = metrics(text.address)
            return sum(now[name, outcome] - before[name, outcome] for outcome in outcomes or ("",))

        def said(*path: str) -> float:
            one, other = statistics(text.address), earlier
            for step in path:
                one, other = one[step], other[step]
            return float(one) - float(other)  # type: ignore[arg-type]

        until(lambda: grown("inference_queue_depth") == 0, "nothing waits any more")  # what was late may be under way
        until(lambda: grown("inference_batch_size_count") == said("execution_count"), "both count the same runs")
        assert grown("inference_batch_size_sum") == said("inference_count") >= answers.count(200)
        succeeded = grown("inference_requests_total", "ok")
        assert succeeded == said("inference_stats", "success", "count") >= answers.count(200) > 0
        failed = grown("inference_requests_total", "error", "rejected", "timeout", "cancelled")
        assert failed == said("inference_stats", "fail", "count")
        for name, tally in (("queue", "queue"), ("compute", "compute_infer")):
            seconds = grown(f"inference_{name}_duration_seconds_sum")
            assert seconds == pytest.approx(said("inference_stats", tally, "ns") / 1e9, rel=0.01, abs=1e-4)
