"""A thousand requests about Kalman filters and streams gone wrong: refused or answered, and never a fault of ours."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from services.stats import examples
from services.stats.tables import JSON
from tests.processes import Process, running, running_redis
from tests.services.stats.mutations import mutated
from tests.services.stats.test_mutations import REFUSED, send, strictly

COUNT, SEED = 1000, 4


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with running_redis(tmp_path_factory.mktemp("redis")) as (_, url), running("services.stats", REDIS_URL=url) as each:
        yield each
    assert [line for line in each.lines if line.get("level") == "error" or line.get("raw")] == []


def about_kalman(document: dict[str, Any]) -> dict[str, Any]:
    paths = {path: item for path, item in document["paths"].items() if "/kalman/" in path}
    return {**document, "paths": paths}


def test_a_thousand_broken_requests(process: Process) -> None:
    seen: Counter[tuple[str, int]] = Counter()
    with httpx.Client(base_url=process.address, timeout=60) as client:
        document = about_kalman(client.get("/openapi.json").json())
        assert len(document["paths"]) == 5
        stream, shown = "/v1/stats/kalman/streams/mutated", next(iter(examples.STREAM.values()))
        for number, case in enumerate(mutated(document, COUNT, SEED)):
            if case.path.startswith(stream):
                client.delete(stream)
                client.put(stream, json=shown)
            answer = send(client, case)
            said = f"{number}: {case}\n{answer.status_code} {answer.text[:500]}"
            assert answer.status_code < 300 or answer.status_code in REFUSED, said
            if answer.status_code in REFUSED:
                problem = strictly(answer.text)
                assert problem["status"] == answer.status_code, said
                assert problem["detail"], said
            elif answer.headers["content-type"] == JSON:
                known(strictly(answer.text), said)
            seen[case.path.rpartition("/")[2], answer.status_code] += 1
    for path in ("filter", "smooth", "fit", "observations", "mutated"):
        assert min(seen[path, 400], sum(n for (p, status), n in seen.items() if p == path and status < 300)) > 10, seen


def known(content: dict[str, Any], said: str) -> None:
    """A level is unknown with its deviation only, and where it is known that is not negative."""
    for x, sd in zip(numbers(content.get("x")), numbers(content.get("sd")), strict=True):
        assert (x is None) == (sd is None), said
        assert sd is None or sd >= 0, said


def numbers(value: Any) -> list[float | None]:
    if isinstance(value, list):
        return [each for part in value for each in numbers(part)]
    return [value]


def test_the_document_has_every_operation(process: Process) -> None:
    document = about_kalman(json.loads(httpx.get(f"{process.address}/openapi.json").text))
    methods = {path.removeprefix("/v1/stats/kalman/"): set(item) for path, item in document["paths"].items()}
    assert methods == {
        "filter": {"post"},
        "smooth": {"post"},
        "fit": {"post"},
        "streams/{id}": {"put", "get", "delete"},
        "streams/{id}/observations": {"post"},
    }
