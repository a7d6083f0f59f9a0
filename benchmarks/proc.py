"""What Linux tells of a process: its processor time, its memory, its children."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Processor time of all its threads, in hundredths of a second; 0 when it is gone (proc(5), /proc/pid/stat)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def descendants(pid: int) -> list[int]:
    """Its children, theirs, and so on."""
    found = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def memory_bytes(pid: int) -> int:
    """Proportional set size: its own memory, and its share of what it shares with others."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) << 10
    raise ValueError(f"/proc/{pid}/smaps_rollup says no Pss")


def peak_bytes(pid: int) -> int:
    """The most that was resident at a time (proc(5), VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise ValueError(f"/proc/{pid}/status says no VmHWM")


def end(popen: subprocess.Popen[Any], patience_s: float = 30.0) -> None:
    """SIGTERM, and SIGKILL for what is left of it and its children after `patience_s`."""
    family = descendants(popen.pid)
    popen.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        popen.wait(patience_s)
    _kill([popen.pid, *family])
    popen.wait()


def end_descendants() -> None:
    """What this process has started and not ended: a signal may come between the start of a process and whoever was
    to end it."""
    family = descendants(os.getpid())
    for pid in family:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGTERM)
    _kill(family)


def _kill(family: Sequence[int], patience_s: float = 5.0) -> None:
    """What is left of them after a while."""
    until = time.monotonic() + patience_s
    while any(map(_alive, family)) and time.monotonic() < until:
        time.sleep(0.05)
    for pid in filter(_alive, family):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
