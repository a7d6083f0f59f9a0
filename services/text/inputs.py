"""What of an embedding request only its content can tell, and how it is refused."""

from collections.abc import Sequence

from services.text.tokenizer import SPECIAL
from shared.errors import FieldError, Malformed, Unprocessable
from shared.handlers import SHOWN
from shared.inference.types import Array


def accept(_counts: Sequence[int], _cut: Sequence[bool]) -> None:
    """Every text will do."""


def refuse_empty(counts: Sequence[int], _cut: Sequence[bool] = ()) -> None:
    """Raises Unprocessable, which names every text that has no token but those around it."""
    empty = [index for index, tokens in enumerate(counts) if tokens <= SPECIAL]
    if not empty:
        return
    errors = [FieldError(f"/input/{index}", "is empty: it has no token to embed") for index in empty[:SHOWN]]
    if len(empty) == 1:
        raise Unprocessable(f"input {empty[0]} is empty: it has no token to embed", errors=errors)
    named = ", ".join(map(str, empty[:SHOWN])) + (", ..." if len(empty) > SHOWN else "")
    detail = f"{len(empty)} of the {len(counts)} inputs are empty, they have no token to embed: {named}"
    raise Unprocessable(detail, errors=errors)


def check_dimensions(dimensions: int | None, most: int) -> None:
    """Raises Unprocessable for more dimensions than there are."""
    if dimensions is not None and dimensions > most:
        detail = f"{dimensions} dimensions, but the vectors have {most}; ask for as many or fewer"
        raise Unprocessable(detail, errors=[FieldError("/dimensions", detail)])


def decoded(values: Array) -> list[str]:
    texts = []
    for index, value in enumerate(values):
        try:
            texts.append(value.decode() if isinstance(value, bytes) else str(value))
        except UnicodeDecodeError as error:
            raise Malformed(f"text {index} is not UTF-8: {error.reason} at byte {error.start}") from None
    return texts
