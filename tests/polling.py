"""Waiting for what another process does: look again and again, for so long and no longer."""

import time
from collections.abc import Callable

PATIENCE_S = 30.0
PAUSE_S = 0.005


def until(condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, f"not within {patience_s:g} s: {what}"
        time.sleep(PAUSE_S)
