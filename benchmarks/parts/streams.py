"""Live cameras through the gateway, what the estimator takes of a core, and a clip end to end."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks import expected
from benchmarks.cameras import Cameras, Seen, run
from benchmarks.inputs import ANEW, Dashcam, dashcam, survey
from benchmarks.measure import Goal, Row, Rule, repeated, spread
from benchmarks.proc import memory_bytes
from benchmarks.servers import CORES, ROOT, Server, gateway, redis, service

PART = "streams"
CAMERAS = (1, 8, 32)
FRAME_MS, CLIP_S = 20.0, 2.0
"""Goals: live video at 20 frames a second on less than half a core; a clip of 10 s."""


def rows(folder: Path, rule: Rule) -> Iterator[Row]:
    """Gateway, service, Redis and cameras share all cores."""
    clip, small = dashcam(folder), survey(folder)
    for each in (small, clip):
        yield estimator(each, rule)
    with ExitStack() as stack:
        url = stack.enter_context(redis(folder))
        speed = stack.enter_context(service("services.speed", REDIS_URL=url))
        front = stack.enter_context(gateway([speed], REDIS_URL=url))
        for each in (small, clip):
            yield end_to_end(each, front, rule)
        before = memory_bytes(speed.pid)
        for count in CAMERAS:
            yield from live(clip, count, front, speed, rule, before)


def live(clip: Dashcam, count: int, front: Server, speed: Server, rule: Rule, before: int) -> Iterator[Row]:
    """Latency counts from the moment a frame is due, so a server that holds the sender up gains nothing."""
    url = f"{front.url}/v1/speed/stream?fps={clip.fps:g}&camera={clip.camera}"
    seen: list[Seen] = []
    memory: list[float] = []

    def window() -> float:
        seen.append(run(Cameras(url, count, clip.fps, max(2.0, rule.seconds), clip.pictures)))
        memory.append((memory_bytes(speed.pid) - before) / count / 2**20)
        return float(np.percentile(seen[-1].latencies_ms, 99))

    values, stable = repeated(window, rule)
    whole = [each for part in seen for each in part.latencies_ms]
    share = sum(each.dropped for each in seen) / sum(each.sent for each in seen)
    what, value = f"{count} camera{'s' * (count > 1)}, {clip.fps:g} frames/s each", spread(values)
    rate = len(whole) / (max(2.0, rule.seconds) * len(seen))
    raw = {
        "latency_p50_ms": float(np.percentile(whole, 50)), "latency_p99_ms": float(np.percentile(whole, 99)),
        "answered_per_s": rate, "sent_per_s": count * clip.fps, "dropped_share": share,
        "without_speed": sum(each.without for each in seen), "windows": len(seen),
    }  # fmt: skip
    against = "from when a frame is due to its reply"
    yield Row(PART, f"{what}: latency p50", raw["latency_p50_ms"], "ms", against, stable=stable, raw=raw)
    yield Row(PART, f"{what}: latency p99", value[0], "ms", against, None, *value[1:], stable, raw)
    yield Row(PART, f"{what}: dropped", 100 * share, "%", f"{rate:,.0f} frames/s answered", stable=stable, raw=raw)
    if count == CAMERAS[-1]:
        value = spread(memory)
        against = "the service's proportional set size, less that with no stream"
        yield Row(PART, "memory a stream", value[0], "MiB", against, None, *value[1:], raw={"streams": count})


def estimator(clip: Dashcam, rule: Rule) -> Row:
    """Frames decoded before, one thread."""
    command = [sys.executable, "-m", "benchmarks.estimator", str(clip.video), clip.camera, str(rule.seconds)]

    def window() -> float:
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
        return float(done.stdout)

    values, stable = repeated(window, rule)
    value, low, high = spread(values)
    against = "processor time of one thread, decoded before"
    return Row(
        PART,
        f"estimator: a frame of {clip.width} x {clip.height}",
        value,
        "ms",
        against,
        Goal(FRAME_MS, at_most=True),
        low,
        high,
        stable,
    )


def end_to_end(clip: Dashcam, front: Server, rule: Rule) -> Row:
    """Sent, decoded, measured, smoothed and answered."""
    body, count = clip.video.read_bytes(), len(clip.pictures)
    url = f"{front.url}/v1/speed/video?camera={clip.camera}"
    check = expected.speeds(count)

    def window() -> float:
        asked = urllib.request.Request(url, body, {"Content-Type": "video/mp4", **ANEW})
        began = time.perf_counter()
        with urllib.request.urlopen(asked, timeout=120) as response:
            answer = response.read()
        took = time.perf_counter() - began
        check(0, answer)
        return took

    window()
    values, stable = repeated(window, rule)
    value, low, high = median(values), min(values), max(values)
    raw = {"frames": count, "frames_per_s": count / value, "cores": len(CORES), "bytes": len(body)}
    what = f"a clip of {count / clip.fps:g} s, {count} frames of {clip.width} x {clip.height}"
    goal = Goal(CLIP_S, at_most=True)
    return Row(PART, what, value, "s", "from sent to answered, one client", goal, low, high, stable, raw)
