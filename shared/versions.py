"""Names and versions of models, and which of the versions there are is served."""

import re
from collections.abc import Iterable

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_PIECE = re.compile(r"\d+|\D+")


def is_name(text: str) -> bool:
    """Whether it may name a model or a version: a file name that leads nowhere else."""
    return _NAME.fullmatch(text) is not None


def order(version: str) -> list[tuple[int, int, str]]:
    """A sort key in which numbers count as numbers: 1.0.9 before 1.0.10, 2 before 10."""
    return [(1, int(piece), "") if piece.isdigit() else (0, 0, piece) for piece in _PIECE.findall(version)]


def newest_first(versions: Iterable[str]) -> list[str]:
    return sorted(versions, key=order, reverse=True)


class VersionPolicy:
    """`latest`, `all`, or versions separated by commas."""

    def __init__(self, text: str = "latest") -> None:
        self.text = text.strip()
        listed = [part.strip() for part in self.text.split(",")]
        if wrong := [part for part in listed if not is_name(part)]:
            raise ValueError(f"a version policy is latest, all, or versions separated by commas, not {wrong[0]!r}")
        self._listed = frozenset(listed)

    def select(self, there: Iterable[str]) -> list[str]:
        """Those of the versions that are there which are to be served, newest first."""
        versions = newest_first(there)
        if self.text == "latest":
            return versions[:1]
        return versions if self.text == "all" else [each for each in versions if each in self._listed]
