"""Make ready to run: the virtual environment with pinned packages, the sentence model, and compiled loops.

`python3.11 -m scripts.prepare GROUP... [-- ARGUMENT...]` needs nothing but Python's own library. A group of
pyproject.toml is installed again only when pyproject.toml, constraints.txt or the interpreter changed, so that the
second time takes a moment. With arguments, the environment's Python then takes this process's place with them.
"""

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
PINNED = [ROOT / "pyproject.toml", ROOT / "constraints.txt"]
TEXT_MODELS = ROOT / "services" / "text" / "models"
KERNELS = ROOT / "services" / "stats" / "kernels" / "__pycache__"
QUIET = ["-qq", "--disable-pip-version-check", "--no-input"]


def main(arguments: list[str]) -> None:
    if sys.version_info[:2] != (3, 11):
        raise SystemExit(f"Vernier runs on Python 3.11, and {sys.executable} is {sys.version.split()[0]}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and with it the child at work
    groups = arguments[: arguments.index("--")] if "--" in arguments else arguments
    prepare(groups)
    if command := arguments[len(groups) + 1 :]:
        os.execv(PYTHON, [str(PYTHON), *command])


def prepare(groups: list[str]) -> None:
    state = ROOT / ".vernier"
    state.mkdir(exist_ok=True)
    with (state / "prepare.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (PYTHON.exists() and PYTHON.with_name("pip").exists()):
            venv.create(VENV, with_pip=True, clear=True)
        for group in groups:
            _once(group)
        if groups != ["lint"]:
            _build_text_model()
            _compile_kernels()


def _once(group: str) -> None:
    """Install `group` unless this very environment has it with the same pins."""
    digest = hashlib.sha256(sys.version.encode() + b"".join(path.read_bytes() for path in PINNED)).hexdigest()
    stamp = VENV / f".vernier-{group}"
    if stamp.exists() and stamp.read_text() == digest:
        return
    with _told(f"packages of the group '{group}'"):
        _run("-m", "pip", "install", *QUIET, "pip", "-c", "constraints.txt")  # groups need pip 25.1
        _run("-m", "pip", "install", *QUIET, "--group", group, "-c", "constraints.txt")
    stamp.write_text(digest)


def _build_text_model() -> None:
    command = ("-m", "services.text.build_model")
    if any(TEXT_MODELS.glob("*/*/model.json")):
        _run(*command)  # checks the files it finds, in a fraction of a second
        return
    with _told("the sentence model (84 MB to fetch)"):
        _run(*command)


def _compile_kernels() -> None:
    command = ("-m", "services.stats.compile")
    if any(KERNELS.glob("*.nbi")):
        _run(*command)  # compiles those that changed
        return
    with _told("the compiled loops of the trend tests"):
        _run(*command)


@contextmanager
def _told(what: str) -> Iterator[None]:
    print(f"Preparing {what} ...", flush=True)
    start = time.monotonic()
    yield
    print(f"Prepared {what} in {time.monotonic() - start:.0f} s", flush=True)


def _run(*arguments: str) -> None:
    ended = subprocess.run([str(PYTHON), *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    if ended.returncode:
        raise SystemExit(f"python {' '.join(arguments)} failed with exit code {ended.returncode}")


if __name__ == "__main__":
    main(sys.argv[1:])
