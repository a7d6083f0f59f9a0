"""In which arithmetic the sentence model runs, where nobody says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from services.text.model import PRECISIONS, Precision
from shared.providers import CPU, Providers
from shared.runtime import onnxruntime
from shared.versions import VersionPolicy, newest_first

CPU_FACTS = Path("/proc/cpuinfo")
_BYTE_PRODUCTS = re.compile(r"\b(avx512_vnni|avx_vnni|amx_int8)\b")


def fastest(providers: Providers, facts: Path = CPU_FACTS) -> Precision:
    """int8 on a CPU that multiplies bytes in one instruction, where it is twice as fast as float32; else float32.

    Decided by what the processor says of itself, not by a stopwatch: the same machine always answers the same vectors.
    """
    available = onnxruntime.get_available_providers()
    first = next((each for each in providers.wanted if each in available), CPU)
    try:
        has_products = _BYTE_PRODUCTS.search(facts.read_text()) is not None
    except OSError:
        has_products = False
    return "int8" if first == CPU and has_products else "float32"


class OfPrecision(VersionPolicy):
    """The newest version of one precision; with `otherwise`, the newest of all where there is none."""

    def __init__(self, precision: Precision, *, otherwise: bool) -> None:
        super().__init__("latest")
        self.text = f"the newest in {precision}"
        self._tag = PRECISIONS[precision]
        self._otherwise = otherwise

    def select(self, there: Iterable[str]) -> list[str]:
        newest = newest_first(there)
        of_precision = [each for each in newest if self._tag in each.split("-")]
        return (of_precision or (newest if self._otherwise else []))[:1]
