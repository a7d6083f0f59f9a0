"""Real processes for tests: a Vernier process or a Redis, on a free port, ended when the test is over."""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from scripts.machine import free_port, redis_binary

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"
PATIENCE_S = 60.0


class Process:
    """`python -m module` with `env` added; its log lines are read as they come."""

    def __init__(self, *command: str, env: Mapping[str, str] | None = None) -> None:
        self.lines: list[dict[str, Any]] = []
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.popen = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**clean_environment(), **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            try:
                entry = orjson.loads(line)
            except orjson.JSONDecodeError:
                entry = {"event": line.decode(errors="replace").rstrip(), "raw": True}
            self._queue.put(entry if isinstance(entry, dict) else {"event": str(entry), "raw": True})
        self._queue.put(None)

    def await_line(self, event: str, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """The next log line with this event. Raises AssertionError when the process ends or the time is over."""
        while True:
            try:
                line = self._queue.get(timeout=timeout_s)
            except queue.Empty:
                raise AssertionError(f"no {event!r} within {timeout_s} s; the log so far: {self.lines}") from None
            if line is None:
                raise AssertionError(f"the process ended before {event!r}; its log: {self.lines}")
            self.lines.append(line)
            if line["event"] == event:
                return line

    @property
    def address(self) -> str:
        """Where it serves, `http://127.0.0.1:PORT`, as soon as it does."""
        for line in self.lines:
            if line["event"] == "serving":
                return str(line["addresses"][0])
        return str(self.await_line("serving")["addresses"][0])

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status; killed when it does not end in time."""
        if self.popen.poll() is None:
            self.popen.send_signal(sign)
        try:
            code = self.popen.wait(PATIENCE_S)
        finally:
            self.popen.kill()
            self.popen.wait()
        self._reader.join(PATIENCE_S)
        if self.popen.stdout is not None:
            self.popen.stdout.close()
        while (line := self._drain()) is not None:
            self.lines.append(line)
        return code

    def _drain(self) -> dict[str, Any] | None:
        try:
            return self._queue.get_nowait()
        except queue.Empty:
            return None


@contextmanager
def running(module: str, **env: str) -> Iterator[Process]:
    """`python -m module` on a free port, serving; `env` by full names."""
    name = module.rpartition(".")[2].upper()
    process = Process("-m", module, env={f"VERNIER_{name}_PORT": "0", **env})
    try:
        assert process.address
        yield process
    finally:
        process.stop()


@contextmanager
def running_redis(folder: Path, *options: str, port: int = 0) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A Redis of its own and its URL."""
    port = port or free_port()
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder), *options]
    popen = subprocess.Popen([redis_binary(), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    reader = None
    try:
        assert popen.stdout is not None
        log = b""
        for line in popen.stdout:
            log += line
            if b"eady to accept connections" in line:
                break
        else:
            raise AssertionError(f"Redis did not start: {log.decode(errors='replace')}")
        reader = threading.Thread(target=popen.stdout.read, daemon=True)
        reader.start()
        yield popen, f"redis://127.0.0.1:{port}/0"
    finally:
        popen.send_signal(signal.SIGCONT)
        popen.kill()
        popen.wait()
        if reader is not None:
            reader.join(PATIENCE_S)
        if popen.stdout is not None:
            popen.stdout.close()


def clean_environment() -> dict[str, str]:
    """The environment without settings of Vernier, so that a test sees what it sets and no more."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("VERNIER_", "OTEL_")) and k != "REDIS_URL"}
