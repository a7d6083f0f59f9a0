"""Workers that come, go and die: no job is lost, none ends twice."""

import random
import signal
import time

from redis import Redis

from tests.gateway.jobs.laboratory import LEASE_S, Laboratory, kill
from tests.polling import until
from tests.processes import Process

PATIENCE_S = 90.0


def holder(lab: Laboratory, job_id: str) -> Process:
    """The worker that began the job last."""
    for worker in lab.workers:
        while (line := worker._drain()) is not None:
            worker.lines.append(line)
    begun = [
        (line["timestamp"], worker)
        for worker in lab.workers
        for line in worker.lines
        if line["event"] == "job begun" and line["job"] == job_id
    ]
    return max(begun, key=lambda each: str(each[0]))[1]


def test_a_killed_workers_job_goes_to_another_and_ends_once(bare_lab: Laboratory) -> None:
    lab = bare_lab
    with lab.working(2):
        lab.service.open.clear()
        job_id = lab.submit("/work")
        until(lambda: lab.service.begun[job_id] == 1, "the service has it")
        kill(holder(lab, job_id))
        until(lambda: lab.service.begun[job_id] == 2, "another worker has taken it up")
        until(lambda: lab.service.left[job_id] == 1, "the first request's connection is closed")
        lab.service.open.set()
        over = lab.await_status(job_id)
        assert (over["status"], over["attempts"]) == ("succeeded", 2)
        assert lab.service.effects[job_id] == 1
        assert lab.result(job_id).json() == {"read": "x"}


def test_a_worker_that_was_stopped_comes_back_and_changes_nothing(bare_lab: Laboratory) -> None:
    lab = bare_lab
    with lab.working(2):
        lab.service.open.clear()
        job_id = lab.submit("/work")
        until(lambda: lab.service.begun[job_id] == 1, "the service has it")
        first = holder(lab, job_id)
        first.popen.send_signal(signal.SIGSTOP)
        try:
            until(lambda: lab.service.begun[job_id] == 2, "another worker has taken it up")
            lab.service.open.set()
            over = lab.await_status(job_id)
        finally:
            first.popen.send_signal(signal.SIGCONT)
        line = first.await_line("job ended") if over["status"] != "succeeded" else over
        until(lambda: lab.client.get(f"{first.address}/livez").status_code == 200, "it serves again")
        assert (lab.job(job_id), over["attempts"]) == (over, 2)
        assert line["status"] == "succeeded"


def test_a_job_that_ends_every_worker_fails_and_says_so(bare_lab: Laboratory) -> None:
    lab = bare_lab
    with lab.working(1, VERNIER_JOBS_MAX_ATTEMPTS="2"):
        lab.service.open.clear()
        job_id = lab.submit("/work")
        for attempt in (1, 2):
            until(lambda attempt=attempt: lab.service.begun[job_id] == attempt, "it is begun")  # type: ignore[misc]
            kill(lab.workers[-1])
            lab.workers.append(lab.start_worker())
        over = lab.await_status(job_id)
        assert (over["status"], over["attempts"], over["error"]["status"]) == ("failed", 2, 502)
        assert "broke off 2 times" in over["error"]["detail"]
        other = lab.submit("/quick")
        assert lab.await_status(other)["status"] == "succeeded"


def test_sigterm_lets_a_job_end(bare_lab: Laboratory) -> None:
    lab = bare_lab
    with lab.working(1):
        lab.service.open.clear()
        job_id = lab.submit("/work")
        until(lambda: lab.service.begun[job_id] == 1, "the service has it")
        [worker] = lab.workers
        worker.popen.send_signal(signal.SIGTERM)
        worker.await_line("draining")
        lab.service.open.set()
        over = lab.await_status(job_id)
        assert (over["status"], over["attempts"], worker.stop()) == ("succeeded", 1, 0)
        assert lab.service.begun[job_id] == 1


def test_sigterm_hands_back_what_does_not_end_in_time(bare_lab: Laboratory) -> None:
    lab = bare_lab
    with lab.working(1, VERNIER_JOBS_DRAIN_TIMEOUT_S="2"):
        lab.service.open.clear()
        job_id = lab.submit("/work")
        until(lambda: lab.service.begun[job_id] == 1, "the service has it")
        assert lab.workers[0].stop() == 0
        assert (lab.job(job_id)["status"], lab.job(job_id)["attempts"]) == ("queued", 0)
        until(lambda: lab.service.left[job_id] == 1, "the request's connection is closed")
        lab.service.open.set()
        lab.start_worker()
        over = lab.await_status(job_id)
        assert (over["status"], over["attempts"]) == ("succeeded", 1)


def test_accepted_jobs_survive_the_death_of_redis(bare_lab: Laboratory) -> None:
    lab = bare_lab
    with lab.working(0):
        ids = [lab.submit("/quick", str(n)) for n in range(20)]
        with lab.redis_away(written=False):
            pass
        assert [lab.job(each)["status"] for each in ids] == ["queued"] * 20
        lab.start_worker()
        for number, each in enumerate(ids):
            assert lab.await_status(each)["attempts"] == 1
            assert lab.result(each).text == f"a,b\n{number}"


def test_a_job_in_hand_survives_the_death_of_redis_and_of_the_gateway(bare_lab: Laboratory) -> None:
    lab = bare_lab
    with lab.working(2):
        lab.service.open.clear()
        job_id = lab.submit("/work")
        until(lambda: lab.service.begun[job_id] == 1, "the service has it")
        kill(lab.gateway_process)
        with lab.redis_away():
            time.sleep(1.2 * LEASE_S)  # longer than a lease: nobody may take it for dead
        lab.use(lab.start_gateway())
        lab.service.open.set()
        over = lab.await_status(job_id)
        assert (over["status"], over["attempts"]) == ("succeeded", 1)
        assert (lab.service.begun[job_id], lab.service.effects[job_id]) == (1, 1)


def test_fifty_jobs_over_workers_that_are_killed_all_end_once(bare_lab: Laboratory) -> None:
    lab, chance = bare_lab, random.Random(7)
    with lab.working(3, VERNIER_JOBS_MAX_ATTEMPTS="20"):
        ids = []
        for number in range(50):
            lab.service.open.clear() if number % 10 == 3 else lab.service.open.set()
            ids.append(lab.submit("/work", str(number)))
            if number in (15, 30, 45):
                index = chance.randrange(3)
                kill(lab.workers[index])
                lab.workers[index] = lab.start_worker()
        lab.service.open.set()
        until(lambda: all(lab.job(each)["status"] == "succeeded" for each in ids), "all have ended", PATIENCE_S)
        assert [lab.result(each).json()["read"] for each in ids] == [str(n) for n in range(50)]
        assert [lab.service.effects[each] for each in ids] == [1] * 50
        assert sum(lab.job(each)["attempts"] for each in ids) >= sum(lab.service.begun[each] for each in ids)


def test_a_queued_job_is_cancelled_for_good(bare_lab: Laboratory) -> None:
    lab = bare_lab
    job_id = lab.submit("/work")
    cancelled = lab.client.delete(f"/v1/jobs/{job_id}")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    with lab.working(1):
        assert lab.await_status(lab.submit("/work"))["status"] == "succeeded"
        assert (lab.job(job_id)["status"], lab.service.begun[job_id]) == ("cancelled", 0)


def test_a_redis_that_was_flushed_forgets_and_goes_on(bare_lab: Laboratory) -> None:
    lab = bare_lab
    with lab.working(1):
        lab.service.open.clear()
        job_id = lab.submit("/work")
        until(lambda: lab.service.begun[job_id] == 1, "the service has it")
        with Redis.from_url(lab.redis_url) as client:
            client.flushall()
        until(lambda: lab.service.left[job_id] == 1, "the worker has dropped what nobody asks for any more")
        assert lab.client.get(f"/v1/jobs/{job_id}").status_code == 404
        lab.service.open.set()
        assert lab.await_status(lab.submit("/work"))["status"] == "succeeded"


def test_a_redis_that_was_hung_is_waited_for(bare_lab: Laboratory) -> None:
    lab = bare_lab
    with lab.working(1):
        lab.service.open.clear()
        job_id = lab.submit("/work")
        until(lambda: lab.service.begun[job_id] == 1, "the service has it")
        lab.redis.send_signal(signal.SIGSTOP)
        try:
            lab.service.open.set()
            until(lambda: lab.service.effects[job_id] == 1, "the service has answered")
            assert lab.client.get(f"/v1/jobs/{job_id}").status_code == 503
        finally:
            lab.redis.send_signal(signal.SIGCONT)
        over = lab.await_status(job_id)
        assert (over["status"], over["attempts"]) == ("succeeded", 1)
