"""Sections of a model card that are measured after it was written."""

from pathlib import Path

IN_INT8, RECURRENT = "In int8", "A recurrent head"


def rewrite(folder: Path, text: str) -> None:
    """Writes `folder`/CARD.md anew; the sections that were measured afterwards stay."""
    card = folder / "CARD.md"
    kept = _sections(card.read_text()) if card.is_file() else []
    card.write_text(text)
    for each in kept:
        title, _, content = each.partition("\n")
        if title in (IN_INT8, RECURRENT):
            note(folder, title, content)


def note(folder: Path, title: str, text: str) -> None:
    """Puts the section `## title` at the end of `folder`/CARD.md, in the place of one that it has already. Without a
    card there is nothing to do."""
    card = folder / "CARD.md"
    if not card.is_file():
        return
    kept = [each.rstrip("\n") for each in _sections(card.read_text()) if each.partition("\n")[0] != title]
    card.write_text("\n\n## ".join([*kept, f"{title}\n\n{text.strip()}"]) + "\n")


def _sections(text: str) -> list[str]:
    """What stands before the first, and each from its title on."""
    return text.split("\n## ")
