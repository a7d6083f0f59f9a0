"""The process's memory."""

import ctypes
import ctypes.util
import functools
from collections.abc import Callable

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's malloc.h."""


def give_back() -> None:
    """Asks the C library to return what has been freed to the system: glibc keeps it otherwise."""
    _trim()(0)


def reuse(largest: int, kept: int) -> None:
    """Lets glibc take pieces of up to `largest` bytes from its heap, and keep up to `kept` free bytes at the end of
    each heap, where it would get every piece from the system and return it: an image's worth of memory otherwise costs
    more to come by than to compute on. Elsewhere nothing happens."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, largest)
        mallopt(M_TRIM_THRESHOLD, kept)


@functools.cache
def _trim() -> Callable[[int], int]:
    library = ctypes.util.find_library("c")
    found = getattr(ctypes.CDLL(library), "malloc_trim", None) if library else None
    return found if found is not None else lambda _pad: 0
