from pathlib import Path

import pytest

from shared.providers import AUTOMATIC, CPU, CUDA, TENSORRT, Providers, full_name


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("cpu", CPU), ("CUDA", CUDA), ("TensorRT", TENSORRT), ("CUDAExecutionProvider", CUDA),
        ("OpenVINO", "OpenVINOExecutionProvider"), ("OpenVINOExecutionProvider", "OpenVINOExecutionProvider"),
    ],
)  # fmt: skip
def test_names_as_people_write_them(name: str, full: str) -> None:
    assert full_name(name) == full


def test_nothing_asked_is_what_is_there() -> None:
    assert Providers().wanted == AUTOMATIC
    assert Providers(("tensorrt", "cuda")).wanted == (TENSORRT, CUDA)


def test_options_by_either_name_win_over_what_is_set(tmp_path: Path) -> None:
    providers = Providers(
        options={"cuda": {"device_id": "1"}, "CUDAExecutionProvider": {"cudnn_conv_algo_search": "EXHAUSTIVE"}}
    )
    assert providers.of(CUDA) == {"cudnn_conv_algo_search": "EXHAUSTIVE", "device_id": "1"}
    assert providers.of(CPU) == providers.of(TENSORRT) == {}
    tensorrt = Providers(
        tensorrt_cache=tmp_path, tensorrt_fp16=True, options={"tensorrt": {"trt_fp16_enable": "False"}}
    ).of(TENSORRT)
    assert tensorrt == {
        "trt_fp16_enable": "False",
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(tmp_path),
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": str(tmp_path),
    }
