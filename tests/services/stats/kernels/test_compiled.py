import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = """
from services.stats.kernels.compiled import compiled

@compiled("f8(f8)")
def twice(x):
    return 2 * x
"""


def load(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("kernel", folder / "kernel.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    (tmp_path / "kernel.py").write_text(SOURCE)
    return tmp_path


def test_what_was_compiled_once_is_loaded(folder: Path) -> None:
    first, second = load(folder).twice, load(folder).twice
    assert first(2.0) == second(2.0) == 4.0
    assert (sum(first.stats.cache_hits.values()), sum(second.stats.cache_hits.values())) == (0, 1)


def test_it_compiles_where_nothing_can_be_kept(folder: Path) -> None:
    (folder / "__pycache__").write_text("a file, so that no folder can be there")
    assert load(folder).twice(2.0) == 4.0
    assert load(folder).twice(2.0) == 4.0


def test_a_torn_cache_is_none(folder: Path) -> None:
    load(folder)
    for file in (folder / "__pycache__").iterdir():
        file.write_bytes(file.read_bytes()[:-20])
    assert load(folder).twice(2.0) == 4.0
