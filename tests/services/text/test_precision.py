from pathlib import Path

import httpx
import pytest

from services.text.model import Precision
from services.text.precision import OfPrecision, fastest
from shared.providers import Providers
from tests.processes import Process, running

CPU = Providers(("cpu",))
THERE = ["1-fp32-53aa5117", "2-fp32-53aa5117", "2-int8-53aa5117"]


@pytest.mark.parametrize(
    ("flags", "precision"),
    [
        ("flags : fpu avx2 avx512f avx512_vnni amx_tile", "int8"),
        ("flags : fpu avx2 avx_vnni", "int8"),
        ("flags : fpu avx2 avx512f", "float32"),
        ("flags : avx512_vnnix", "float32"),
        ("", "float32"),
    ],
)
def test_int8_where_bytes_are_multiplied_in_one_instruction(tmp_path: Path, flags: str, precision: Precision) -> None:
    (tmp_path / "cpuinfo").write_text(f"model name : x\n{flags}\n")
    assert fastest(CPU, tmp_path / "cpuinfo") == precision


def test_float32_where_the_processor_says_nothing(tmp_path: Path) -> None:
    assert fastest(CPU, tmp_path / "none") == "float32"


@pytest.mark.parametrize(
    ("precision", "otherwise", "there", "chosen"),
    [
        ("int8", True, THERE, ["2-int8-53aa5117"]),
        ("float32", True, THERE, ["2-fp32-53aa5117"]),
        ("int8", True, THERE[:2], ["2-fp32-53aa5117"]),
        ("int8", False, THERE[:2], []),
        ("float32", False, [], []),
    ],
)
def test_the_newest_of_its_precision_is_served(
    precision: Precision, otherwise: bool, there: list[str], chosen: list[str]
) -> None:
    assert OfPrecision(precision, otherwise=otherwise).select(there) == chosen


@pytest.mark.parametrize(("precision", "tag"), [("float32", "-fp32-"), ("int8", "-int8-")])
def test_it_is_a_setting(model_folder: Path, client: httpx.Client, precision: str, tag: str) -> None:
    assert model_folder.is_dir()
    with running("services.text", VERNIER_TEXT_PRECISION=precision) as process:
        answer = client.post(f"{process.address}/v1/embeddings", json={"input": "a"})
        assert tag in answer.json()["model_version"]


def test_a_precision_that_is_not_there_is_said(folders: dict[Precision, Path], tmp_path: Path) -> None:
    (tmp_path / "text-embedding").mkdir()
    (tmp_path / "text-embedding" / folders["float32"].name).symlink_to(folders["float32"])
    env = {"VERNIER_TEXT_PORT": "0", "VERNIER_TEXT_MODELS": str(tmp_path), "VERNIER_TEXT_PRECISION": "int8"}
    process = Process("-m", "services.text", env=env)
    reason = process.await_line("cannot start")["reason"]
    assert "is the newest in int8: 2-fp32-53aa5117; build it by" in reason
    assert process.popen.wait(60) == 1
    process.stop()
