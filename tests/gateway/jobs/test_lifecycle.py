"""How jobs end: by an answer, a refusal, a deadline, a cancellation; and what is left of them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.gateway.jobs.laboratory import Laboratory, laboratory
from tests.polling import until


def test_a_running_job_says_how_far_it_is_and_has_no_result_yet(lab: Laboratory) -> None:
    lab.service.open.clear()
    job_id = lab.submit("/work")
    lab.await_status(job_id, "running")
    lab.service.share = 0.25
    until(lambda: lab.job(job_id)["progress"] == 0.25, "the service's progress is the job's")
    early = lab.result(job_id)
    assert (early.status_code, "running" in early.json()["detail"]) == (409, True)
    assert lab.client.get(f"/v1/jobs/{job_id}").headers["retry-after"] == "1"
    lab.service.open.set()
    assert lab.await_status(job_id)["progress"] == 1
    assert "retry-after" not in lab.client.get(f"/v1/jobs/{job_id}").headers


def test_a_refused_job_has_failed_with_the_services_own_words(lab: Laboratory) -> None:
    at_once = lab.client.post("/refuse")
    job_id = lab.submit("/refuse")
    over = lab.await_status(job_id)
    result = lab.result(job_id)
    assert (over["status"], over["error"]["status"], over["error"]["detail"]) == ("failed", 422, "it means nothing")
    assert (result.status_code, result.content) == (422, at_once.content)
    assert result.headers["content-type"] == "application/problem+json"


def test_a_service_that_is_busy_is_asked_again(lab: Laboratory) -> None:
    lab.service.busy = 1
    job_id = lab.submit("/busy")
    over = lab.await_status(job_id)
    assert (over["status"], over["attempts"]) == ("succeeded", 1)
    assert lab.result(job_id).json() == {"done": True}


def test_a_service_that_breaks_off_is_asked_as_often_as_allowed(lab: Laboratory) -> None:
    before = lab.service.asked["/break"]
    job_id = lab.submit("/break")
    over = lab.await_status(job_id)
    assert (over["status"], over["error"]["status"], over["attempts"]) == ("failed", 502, 3)
    assert lab.service.asked["/break"] - before == 3
    assert "broke off" in over["error"]["detail"]
    assert lab.result(job_id).json() == over["error"]
    assert lab.result(job_id).status_code == 502


def test_a_running_job_that_is_cancelled_frees_its_service(lab: Laboratory) -> None:
    lab.service.open.clear()
    job_id = lab.submit("/work")
    lab.await_status(job_id, "running")
    until(lambda: lab.service.begun[job_id] == 1, "the service has it")
    cancelled = lab.client.delete(f"/v1/jobs/{job_id}")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    until(lambda: lab.service.left[job_id] == 1, "the worker hung up")
    lab.service.open.set()
    assert lab.job(job_id)["status"] == "cancelled"
    assert lab.service.effects[job_id] == 0
    none = lab.result(job_id)
    assert (none.status_code, "cancelled" in none.json()["detail"]) == (409, True)


def test_a_finished_job_is_removed_with_its_result(lab: Laboratory) -> None:
    job_id = lab.submit("/quick")
    lab.await_status(job_id)
    removed = lab.client.delete(f"/v1/jobs/{job_id}")
    assert (removed.status_code, removed.content) == (204, b"")
    for path in ("", "/result", "/events"):
        assert lab.client.get(f"/v1/jobs/{job_id}{path}").status_code == 404
    assert lab.client.delete(f"/v1/jobs/{job_id}").status_code == 404


def test_a_cancellation_and_an_end_at_once_agree(lab: Laboratory) -> None:
    """Whatever wins: a job that said cancelled stays so, one that was removed had ended."""
    lab.service.open.clear()
    ids = [lab.submit("/work", str(n)) for n in range(12)]
    lab.await_status(ids[0], "running")
    lab.service.open.set()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda each: lab.client.delete(f"/v1/jobs/{each}"), ids))
    for job_id, answer in zip(ids, answers, strict=True):
        if answer.status_code == 204:
            assert lab.client.get(f"/v1/jobs/{job_id}").status_code == 404
            assert lab.service.effects[job_id] == 1
        else:
            assert answer.json()["status"] == "cancelled"
            assert lab.job(job_id)["status"] == "cancelled"
            assert lab.result(job_id).status_code == 409


def test_a_job_past_its_deadline_fails_and_then_expires(tmp_path: Path) -> None:
    settings = {"VERNIER_GATEWAY_JOBS_TIMEOUT_S": "1", "VERNIER_GATEWAY_JOBS_RESULT_TTL_S": "5"}
    with laboratory(tmp_path, workers=1, **settings) as lab:
        lab.service.open.clear()
        job_id = lab.submit("/work", **{"Idempotency-Key": "k"})
        over = lab.await_status(job_id)
        assert (over["status"], over["error"]["status"]) == ("failed", 504)
        until(lambda: lab.service.left[job_id] == 1, "the worker hung up")
        until(lambda: lab.client.get(f"/v1/jobs/{job_id}").status_code == 404, "the job has expired")
        assert lab.result(job_id).status_code == 404
        assert lab.submit("/quick", b"2", **{"Idempotency-Key": "k"}) != job_id


def test_a_service_that_is_down_is_waited_for(lab: Laboratory) -> None:
    lab.service.stop()
    job_id = lab.submit("/quick", b"1")
    lab.await_status(job_id, "running")
    lab.service.start()
    over = lab.await_status(job_id)
    assert (over["status"], over["attempts"]) == ("succeeded", 1)


def test_an_answer_larger_than_is_kept_fails_the_job(lab: Laboratory) -> None:
    job_id = lab.submit("/large?100001")
    over = lab.await_status(job_id)
    assert (over["status"], over["error"]["status"]) == ("failed", 413)
    assert "100,000" in over["error"]["detail"]
    fits = lab.submit("/large?100000")
    lab.await_status(fits)
    assert len(lab.result(fits).content) == 100_000


def test_jobs_are_counted_under_closed_labels(lab: Laboratory) -> None:
    worker = lab.workers[0].address
    ended = {
        ("work", "succeeded"): sample(lab, worker, "jobs_total", kind="work", status="succeeded"),
        ("refuse", "failed"): sample(lab, worker, "jobs_total", kind="refuse", status="failed"),
    }
    taken = sample(lab, lab.gateway, "jobs_total", kind="work", status="queued")
    cancelled = sample(lab, lab.gateway, "jobs_total", kind="work", status="cancelled")
    attempts = sample(lab, worker, "job_attempts_count", kind="work")
    timed = sample(lab, worker, "job_duration_seconds_count", kind="refuse", status="failed")
    lab.await_status(lab.submit("/refuse"))
    lab.service.open.clear()
    job_id = lab.submit("/work")
    lab.await_status(job_id, "running")
    waiting = [lab.submit("/work", str(n)) for n in range(3)]
    for process in (worker, lab.gateway):
        until(lambda at=process: sample(lab, at, "jobs_queued") == 2, "two wait")  # type: ignore[misc]
        until(lambda at=process: sample(lab, at, "jobs_running") == 2, "two run")  # type: ignore[misc]
    assert sample(lab, lab.gateway, "jobs_total", kind="work", status="queued") == taken + 4
    lab.client.delete(f"/v1/jobs/{job_id}")
    assert sample(lab, lab.gateway, "jobs_total", kind="work", status="cancelled") == cancelled + 1
    lab.service.open.set()
    for each in waiting:
        lab.await_status(each)
    for (kind, status), before in ended.items():
        more = 3 if kind == "work" else 1
        until(
            lambda kind=kind, status=status, goal=before + more: (  # type: ignore[misc]
                sample(lab, worker, "jobs_total", kind=kind, status=status) == goal
            ),
            f"{more} of {kind} have {status}",
        )
    assert sample(lab, worker, "job_attempts_count", kind="work") == attempts + 3
    assert sample(lab, worker, "job_duration_seconds_count", kind="refuse", status="failed") == timed + 1


def sample(lab: Laboratory, process: str, name: str, **labels: str) -> float:
    page = lab.client.get(f"{process}/metrics").text
    found = [
        each.value
        for family in text_string_to_metric_families(page)
        for each in family.samples
        if each.name == name and labels.items() <= each.labels.items()
    ]
    return sum(found)
