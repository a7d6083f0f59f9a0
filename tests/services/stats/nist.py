"""NIST's Statistical Reference Datasets (StRD), https://www.itl.nist.gov/div898/strd/: certified to 15 digits."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Dataset:
    y: FloatArray
    columns: list[FloatArray]
    coef: FloatArray
    se: FloatArray
    sigma: float
    r2: float


def load(folder: Path, name: str) -> Dataset:
    lines = (folder / f"{name}.dat").read_text().splitlines()
    first, last = re.search(r"Data\s+\(lines\s+(\d+) to (\d+)\)", "\n".join(lines)).groups()  # type: ignore[union-attr]
    rows = np.array([[float(v) for v in line.split()] for line in lines[int(first) - 1 : int(last)]])
    head = "\n".join(lines[29:60])
    certified = np.array(re.findall(r"^\s*B\d+\s+(\S+)\s+(\S+)\s*$", head, re.M), dtype=float)
    sigma = float(re.search(r"Standard Deviation\s+(\S+)\s*$", head, re.M)[1])  # type: ignore[index]
    r2 = float(re.search(r"R-Squared\s+(\S+)", head)[1])  # type: ignore[index]
    columns = [np.ascontiguousarray(c) for c in rows[:, 1:].T]
    return Dataset(rows[:, 0], columns, certified[:, 0], certified[:, 1], sigma, r2)


def digits(estimates: Iterable[float], certified: Iterable[float]) -> float:
    """Correct significant digits of the worst one (the log relative error; absolute where 0 is certified)."""
    worst = 15.0
    for estimate, truth in zip(estimates, certified, strict=True):
        error = abs(estimate - truth) / (abs(truth) or 1.0)
        worst = min(worst, -math.log10(error) if error else 15.0)
    return worst


FILIP_X = [
    -6.860120914, -4.324130045, -4.358625055, -4.358426747, -6.955852379, -6.661145254, -6.355462942, -6.118102026,
    -7.115148017, -6.815308569, -6.519993057, -6.204119983, -5.853871964, -6.109523091, -5.79832982, -5.482672118,
    -5.171791386, -4.851705903, -4.517126416, -4.143573228, -3.709075441, -3.499489089, -6.300769497, -5.953504836,
    -5.642065153, -5.031376979, -4.680685696, -4.329846955, -3.928486195, -8.56735134, -8.363211311, -8.107682739,
    -7.823908741, -7.522878745, -7.218819279, -6.920818754, -6.628932138, -6.323946875, -5.991399828, -8.781464495,
    -8.663140179, -8.473531488, -8.247337057, -7.971428747, -7.676129393, -7.352812702, -7.072065318, -6.774174009,
    -6.478861916, -6.159517513, -6.835647144, -6.53165267, -6.224098421, -5.910094889, -5.598599459, -5.290645224,
    -4.974284616, -4.64454848, -4.290560426, -3.885055584, -3.408378962, -3.13200249, -8.726767166, -8.66695597,
    -8.511026475, -8.165388579, -7.886056648, -7.588043762, -7.283412422, -6.995678626, -6.691862621, -6.392544977,
    -6.067374056, -6.684029655, -6.378719832, -6.065855188, -5.752272167, -5.132414673, -4.811352704, -4.098269308,
    -3.66174277, -3.2644011,
]  # fmt: skip
FILIP_Y = [
    0.8116, 0.9072, 0.9052, 0.9039, 0.8053, 0.8377, 0.8667, 0.8809, 0.7975, 0.8162, 0.8515, 0.8766, 0.8885, 0.8859,
    0.8959, 0.8913, 0.8959, 0.8971, 0.9021, 0.909, 0.9139, 0.9199, 0.8692, 0.8872, 0.89, 0.891, 0.8977, 0.9035,
    0.9078, 0.7675, 0.7705, 0.7713, 0.7736, 0.7775, 0.7841, 0.7971, 0.8329, 0.8641, 0.8804, 0.7668, 0.7633, 0.7678,
    0.7697, 0.77, 0.7749, 0.7796, 0.7897, 0.8131, 0.8498, 0.8741, 0.8061, 0.846, 0.8751, 0.8856, 0.8919, 0.8934,
    0.894, 0.8957, 0.9047, 0.9129, 0.9209, 0.9219, 0.7739, 0.7681, 0.7665, 0.7703, 0.7702, 0.7761, 0.7809, 0.7961,
    0.8253, 0.8602, 0.8809, 0.8301, 0.8664, 0.8834, 0.8898, 0.8964, 0.8963, 0.9074, 0.9119, 0.9228,
]  # fmt: skip
FILIP = Dataset(
    y=np.array(FILIP_Y),
    columns=[np.array(FILIP_X)],
    coef=np.array(
        [
            -1467.48961422980, -2772.17959193342, -2316.37108160893, -1127.97394098372, -354.478233703349,
            -75.1242017393757, -10.8753180355343, -1.06221498588947, -0.670191154593408e-1, -0.246781078275479e-2,
            -0.402962525080404e-4,
        ]
    ),
    se=np.array(
        [
            298.084530995537, 559.779865474950, 466.477572127796, 227.204274477751, 71.6478660875927,
            15.2897178747400, 2.23691159816033, 0.221624321934227, 0.142363763154724e-1, 0.535617408889821e-3,
            0.896632837373868e-5,
        ]
    ),
    sigma=0.334801051324544e-2,
    r2=0.996727416185620,
)  # fmt: skip
"""Filippelli's ten powers, the hardest of the linear sets."""

NO_INT_2 = Dataset(
    y=np.array([3.0, 4.0, 4.0]),
    columns=[np.array([4.0, 5.0, 6.0])],
    coef=np.array([0.727272727272727]),
    se=np.array([0.420827318078432e-1]),
    sigma=0.369274472937998,
    r2=0.993348115299335,
)

WAMPLER_X = np.arange(21.0)
_WAMPLER_ERROR = np.array(
    [759, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 1838, -2048, 2048, -2048, 1838, -2048, 2048, -2048, 2523,
     -2048, 2048, -2048, 759], dtype=float
)  # fmt: skip
_WAMPLER_SE = np.array(
    [2152.32624678170, 2363.55173469681, 779.343524331583, 101.475507550350, 5.64566512170752, 0.112324854679312]
)


def wampler(scale: float) -> Dataset:
    """Sets 3, 4 and 5: the sum of six powers plus 1, 100 and 10,000 times an error that is orthogonal to them."""
    line = sum(WAMPLER_X**k for k in range(6))
    return Dataset(
        y=line + scale * _WAMPLER_ERROR,
        columns=[WAMPLER_X],
        coef=np.ones(6),
        se=scale * _WAMPLER_SE,
        sigma=scale * 2360.14502379268,
        r2=math.nan,
    )
