"""What every estimator of information offers."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

Document = Sequence[str]
"""Its counted words, in order."""


def unchecked() -> None:
    """Never stops a computation."""


class Judged(NamedTuple):
    """A document by an estimator: the bits of its pieces, none below 0, and none where it has no words."""

    bits: list[float]
    ncd: float | None = None
    """Normalised compression distance to the corpus, about 0..1, of an estimator that has one."""


class Estimator(Protocol):
    """A corpus that knows how surprising a text is."""

    def judge(
        self, documents: Sequence[Document], *, leave_out: bool = False, check: Callable[[], None] = unchecked
    ) -> list[Judged]:
        """`leave_out`: `documents` are those of the corpus, all and in their order, and each is judged by the others.
        `check` is called now and then, and may raise to stop.
        """

    def pieces(self, document: Document) -> list[str]:
        """What the bits of a document belong to."""
