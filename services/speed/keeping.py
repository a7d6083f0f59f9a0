"""What an object has learnt, as JSON has it, and back: numbers, arrays, lists and objects of this package, no code."""

import sys
from collections import deque
from collections.abc import Iterator
from enum import Enum
from typing import Any

import numpy as np

OURS = ("services.speed.", "shared.kalman")
PLAIN = (bool, int, float, str, type(None))


def kept(value: Any) -> Any:
    """Raises TypeError for what cannot be kept."""
    if isinstance(value, np.generic):
        return kept(value.item())
    if isinstance(value, PLAIN) and not isinstance(value, Enum):
        return value
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "type": str(value.dtype), "shape": list(value.shape)}
    if isinstance(value, list):
        return [kept(each) for each in value]
    if isinstance(value, tuple):
        return {"tuple": [kept(each) for each in value]}
    if isinstance(value, deque):
        return {"deque": [kept(each) for each in value], "most": value.maxlen}
    kind = type(value)
    if not kind.__module__.startswith(OURS) or isinstance(value, Enum):
        raise TypeError(f"{kind.__module__}.{kind.__name__} cannot be kept")
    fields = {name: kept(getattr(value, name)) for name in _names(value)}
    return {"object": f"{kind.__module__}:{kind.__name__}", "fields": fields}


def taken_up(state: Any) -> Any:
    """What `kept` was given. Raises ValueError for what it did not make."""
    try:
        return _taken_up(state)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this was not kept: {error}") from None


def _taken_up(state: Any) -> Any:
    if isinstance(state, list):
        return [_taken_up(each) for each in state]
    if not isinstance(state, dict):
        return state
    if "array" in state:
        return np.array(state["array"], dtype=np.dtype(state["type"])).reshape(state["shape"])
    if "tuple" in state:
        return tuple(map(_taken_up, state["tuple"]))
    if "deque" in state:
        return deque(map(_taken_up, state["deque"]), maxlen=state["most"])
    module, _, name = state["object"].partition(":")
    if not module.startswith(OURS):
        raise ValueError(f"{module} is not of this package")
    kind = getattr(sys.modules[module], name)
    if not isinstance(kind, type) or kind.__module__ != module:
        raise ValueError(f"{name} is no class of {module}")
    value: Any = object.__new__(kind)
    for field, held in state["fields"].items():
        object.__setattr__(value, field, _taken_up(held))
    return value


def alike(one: Any, other: Any) -> bool:
    """Whether they are of one class and hold the same fields: another version's may not."""
    return type(one) is type(other) and set(_names(one)) == set(_names(other))


def _names(value: Any) -> Iterator[str]:
    if hasattr(value, "__dict__"):
        yield from vars(value)
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        yield from (slots,) if isinstance(slots, str) else slots
