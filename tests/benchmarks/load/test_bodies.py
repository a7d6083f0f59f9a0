from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.load import read_bodies, write_bodies


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bodies_are_read_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes]) -> None:
    path = tmp_path_factory.getbasetemp() / "bodies"
    assert read_bodies(Path(write_bodies(path, bodies))) == bodies


def test_a_file_that_ends_early_is_said(tmp_path: Path) -> None:
    path = tmp_path / "bodies"
    write_bodies(path, [b"abc"])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="ends within body 0"):
        read_bodies(path)
