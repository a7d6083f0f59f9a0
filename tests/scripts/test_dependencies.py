"""A process's dependency group names what its folder imports: its container holds no more than the group."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from scripts.lock import normal
from tests.processes import ROOT

OWN = {"shared", "gateway", "services"}
GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
DISTRIBUTIONS = packages_distributions()
CARRIED = {
    "starlette": "fastapi",  # fastapi's own ground
    "pydantic": "fastapi",
    "pydantic_core": "fastapi",
    "multidict": "aiohttp",  # aiohttp's own types
    "yarl": "aiohttp",
}
"""Modules whose distribution comes with another one, of whose interface they are a part."""
ONLY_WHERE_USED = {"aiohttp", "numpy", "onnxruntime", "redis", "zstandard"}
"""What modules of shared/ import that not every process loads; those that do have it in their group."""


def names(group: str) -> set[str]:
    """Distributions that a group names, those of the groups it includes with them."""
    found: set[str] = set()
    for entry in GROUPS[group]:
        found |= names(entry["include-group"]) if isinstance(entry, dict) else {normal(Requirement(entry).name)}
    return found


def imported(folder: Path, *leaving_out: str) -> set[str]:
    """Top-level modules of others that the sources of `folder` import."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        if set(path.relative_to(folder).parts) & set(leaving_out):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - OWN - sys.stdlib_module_names


def lacking(modules: set[str], named: set[str]) -> list[str]:
    def is_named(module: str) -> bool:
        wanted = {CARRIED.get(module, "")} | {normal(each) for each in DISTRIBUTIONS.get(module, [])}
        return bool(wanted & named)

    return sorted(module for module in modules if not is_named(module))


EXTRAS = {"text": ("text-umap", "text-word2vec")}
"""Groups of what a process may do without, and says so."""


@pytest.mark.parametrize("group", ["gateway", "speed", "text", "stats"])
def test_a_group_names_what_its_folder_imports(group: str) -> None:
    folder = ROOT / group if group == "gateway" else ROOT / "services" / group
    # training has its group; what writes graphs has `text-build`
    modules = imported(folder, "training", "graph.py", "eightbit.py")
    assert lacking(modules, set().union(*map(names, (group, *EXTRAS.get(group, ()))))) == []


def test_shared_imports_what_every_group_names() -> None:
    assert lacking(imported(ROOT / "shared") - ONLY_WHERE_USED, names("shared")) == []


def test_every_pin_is_exact_and_every_named_distribution_is_pinned() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pins = {normal(Requirement(line).name): str(Requirement(line).specifier) for line in lines}
    assert [name for name, pin in pins.items() if not pin.startswith("==")] == []
    assert set().union(*(names(group) for group in GROUPS)) - set(pins) == set()


def test_nothing_that_serves_needs_torch() -> None:
    assert "torch" not in names("run")
