"""Sessions of ONNX Runtime on the best provider that works here, the CPU in the end."""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

import structlog

from shared.providers import AUTOMATIC, CPU, DEVICES, Providers, full_name
from shared.runtime import FAULTS, onnxruntime

log = structlog.get_logger()

ERRORS_ONLY = 3
TOLD = 300
FAULTS_OF_PROVIDERS: tuple[type[Exception], ...] = (*FAULTS, RuntimeError, ValueError)
"""Libraries that do not load raise a plain RuntimeError, options that mean nothing a ValueError."""


class ProviderError(RuntimeError):
    """The provider that is required does not run."""


def usable(wanted: Sequence[str]) -> list[str]:
    """Those of `wanted` that this installation has, in their order, CPU always last."""
    there = onnxruntime.get_available_providers()
    chosen = [name for name in map(full_name, wanted or AUTOMATIC) if name in there and name != CPU]
    return [*chosen, CPU]


def open_session(
    graph: Path, options: onnxruntime.SessionOptions, providers: Providers
) -> onnxruntime.InferenceSession:
    """A session on the first of the providers that works: one that is not installed, whose libraries or device are
    missing, or that cannot take the graph gives way to the next. One warning says so where it was asked for.

    Raises ProviderError where `providers.required` and it is not the first that works; else what ONNX Runtime raises
    over the graph on the CPU.
    """
    onnxruntime.set_default_logger_severity(ERRORS_ONLY)
    names, faults = usable(providers.names), []
    if names[0] in DEVICES:
        _preload()
        if providers.tensorrt_cache is not None:
            providers.tensorrt_cache.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            session = onnxruntime.InferenceSession(
                str(graph), options, [(name, providers.of(name)) for name in names], enable_fallback=False
            )
            break
        except FAULTS_OF_PROVIDERS as error:
            if names == [CPU]:
                raise
            faults.append(f"{names.pop(0)}: {_told(error)}")
    _compare(providers, session.get_providers()[0], faults)
    return session


def _compare(providers: Providers, runs: str, faults: Sequence[str]) -> None:
    """Says where what runs is not what was asked for."""
    first, there = providers.wanted[0], onnxruntime.get_available_providers()
    if runs == first or not (providers.names or first in there):
        return
    missing = [name for name in providers.wanted if name not in there]
    reasons = [*faults, *(f"{name}: not in this build of ONNX Runtime" for name in missing)]
    reason = "; ".join(reasons) or "its libraries or its device are missing, as ONNX Runtime said on stderr"
    if providers.required:
        raise ProviderError(f"{first} is required and does not run: {reason}")
    log.warning("provider not usable", wanted=first, runs=runs, reason=reason)


def _told(error: Exception) -> str:
    """The end of the message, where the reason stands behind the names of functions, on one line."""
    return " ".join(str(error).split())[-TOLD:]


def _preload() -> None:
    """CUDA and cuDNN out of the packages `nvidia-*`, where they are installed. What it prints of those that are not is
    left out: the session says what it lacks."""
    with contextlib.redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls()
