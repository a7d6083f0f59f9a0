"""A thousand requests gone wrong, sent to a real process: it refuses or answers, and is none the worse for it."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from services.stats.tables import JSON
from tests.processes import Process, running, running_redis
from tests.services.stats.mutations import Case, cases, mutated

COUNT, SEED = 1000, 6
REFUSED = {400, 406, 409, 413, 415, 422}


@pytest.fixture(scope="module")
def stats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder: Path = tmp_path_factory.mktemp("redis")
    with running_redis(folder) as (_, url), running("services.stats", REDIS_URL=url) as process:
        yield process
    assert [line for line in process.lines if line.get("level") == "error" or line.get("raw")] == []


@pytest.fixture
def web(stats: Process) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stats.address, timeout=60) as client:
        for case in cases(client.get("/openapi.json").json()):
            if case.method == "put":  # the first of each makes what the others speak of
                send(client, case)
        client.put("/v1/stats/aggregates/other", json={"kind": ["count", "sum"], "columns": ["x"]})
        yield client


def send(client: httpx.Client, case: Case) -> httpx.Response:
    headers = {"Content-Type": case.kind, "Accept": case.accept}
    return client.request(case.method, case.path, content=case.body, params=list(case.query), headers=headers)


def test_every_example_is_sound(web: httpx.Client) -> None:
    for case in cases(web.get("/openapi.json").json()):
        answer = send(web, case)
        assert answer.status_code < 300 or answer.status_code == 409, (case, answer.text)


def test_a_thousand_broken_requests(web: httpx.Client) -> None:
    seen: Counter[int] = Counter()
    document = web.get("/openapi.json").json()
    for number, case in enumerate(mutated(document, COUNT, SEED)):
        answer = send(web, case)
        seen[answer.status_code] += 1
        said = f"{number}: {case}\n{answer.status_code} {answer.text[:500]}"
        assert answer.status_code < 300 or answer.status_code in REFUSED, said
        if answer.status_code in REFUSED:
            problem = strictly(answer.text)
            assert problem["status"] == answer.status_code, said
            assert problem["detail"], said
        elif answer.headers["content-type"] == JSON:
            strictly(answer.text)
    assert min(seen[200], seen[400], seen[422]) > COUNT // 20, f"too tame or too wild: {seen}"


def strictly(text: str) -> dict[str, Any]:
    """Raises ValueError for NaN and infinity, which are no JSON."""
    content: dict[str, Any] = json.loads(text, parse_constant=_refuse)
    return content


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} in an answer")
