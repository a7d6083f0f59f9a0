"""An environment for each peer, made once: `.vernier/bench/<name>`, pinned by `peers/<name>/requirements.txt`."""

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.servers import ROOT

ENVIRONMENTS = ROOT / ".vernier" / "bench"
QUIET = ["-qq", "--disable-pip-version-check", "--no-input"]
FIRST = "torch=="
"""What starts so is installed by itself first, with what it needs on this machine."""


class NotInstalled(Exception):
    """Says what pip said last."""


def python(name: str) -> Path:
    """The interpreter of the environment, which is made anew when its pins have changed. Raises NotInstalled."""
    folder, pins = ENVIRONMENTS / name, requirements(name)
    digest = hashlib.sha256(sys.version.encode() + pins.read_bytes()).hexdigest()
    stamp, interpreter = folder / ".stamp", folder / "bin" / "python"
    if not (stamp.exists() and stamp.read_text() == digest):
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        for line in pins.read_text().splitlines():
            if line.startswith(FIRST):
                _pip(interpreter, line)
        _pip(interpreter, "--no-deps", "-r", str(pins))
        stamp.write_text(digest)
    return interpreter


def requirements(name: str) -> Path:
    """The exact version of every package, one a line."""
    return Path(__file__).parent / name / "requirements.txt"


def versions(name: str) -> dict[str, str]:
    """Version by package."""
    lines = (line for line in requirements(name).read_text().splitlines() if "==" in line)
    return {package: version for package, _, version in (line.partition("==") for line in lines)}


def _pip(interpreter: Path, *arguments: str) -> None:
    ended = subprocess.run(
        [str(interpreter), "-m", "pip", "install", *QUIET, *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if ended.returncode:
        said = [line for line in ended.stdout.splitlines() if line.startswith("ERROR")]
        raise NotInstalled((said or ended.stdout.splitlines() or ["pip failed"])[-1][:300])
