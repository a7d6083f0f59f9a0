"""Choice of a representation by `Accept`, RFC 9110 section 12.5.1."""

from collections.abc import Sequence

from shared.errors import NotAcceptable


def negotiate(accept: str | None, offers: Sequence[str]) -> str:
    """The offer of highest quality; ties go to the earlier offer, and no `Accept` means the first.

    `offers` are media types without parameters. Raises NotAcceptable where the client rules out all of them.
    """
    if not accept or not accept.strip():
        return offers[0]
    ranges = [_parse(part) for part in accept.split(",") if part.strip()]
    best = max(offers, key=lambda offer: _quality(offer, ranges))
    if _quality(best, ranges) <= 0:
        raise NotAcceptable(f"Accept {accept!r} allows none of {', '.join(offers)}")
    return best


def _parse(part: str) -> tuple[str, float]:
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = min(1.0, max(0.0, float(value)))
            except ValueError:
                quality = 0.0
    return media, quality


def _quality(offer: str, ranges: list[tuple[str, float]]) -> float:
    """That of the most specific range which matches; 0 where none does."""
    wildcard = offer.partition("/")[0] + "/*"
    for pattern in (offer, wildcard, "*/*"):
        matching = [quality for media, quality in ranges if media == pattern]
        if matching:
            return max(matching)
    return 0.0
