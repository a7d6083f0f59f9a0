"""What is built, where it is kept, and what happens where it cannot be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.speed.training.rounding import build, compiled

ROOT = Path(__file__).parents[5]
SAYS = (
    "import logging, torch; logging.basicConfig();"
    "from services.speed.training.rounding import compiled, round_decimals;"
    "print(round_decimals(torch.tensor([0.125, 2.5]), 2).tolist(), compiled(), compiled())"
)


def test_without_a_compiler_plain_torch_runs_and_the_log_says_so_once(tmp_path: Path) -> None:
    environment = {**os.environ, "CXX": "no-such-compiler", "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", SAYS], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[0.11999999731779099, 2.5] False False"
    assert done.stderr.count("rounding runs in plain torch: no no-such-compiler") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_compiler_that_fails_is_said_too(tmp_path: Path) -> None:
    environment = {**os.environ, "CXX": "false", "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", SAYS], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("False False")
    assert done.stderr.count("its kernel was not compiled") == 1


def test_it_is_built_once_a_machine() -> None:
    if lacking := build.missing():
        pytest.skip(f"the kernel is not compiled here: no {' and no '.join(lacking)}")
    assert compiled()
    library = build.home() / "rounding.so"
    before = library.stat().st_mtime_ns
    done = subprocess.run([sys.executable, "-c", SAYS], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("True True")
    assert library.stat().st_mtime_ns == before


def test_other_sources_are_another_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = build.home()
    for name in build.SOURCES:
        (tmp_path / name).write_bytes((build.FOLDER / name).read_bytes() + b"\n")
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    assert build.home() != before
    assert build.home().parent == before.parent
