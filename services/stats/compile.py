"""`python -m services.stats.compile` compiles the kernels and keeps them beside their source, for every later start.

What has not changed since is not compiled again. A start without it compiles in memory: some twenty seconds.
"""

from pathlib import Path

from services.stats.kalman.kernels import filter, smoother
from services.stats.kernels import ordering, rows, selection

if __name__ == "__main__":
    for module in (ordering, rows, selection, filter, smoother):
        source = Path(str(module.__file__))
        if not any((source.parent / "__pycache__").glob(f"{source.stem}.*.nbi")):
            raise SystemExit(f"what {source} compiles to cannot be kept beside it: the folder cannot be written to")
