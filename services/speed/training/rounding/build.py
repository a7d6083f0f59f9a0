"""Compiles the kernels when they are first wanted, and keeps them."""

import fcntl
import hashlib
import logging
import os
import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path

import torch

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent
SOURCES = ("rounding.h", "rounding.cpp", "rounding.cu")
CPP_FLAGS = ["-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math"]
CUDA_FLAGS = ["-O3"]


@cache
def compiled() -> bool:
    """Whether the compiled kernel is there; it is built, once a machine, where it was not. Where that cannot be, the
    log says why, and the same steps in plain torch run in its place."""
    if lacking := missing():
        log.warning("rounding runs in plain torch: no %s to compile its kernel with", " and no ".join(lacking))
        return False
    try:
        _load(home())
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        log.warning("rounding runs in plain torch: its kernel was not compiled: %s", error)
        return False
    return True


def missing() -> list[str]:
    """What a build lacks."""
    compiler = os.environ.get("CXX", "g++")
    return [tool for tool in (compiler, "ninja") if shutil.which(tool) is None]


def home() -> Path:
    """Where this machine keeps the kernel of these sources: below $XDG_CACHE_HOME, else ~/.cache."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(repr((torch.__version__, _with_gpu(), CPP_FLAGS, CUDA_FLAGS, _processor())).encode())
    for name in SOURCES:
        digest.update((FOLDER / name).read_bytes())
    return root / "vernier" / f"rounding-{digest.hexdigest()[:16]}"


def _load(folder: Path) -> None:
    """One process builds, the others wait for it; a lock of the system's goes with the process that holds it."""
    from torch.utils import cpp_extension  # asks for compilers as it is imported

    folder.mkdir(parents=True, exist_ok=True)
    gpu = _with_gpu()
    with (folder / "building").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        library = folder / "rounding.so"
        if not library.is_file():
            (folder / "lock").unlink(missing_ok=True)  # torch's own, left by a build that was broken off
            cpp_extension.load(
                "rounding",
                [str(FOLDER / name) for name in SOURCES if name.endswith(".cpp") or (gpu and name.endswith(".cu"))],
                extra_cflags=CPP_FLAGS,
                extra_cuda_cflags=CUDA_FLAGS,
                build_directory=str(folder),
                with_cuda=gpu,
                is_python_module=False,
            )
        else:
            torch.ops.load_library(library)  # type: ignore[no-untyped-call]


def _with_gpu() -> bool:
    """A GPU that torch can use, and a toolkit to compile for it."""
    return torch.cuda.is_available() and shutil.which("nvcc") is not None


def _processor() -> str:
    """The kernel uses what this processor has."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine() + platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.machine())
