"""`Prefer: respond-async`: what is taken, what is refused, and what it becomes."""

from pathlib import Path

import httpx
import pytest

from gateway.jobs.acceptance import prefers_async
from tests.gateway.conftest import gateway_before
from tests.gateway.jobs.laboratory import ASYNC, FINAL, Laboratory, laboratory
from tests.gateway.upstream import Upstream


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (b"respond-async", True),
        (b"Respond-Async", True),
        (b"wait=10, respond-async", True),
        (b"respond-async; a=1,wait=5", True),
        (b"respond-asynchronously", False),
        (b"x-respond-async", False),
        (b'note="so, respond-async, they say"', False),
        (b"", False),
    ],
)
def test_the_preference_is_read_as_rfc_7240_writes_it(value: bytes, wanted: bool) -> None:
    assert prefers_async([(b"accept", b"*/*"), (b"prefer", b"handling=lenient"), (b"prefer", value)]) is wanted


def test_a_preferred_job_is_answered_202_with_its_place(lab: Laboratory) -> None:
    answer = lab.client.post("/quick", content=b"1,2\n", headers=ASYNC)
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.headers["cache-control"] == "no-store"
    assert job.keys() >= {"id", "kind", "status", "progress", "error"}
    assert (job["kind"], job["error"]) == ("quick", None)
    assert job["status"] in {"queued", "running", "succeeded"}  # a worker may be as quick as the answer


def test_the_result_is_what_the_call_itself_answers(lab: Laboratory) -> None:
    at_once = lab.client.post("/quick", content=b"1,2\n")
    job_id = lab.submit("/quick", b"1,2\n")
    over = lab.await_status(job_id)
    result = lab.result(job_id)
    assert (over["status"], over["progress"], over["attempts"]) == ("succeeded", 1, 1)
    assert (result.status_code, result.content) == (at_once.status_code, at_once.content)
    for name in ("content-type", "vary"):
        assert result.headers[name] == at_once.headers[name]


def test_the_service_gets_the_request_as_it_was_sent(lab: Laboratory) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    given = {"X-Unit": "mps", "Accept": "text/csv", "Content-Type": "text/plain", "traceparent": trace}
    job_id = lab.submit("/work?b=%C3%A9&a=2", "é", **given, **{"Idempotency-Key": "mine", "Cookie": "a=b"})
    lab.await_status(job_id)
    seen = lab.service.seen[job_id]
    assert (seen["raw_path"], seen["query"]) == ("/work", "b=%C3%A9&a=2")
    assert lab.result(job_id).json() == {"read": "é"}
    assert {name: seen[name.lower()] for name in ("X-Unit", "Accept", "Content-Type")} == {
        name: given[name] for name in ("X-Unit", "Accept", "Content-Type")
    }
    assert seen["traceparent"].split("-")[1] == trace.split("-")[1]
    assert (seen["x-request-id"], seen["idempotency-key"]) == (job_id, "mine")
    assert "cookie" not in seen
    assert "prefer" not in seen
    assert 0 < int(seen["x-request-timeout-ms"]) <= 3_600_000


def test_what_may_not_be_a_job_is_answered_at_once(lab: Laboratory) -> None:
    answer = lab.client.post("/plain", content=b"x", headers=ASYNC)
    assert answer.status_code == 200
    assert "preference-applied" not in answer.headers


def test_a_job_without_the_preference_is_a_call(lab: Laboratory) -> None:
    answer = lab.client.post("/quick", content=b"x", headers={"Prefer": "wait=5"})
    assert (answer.status_code, answer.content) == (200, b"a,b\nx")


def test_the_same_key_and_request_are_the_same_job(lab: Laboratory) -> None:
    first = lab.submit("/work", "once", **{"Idempotency-Key": "one"})
    again = lab.client.post("/work", content="once", headers={**ASYNC, "Idempotency-Key": "one"})
    assert (again.status_code, again.json()["id"]) == (202, first)
    assert again.headers["location"] == f"/v1/jobs/{first}"
    lab.await_status(first)
    late = lab.client.post("/work", content="once", headers={**ASYNC, "Idempotency-Key": "one"})
    assert (late.json()["id"], late.json()["status"]) == (first, "succeeded")
    assert lab.service.begun[first] == 1
    for path, content in (("/work", "other"), ("/work?a=1", "once"), ("/quick", "once")):
        other = lab.client.post(path, content=content, headers={**ASYNC, "Idempotency-Key": "one"})
        assert other.status_code == 422
        assert other.json()["errors"][0]["pointer"] == "Idempotency-Key"


def test_a_form_sent_again_is_the_same_request_whatever_its_boundary(lab: Laboratory) -> None:
    ids = set()
    for _ in range(2):
        request = lab.client.build_request("POST", "/work", files={"file": ("a", b"bytes")})
        headers = {**ASYNC, "Idempotency-Key": "form", "Content-Type": request.headers["content-type"]}
        ids.add(lab.client.post("/work", content=request.read(), headers=headers).json()["id"])
    assert len(ids) == 1


@pytest.mark.parametrize("key", ["", "two words", "x" * 256])
def test_a_key_that_is_none_is_malformed(lab: Laboratory, key: str) -> None:
    answer = lab.client.post("/work", content=b"", headers={**ASYNC, "Idempotency-Key": key})
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()["detail"]


def test_limits_say_what_they_are_and_a_redis_that_went_away_too(tmp_path: Path) -> None:
    limits = {"MAX_BODY_BYTES": "1000", "MAX_BYTES": "1500", "MAX_QUEUED": "2", "REDIS_TIMEOUT_S": "1"}
    with laboratory(tmp_path, workers=0, **{f"VERNIER_GATEWAY_JOBS_{k}": v for k, v in limits.items()}) as lab:
        large = lab.client.post("/work", content=b"x" * 1001, headers=ASYNC)
        assert (large.status_code, "1,000" in large.json()["detail"]) == (413, True)
        lab.submit("/work", b"x" * 1000)
        full = lab.client.post("/work", content=b"x" * 501, headers=ASYNC)
        assert (full.status_code, full.headers["retry-after"]) == (503, "10")
        second = lab.submit("/work", b"x" * 500)
        many = lab.client.post("/work", content=b"", headers=ASYNC)
        assert (many.status_code, many.headers["retry-after"]) == (503, "10")
        assert "2 jobs wait" in many.json()["detail"]
        assert lab.client.delete(f"/v1/jobs/{second}").json()["status"] == "cancelled"
        job_id = lab.submit("/work", b"x")
        assert_refused_without_redis(lab, job_id)


def test_without_redis_jobs_are_refused_and_calls_answered() -> None:
    upstream = Upstream()
    upstream.paths = {"/pure": {"post": {**upstream.paths["/pure"]["post"], "x-vernier-job": "pure"}}}
    upstream.start()
    try:
        with gateway_before({"stats": upstream.url}) as gateway, httpx.Client(base_url=gateway.address) as client:
            refused = client.post("/pure", content=b"x", headers=ASYNC)
            assert (refused.status_code, "Redis" in refused.json()["detail"]) == (503, True)
            assert int(refused.headers["retry-after"]) > 0
            assert client.post("/pure", content=b"x").status_code == 200
            for path in ("/v1/jobs/1", "/v1/jobs/1/events", "/v1/jobs/1/result"):
                assert client.get(path).status_code == 503
            assert client.delete("/v1/jobs/1").status_code == 503
    finally:
        upstream.stop()


def assert_refused_without_redis(lab: Laboratory, job_id: str) -> None:
    with lab.redis_away(written=False):
        answer = lab.client.post("/work", headers=ASYNC)
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert "Idempotency-Key" in answer.json()["detail"]
        assert lab.client.get(f"/v1/jobs/{job_id}").status_code == 503
        assert lab.client.post("/quick", content=b"x").status_code == 200
    assert lab.job(job_id)["status"] == "queued"


def test_unknown_jobs_are_404_everywhere(lab: Laboratory) -> None:
    for path in ("0" * 32, "x", "0" * 5000):
        for suffix in ("", "/events", "/result"):
            answer = lab.client.get(f"/v1/jobs/{path}{suffix}")
            assert (answer.status_code, answer.json()["status"]) == (404, 404)
        assert lab.client.delete(f"/v1/jobs/{path}").status_code == 404
    assert lab.client.get("/v1/jobs/").status_code == 404
    assert lab.client.get("/v1/jobs").status_code == 404
    assert lab.client.put("/v1/jobs/1").status_code == 405


def test_the_merged_document_shows_jobs(lab: Laboratory) -> None:
    document = lab.client.get("/openapi.json").json()
    assert set(document["paths"]["/v1/jobs/{job_id}"]) >= {"get", "delete"}
    assert {"/v1/jobs/{job_id}/events", "/v1/jobs/{job_id}/result"} <= set(document["paths"])
    quick, plain = document["paths"]["/quick"]["post"], document["paths"]["/plain"]["post"]
    assert {"Prefer", "Idempotency-Key"} <= {each["name"] for each in quick["parameters"]}
    assert quick["responses"]["202"]["content"]["application/json"]["schema"]["$ref"] == "#/components/schemas/Job"
    statuses = document["components"]["schemas"]["Job"]["properties"]["status"]["enum"]
    assert set(statuses) == {"queued", "running", *FINAL}
    assert "202" not in plain["responses"]
