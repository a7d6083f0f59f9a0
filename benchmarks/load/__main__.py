"""`python -m benchmarks.load`: takes a `Load` on standard input, writes an `Outcome`, both pickled.

It runs before others where that is allowed: it stands for other machines, and a clock that waits for a core shows
latencies that no server has.
"""

import contextlib
import gc
import os
import pickle
import sys

from benchmarks.load.generator import Generator

if __name__ == "__main__":
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    load = pickle.load(sys.stdin.buffer)
    gc.disable()
    pickle.dump(Generator(load).run(), sys.stdout.buffer)
