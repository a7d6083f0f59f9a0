"""What lies near what: neighbours and analogies among item vectors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.text.sessions.itemvectors import ItemVectors
from shared.errors import FieldError, Unprocessable

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Neighbours:
    """`cosines` to what was asked for, falling, -1..1."""

    items: list[str]
    cosines: list[float]


def similar(space: ItemVectors, positive: Sequence[str], negative: Sequence[str] = (), top: int = 10) -> Neighbours:
    """The `top` items nearest to the sum of `positive` less `negative` (3CosAdd, Mikolov et al. 2013), none of them
    among the answer. Raises Unprocessable for items that are not known or cancel each other."""
    row = {item: index for index, item in enumerate(space.items)}
    _check_known(row, positive, negative)
    given = [row[item] for item in (*positive, *negative)]
    signs = np.array([1.0] * len(positive) + [-1.0] * len(negative), dtype=np.float32)
    wanted = signs @ space.vectors[given]
    length = float(np.linalg.norm(wanted))
    if length < 1e-6:
        raise Unprocessable("positive and negative items cancel each other: there is no direction left")
    cosines = space.vectors @ (wanted / length)
    cosines[given] = -np.inf
    order = np.argsort(-cosines, kind="stable")[: min(top, len(space.items) - len(set(given)))]
    return Neighbours(
        [space.items[index] for index in order], [float(np.clip(cosines[index], -1, 1)) for index in order]
    )


def _check_known(row: dict[str, int], positive: Sequence[str], negative: Sequence[str]) -> None:
    faults = [
        FieldError(f"/{name}/{index}", f"{item[:100]!r} is not among the items")
        for name, items in (("positive", positive), ("negative", negative))
        for index, item in enumerate(items)
        if item not in row
    ]
    if faults:
        more = f" and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        said = "; ".join(f"{fault.pointer}: {fault.detail}" for fault in faults[:_SHOWN])
        raise Unprocessable(
            f"{said}{more}; an item has a vector where it occurs min_count times and meets others", errors=faults
        )
