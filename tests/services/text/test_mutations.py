"""A thousand broken requests of every operation that reads JSON: each is answered or refused, and none fails."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import orjson

from tests.services.text import mutations

REQUESTS, SEED = 1000, 5
REFUSED = {400, 404, 406, 409, 413, 415, 422}


def samples(document: dict[str, object]) -> list[mutations.Sample]:
    """The examples of the service's own document, but for those that have nothing to do with text."""
    found = []
    paths: dict[str, dict[str, dict[str, object]]] = document["paths"]  # type: ignore[assignment]
    for path, operations in paths.items():
        for method, operation in operations.items():
            media = operation.get("requestBody", {}).get("content", {}).get("application/json", {})  # type: ignore[attr-defined]
            if not path.startswith("/v2/"):
                found += [(method.upper(), path, each["value"]) for each in media.get("examples", {}).values()]
    return found


def test_a_thousand_broken_requests(whole_text: str) -> None:
    with httpx.Client(base_url=whole_text, timeout=60) as web:
        web.put("/v1/text/corpora/known", json={"texts": ["known words"]}).raise_for_status()
        good = samples(web.get("/openapi.json").json())
        paths = {path for _, path, _ in good}
        assert {"/v1/embeddings", "/v1/text/cluster", "/v1/text/information", "/v1/text/corpora/{id}/texts"} <= paths
        seen: Counter[int] = Counter()

        def send(case: mutations.Case) -> None:
            headers = [(name.encode(), value.encode()) for name, value in case.headers.items()]
            answer = web.request(case.method, case.path, headers=headers, content=case.body)
            judge(case, answer)
            seen[answer.status_code] += 1
            if answer.status_code == 201:
                web.delete(answer.headers["location"])

        with ThreadPoolExecutor(2) as threads:
            for _ in threads.map(send, mutations.mutated(good, REQUESTS, SEED)):
                pass
        web.delete("/v1/text/corpora/known")
    assert min(seen[200], seen[400], seen[422]) > 50, f"too tame or too wild: {seen}"


def judge(case: mutations.Case, answer: httpx.Response) -> None:
    what = f"{case.name}: {answer.status_code} {answer.text[:500]}"
    content = orjson.loads(answer.content)
    if answer.status_code not in {200, 201}:
        assert answer.status_code in REFUSED, what
        assert content.get("detail") or content["error"], what
