"""Where the time goes: processor time by process, and by layer within one (py-spy, in an environment of its own)."""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.load import Outcome
from benchmarks.peers.environments import NotInstalled, python
from benchmarks.servers import ROOT, Server

RATE_HZ = 200
MOST = 12

LAYERS = (
    ("uvicorn/", "uvicorn"),
    ("httptools/", "uvicorn"),
    ("uvloop/", "event loop and kernel"),
    ("asyncio/", "event loop and kernel"),
    ("selectors.py", "event loop and kernel"),
    ("fastapi/", "FastAPI"),
    ("starlette/", "starlette"),
    ("pydantic", "pydantic"),
    ("aiohttp/", "aiohttp"),
    ("redis/", "redis client"),
    ("hiredis/", "redis client"),
    ("prometheus_client/", "prometheus client"),
    ("structlog/", "logs"),
    ("logging/", "logs"),
    ("opentelemetry/", "traces"),
    ("onnxruntime/", "ONNX Runtime"),
    ("tokenizers/", "tokenizers"),
    ("cv2/", "OpenCV"),
    ("PIL/", "Pillow"),
    ("numpy/", "numpy"),
    ("scipy/", "scipy"),
    ("sklearn/", "scikit-learn"),
)


def taken(run: Callable[[], Outcome], servers: Sequence[Server]) -> dict[str, Any]:
    """Processor time for one answered request by process, in microseconds, over one window; and the layers of each
    server over another."""
    before = [each.cpu_s() for each in servers]
    outcome = run()
    answers = max(1, sum(outcome.statuses.values()))
    used = (after.cpu_s() - was for after, was in zip(servers, before, strict=True))
    spent = {each.name: round(cpu / answers * 1e6, 1) for each, cpu in zip(servers, used, strict=True)}
    done = max(1, len(outcome.accepted_s) + len(outcome.refused_s))
    spent["load generator"] = round(outcome.busy * outcome.seconds / done * 1e6, 1)
    found = {each.name: layers(each, run, outcome.seconds) for each in servers}
    return {"cpu_us_per_answer": spent, "layers": found}


def layers(server: Server, run: Callable[[], Any], seconds: float) -> dict[str, float] | str:
    """Share of the running threads' samples by layer, or why there are none."""
    return sampled(["--pid", str(server.pid)], seconds, run)


def startup(module: str, seconds: float, **env: str) -> dict[str, float] | str:
    """The same of the first seconds of `python -m module`."""
    return sampled(["--", sys.executable, "-m", module], seconds, lambda: None, env)


def sampled(
    what: Sequence[str], seconds: float, run: Callable[[], Any], env: Mapping[str, str] | None = None
) -> dict[str, float] | str:
    try:
        spy = python("profile").with_name("py-spy")
    except NotInstalled as error:
        return f"no py-spy: {error}"
    with tempfile.TemporaryDirectory() as name:
        stacks, heard = Path(name) / "stacks", Path(name) / "heard"
        options = f"--format raw --rate {RATE_HZ} --nonblocking --duration {max(1, round(seconds))} --output {stacks}"
        with heard.open("w") as output:
            recording = subprocess.Popen(
                [str(spy), "record", *options.split(), *what],
                cwd=ROOT, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
            time.sleep(0.3)
            run()
            code = recording.wait(120)
        if code or not stacks.exists():
            return f"py-spy: {heard.read_text().strip()[-200:]}"
        return shares(stacks.read_text().splitlines())


def shares(stacks: Iterable[str]) -> dict[str, float]:
    """From collapsed stacks, `frame (file:line);... count`, the largest shares by layer."""
    counts: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        counts[responsible(stack.split(";"))] += int(count)
    total = counts.total() or 1
    return {name: round(count / total, 3) for name, count in counts.most_common(MOST)}


def responsible(stack: Sequence[str]) -> str:
    """The layer of the innermost frame that has one."""
    return next((found for frame in reversed(stack) if (found := layer(frame)) != "Python"), "Python")


def layer(frame: str) -> str:
    """Vernier's own modules by name, libraries by theirs, the rest as Python."""
    file = frame.rpartition("(")[2].partition(":")[0]
    for place in ("shared", "gateway", "services", "benchmarks"):
        root, found, rest = file.partition(f"{place}/")
        if found and (not root or root == f"{ROOT}/"):
            return found + rest.removesuffix(".py")
    return next((name for part, name in LAYERS if part in file), "Python")
