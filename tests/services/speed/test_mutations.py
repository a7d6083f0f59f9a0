"""A thousand broken videos and images, sent to a real process: it refuses or measures, and is none the worse for it."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.polling import until
from tests.processes import Process, running
from tests.services.speed import clips, mutations

VIDEOS, IMAGES = 600, 400
SEED = 20
REFUSED = {400, 413, 415, 422}
GROWTH_BYTES = 40 << 20
"""Room for what threads keep for themselves; a leak of one small frame a file would pass it tenfold."""


@pytest.fixture(scope="module")
def speed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("spool")
    settings = {"VERNIER_SPEED_MAX_FRAMES": "200", "VERNIER_SPEED_MAX_PIXELS": "1000000"}
    with running("services.speed", TMPDIR=str(folder), **settings) as process:
        yield process
        assert list(folder.iterdir()) == []
    assert [line for line in process.lines if line.get("raw")] == [], "a decoder wrote a line of its own"
    assert [line for line in process.lines if line.get("level") == "error"] == []


def test_a_thousand_broken_files(speed: Process) -> None:
    good = clips.coded(6, width=96, height=64)
    with httpx.Client(base_url=f"{speed.address}/v1/speed", timeout=120) as web:

        def video(case: tuple[str, bytes]) -> tuple[str, httpx.Response]:
            return case[0], web.post("/video", content=case[1])

        def image(case: tuple[str, bytes]) -> tuple[str, httpx.Response]:
            files = [("frames", ("a.jpg", case[1])), ("frames", ("b.jpg", case[1]))]
            return case[0], web.post("/frames?fps=20", files=files)

        before = web.post("/video", content=good)
        assert before.status_code == 200
        seen: Counter[int] = Counter()
        with ThreadPoolExecutor(2) as threads:
            warm_up = list(mutations.mutated(mutations.videos(), 100, SEED + 1))
            list(threads.map(video, warm_up))
            at_first = memory(speed)
            for what, answer in threads.map(video, mutations.mutated(mutations.videos(), VIDEOS, SEED)):
                judge(what, answer)
                seen[answer.status_code] += 1
            for what, answer in threads.map(image, mutations.mutated(mutations.images(), IMAGES, SEED)):
                judge(what, answer)
                seen[answer.status_code] += 1
        assert memory(speed) - at_first < GROWTH_BYTES
        until(lambda: spooled(speed) == 0, "no body is on disk any more")
        assert min(seen[200], seen[400], seen[422]) > 50, f"too tame or too wild: {seen}"
        assert web.post("/video", content=good).content == before.content


def judge(what: str, answer: httpx.Response) -> None:
    if answer.status_code == 200:
        body = answer.json()
        assert body["frames"] >= 2, what
        assert body["time_s"] == sorted(set(body["time_s"])), what
        return
    assert answer.status_code in REFUSED, f"{what}: {answer.status_code} {answer.text}"
    assert answer.json()["detail"], what


def memory(process: Process) -> int:
    """Bytes that it holds and shares with nobody."""
    fields = Path(f"/proc/{process.popen.pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in fields if line.startswith(("Private_Clean", "Private_Dirty")))


def spooled(process: Process) -> int:
    """Files without a name that it holds open."""
    held = 0
    for each in Path(f"/proc/{process.popen.pid}/fd").iterdir():
        try:
            held += "(deleted)" in str(each.readlink())
        except FileNotFoundError:
            continue
    return held
