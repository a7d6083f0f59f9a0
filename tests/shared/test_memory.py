import platform
import subprocess
import sys

import pytest

from tests.processes import ROOT

FREED = """
import gc
from tests.shared.reloads import resident_bytes
from shared.memory import give_back

pieces = [bytes(1000 + k % 7) for k in range(100_000)]
last = pieces[-1]  # lies at the end of the heap: what is free before it stays with the C library
full = resident_bytes()
del pieces
gc.collect()
give_back()
print(full - resident_bytes())
"""


def test_what_is_freed_goes_back_to_the_system() -> None:
    """In a process of its own, since the memory of this one is everybody's."""
    done = subprocess.run([sys.executable, "-c", FREED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50_000_000


REUSED = """
import resource
from shared.memory import reuse

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        bytearray(2 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

reuse(1 << 12, 1 << 12)
handed_back = faults()
reuse(4 << 20, 16 << 20)
faults()
print(handed_back, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_memory_for_images_is_used_again() -> None:
    """A hundred times 2 MB: each page of them is asked for anew, or none."""
    done = subprocess.run([sys.executable, "-c", REUSED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    handed_back, used_again = map(int, done.stdout.split())
    assert used_again < 0.1 * handed_back
