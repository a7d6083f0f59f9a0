"""A launcher under test, and every process that came of it, wherever it hangs in the tree of processes."""

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from scripts.machine import free_port
from tests.processes import ROOT, clean_environment

PATIENCE_S = 90.0
MARK = "LAUNCHED_BY"


class Launched:
    """`command` in a process group of its own, as a terminal starts it; output goes to a file."""

    def __init__(self, command: list[str], folder: Path, env: Mapping[str, str]) -> None:
        self.mark = uuid.uuid4().hex
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**clean_environment(), **env, MARK: self.mark, "MAKEFLAGS": ""},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def family(self) -> dict[int, str]:
        """Command line by id of each process that lives and inherited the mark from the launcher."""
        wanted = f"{MARK}={self.mark}".encode()
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue  # it ended meanwhile, or is another user's
        return found

    def member(self, word: str) -> int:
        """Id of the one process that was started with `word`: not honcho's fork of the launcher, nor a shell."""
        [pid] = [pid for pid, command in self.family().items() if word in command and "sh -c" not in command]
        return pid

    def await_that(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, self.output
            time.sleep(0.02)  # between two looks

    def await_output(self, text: str) -> None:
        self.await_that(lambda: text in self.output or self.popen.poll() is not None)
        assert text in self.output, self.output

    def await_end(self) -> int:
        try:
            return self.popen.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end: {self.family()}\n{self.output}") from None


@contextmanager
def launched(command: list[str], folder: Path, **env: str) -> Iterator[Launched]:
    process = Launched(command, folder, env)
    try:
        yield process
    finally:
        for pid in process.family():
            os.kill(pid, signal.SIGKILL)
        process.popen.wait()


def own_places(folder: Path) -> dict[str, str]:
    """Settings that put a whole Vernier on free ports and its files under `folder`."""
    names = ("GATEWAY", "JOBS", "SPEED", "TEXT", "STATS")
    (folder / "tmp").mkdir()
    return {
        **{f"VERNIER_{name}_PORT": str(free_port()) for name in names},
        "VERNIER_RUN_REDIS_PORT": str(free_port()),
        "VERNIER_RUN_DATA": str(folder / "data"),
        "VERNIER_DRAIN_TIMEOUT_S": "5",
        "TMPDIR": str(folder / "tmp"),
    }


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]
