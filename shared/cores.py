"""How many cores this process may really use, and who goes first on them."""

import contextlib
import os
import sys
import threading
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
NICENESS = 5
"""Of a thread that computes: a third of an event loop's share of a core where both want it."""


def available_cores(cgroup: Path = CGROUP) -> int:
    """Whole cores, at least 1: the affinity mask, cut to the cgroup's CPU quota (v2 `cpu.max`, v1 `cpu.cfs_*`)."""
    cores = len(os.sched_getaffinity(0))
    quota = _quota(cgroup)
    return cores if quota is None else max(1, min(cores, int(quota)))


def step_back() -> None:
    """The calling thread lets event loops go first, so that a probe or a refusal never waits for a computation.

    On Linux alone, where niceness is a thread's own; elsewhere, and where the system forbids it, nothing happens.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)


def _quota(cgroup: Path) -> float | None:
    try:
        limit, period = (cgroup / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        limit_us = int((cgroup / "cpu" / "cpu.cfs_quota_us").read_text())
        period_us = int((cgroup / "cpu" / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None
    return None if limit_us < 0 else limit_us / period_us
