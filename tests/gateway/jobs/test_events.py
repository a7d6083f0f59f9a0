"""A job's events: each once, in order, from wherever a client left off."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from redis import Redis

from tests.gateway.jobs.laboratory import FINAL, Laboratory, laboratory
from tests.polling import until
from tests.processes import PATIENCE_S

RANK = {"queued": 0, "running": 1, **dict.fromkeys(FINAL, 2)}
Event = tuple[int, dict[str, Any]]


def events(answer: httpx.Response) -> Iterator[Event]:
    """As a browser reads them: fields up to an empty line."""
    number, data = 0, ""
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if name == "id":
            number = int(value)
        elif name == "data":
            data = value
        elif not line and data:
            yield number, orjson.loads(data)
            data = ""


class Watcher:
    """Reads a job's events on a thread of its own, until they end."""

    def __init__(self, gateway: str, job_id: str, last: int | None = None) -> None:
        self.seen: list[Event] = []
        self.ended = False
        headers = {} if last is None else {"Last-Event-ID": str(last)}
        self._url, self._headers = f"{gateway}/v1/jobs/{job_id}/events", headers
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with httpx.stream("GET", self._url, headers=self._headers, timeout=PATIENCE_S) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for event in events(answer):
                self.seen.append(event)
        self.ended = True

    def to_the_end(self) -> list[Event]:
        self._thread.join(PATIENCE_S)
        assert self.ended, self.seen
        return self.seen


def assert_monotone(seen: list[Event]) -> None:
    numbers = [number for number, _ in seen]
    shares = [job["progress"] for _, job in seen]
    ranks = [RANK[job["status"]] for _, job in seen]
    assert numbers == sorted(set(numbers))
    assert shares == sorted(shares)
    assert ranks == sorted(ranks)


def test_events_are_the_jobs_own_object_in_order_to_the_end(lab: Laboratory) -> None:
    lab.service.open.clear()
    job_id = lab.submit("/work")
    watcher = Watcher(lab.gateway, job_id)
    until(lambda: bool(watcher.seen), "the first event")
    lab.await_status(job_id, "running")
    for share in (0.1, 0.5, 0.9):
        lab.service.share = share
        until(lambda share=share: lab.job(job_id)["progress"] == share, "the progress is seen")  # type: ignore[misc]
    lab.service.open.set()
    seen = watcher.to_the_end()
    assert_monotone(seen)
    assert seen[-1][1] == lab.job(job_id)
    assert {job["progress"] for _, job in seen} >= {0.5, 0.9, 1}
    assert {job["id"] for _, job in seen} == {job_id}


def test_whoever_comes_back_gets_what_came_meanwhile(lab: Laboratory) -> None:
    job_id = lab.submit("/quick")
    lab.await_status(job_id)
    whole = Watcher(lab.gateway, job_id, 0).to_the_end()
    assert [job["status"] for _, job in whole] == ["queued", "running", "succeeded"]
    assert [number for number, _ in whole] == [1, 2, 3]
    assert whole[0][1]["finished"] is None
    assert Watcher(lab.gateway, job_id, 1).to_the_end() == whole[1:]
    assert Watcher(lab.gateway, job_id).to_the_end() == whole[2:]


@pytest.mark.parametrize("last", ["99", "x", "-1", "9" * 30])
def test_a_number_that_never_was_begins_at_the_present(lab: Laboratory, last: str) -> None:
    job_id = lab.submit("/quick")
    lab.await_status(job_id)
    with lab.client.stream("GET", f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": last}) as answer:
        assert [number for number, _ in events(answer)] == [3]


def test_a_client_that_has_seen_the_end_is_sent_home(lab: Laboratory) -> None:
    job_id = lab.submit("/quick")
    lab.await_status(job_id)
    assert lab.client.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": "3"}).status_code == 204


def test_many_watchers_of_many_jobs_see_the_same(lab: Laboratory) -> None:
    lab.service.open.clear()
    ids = [lab.submit("/work", str(n)) for n in range(3)]
    watchers = {each: [Watcher(lab.gateway, each, 0) for _ in range(10)] for each in ids}
    until(lambda: all(w.seen for those in watchers.values() for w in those), "each has its first event")
    lab.service.open.set()
    for job_id, those in watchers.items():
        first, *others = [watcher.to_the_end() for watcher in those]
        assert [job["status"] for _, job in first] == ["queued", "running", "succeeded"], job_id
        assert all(other == first for other in others)


def test_a_cancelled_job_ends_its_events_and_a_removed_one_too(lab: Laboratory) -> None:
    lab.service.open.clear()
    job_id = lab.submit("/work")
    watcher = Watcher(lab.gateway, job_id)
    until(lambda: bool(watcher.seen), "the first event")
    lab.client.delete(f"/v1/jobs/{job_id}")
    assert watcher.to_the_end()[-1][1]["status"] == "cancelled"


def test_a_watcher_that_hung_up_costs_nothing_more(lab: Laboratory) -> None:
    def calls(command: str) -> int:
        with Redis.from_url(lab.redis_url) as client:
            statistics: Any = client.info("commandstats")
        return int(statistics.get(f"cmdstat_{command}", {}).get("calls", 0))

    def quiet() -> bool:
        """No reads of events while the gateway keeps house three times."""
        reads, rounds = calls("xread"), calls("time")
        until(lambda: calls("time") >= rounds + 3, "time goes by")
        return calls("xread") == reads

    lab.service.open.clear()
    job_id = lab.submit("/work")
    before = calls("xread")
    with lab.client.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        stream = events(answer)
        next(stream)
        until(lambda: calls("xread") > before, "it is watched")
    until(quiet, "nobody is watched for any more")


def test_events_outlive_redis_and_the_gateway(tmp_path: Path) -> None:
    with laboratory(tmp_path) as lab:
        lab.service.open.clear()
        job_id = lab.submit("/work")
        lab.await_status(job_id, "running")
        watcher = Watcher(lab.gateway, job_id, 0)
        until(lambda: len(watcher.seen) == 2, "two events")
        with lab.redis_away():
            lab.service.share = 0.5
        until(lambda: len(watcher.seen) == 3, "Redis is back, and so are the events")
        first = lab.gateway_process
        lab.use(lab.start_gateway())
        first.popen.send_signal(signal.SIGTERM)
        early = watcher.to_the_end()
        assert first.popen.wait(PATIENCE_S) == 0
        later = Watcher(lab.gateway, job_id, early[-1][0])
        lab.service.open.set()
        late = later.to_the_end()
        assert_monotone(early + late)
        assert late[-1][1]["status"] == "succeeded"
