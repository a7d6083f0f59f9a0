"""What is prepared once is not prepared again, and what fails says so."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT
from tests.scripts.launched import Launched, launched

PYPROJECT = '[dependency-groups]\nlint = ["{requirement}"]\n'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree of its own with the script and a group that needs nothing from the network."""
    package = tmp_path / "wheel" / "vernier_probe-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: vernier-probe\nVersion: 1.0\n")
    (package / "WHEEL").write_text("Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    (package / "RECORD").write_text("")
    wheel = shutil.make_archive(str(tmp_path / "probe"), "zip", tmp_path / "wheel")
    Path(wheel).rename(tmp_path / "vernier_probe-1.0-py3-none-any.whl")
    root = tmp_path / "tree"
    (root / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "prepare.py", root / "scripts")
    (root / "pyproject.toml").write_text(PYPROJECT.format(requirement="vernier-probe"))
    pip = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("pip=="))
    (root / "constraints.txt").write_text(f"{pip}\nvernier-probe==1.0\n")
    return root


def prepared(tree: Path, *arguments: str) -> tuple[int, str]:
    (tree / "run").mkdir(exist_ok=True)
    command = [sys.executable, str(tree / "scripts" / "prepare.py"), *arguments]
    with launched(command, tree / "run", PIP_FIND_LINKS=str(tree.parent)) as process:
        return process.await_end(), process.output


def test_the_second_time_installs_nothing_and_a_changed_pin_installs_again(tree: Path) -> None:
    command = ["lint", "--", "-c", "from importlib.metadata import version; print(version('vernier-probe'))"]
    code, said = prepared(tree, *command)
    assert code == 0, said
    assert "Prepared packages of the group 'lint'" in said
    assert said.endswith("1.0\n")
    assert prepared(tree, *command) == (0, "1.0\n")
    (tree / "constraints.txt").write_text((tree / "constraints.txt").read_text() + "# changed\n")
    assert "Prepared packages" in prepared(tree, *command)[1]


def test_what_cannot_be_installed_fails_and_is_tried_again(tree: Path) -> None:
    (tree / "pyproject.toml").write_text(PYPROJECT.format(requirement="vernier-probe>1"))
    for _ in range(2):
        code, said = prepared(tree, "lint")
        assert code == 1
        assert "--group lint -c constraints.txt failed with exit code 1" in said
        assert "vernier-probe" in said


def test_sigterm_ends_the_installation_too(tree: Path) -> None:
    (tree / "run").mkdir()
    command = [sys.executable, str(tree / "scripts" / "prepare.py"), "lint"]
    with launched(command, tree / "run", PIP_FIND_LINKS=str(tree.parent)) as process:
        process.await_that(lambda: installing(process))
        os.kill(process.popen.pid, signal.SIGTERM)
        assert process.await_end() == 128 + signal.SIGTERM
        process.await_that(lambda: process.family() == {})


def installing(process: Launched) -> bool:
    return any("pip install" in command for command in process.family().values())
