from pathlib import Path

from services.speed.training.notes import IN_INT8, RECURRENT, note, rewrite


def test_a_section_is_added_and_replaced(tmp_path: Path) -> None:
    card = tmp_path / "CARD.md"
    card.write_text("# speed\n\nIt measures.\n\n## Error\n\nSmall.\n\n## Licence\n\nFree.\n")
    note(tmp_path, IN_INT8, "Slower.\n")
    note(tmp_path, RECURRENT, "No better.")
    before = "# speed\n\nIt measures.\n\n## Error\n\nSmall.\n\n## Licence\n\nFree.\n\n"
    assert card.read_text() == before + "## In int8\n\nSlower.\n\n## A recurrent head\n\nNo better.\n"
    note(tmp_path, IN_INT8, "Faster.")
    assert card.read_text() == before + "## A recurrent head\n\nNo better.\n\n## In int8\n\nFaster.\n"


def test_no_card_no_note(tmp_path: Path) -> None:
    note(tmp_path, IN_INT8, "Slower.")
    assert list(tmp_path.iterdir()) == []


def test_a_card_that_is_written_anew_keeps_what_was_measured_afterwards(tmp_path: Path) -> None:
    rewrite(tmp_path, "# speed\n\n## Error\n\nSmall.\n")
    note(tmp_path, IN_INT8, "Slower.\n\n| a | b |")
    note(tmp_path, RECURRENT, "No better.")
    rewrite(tmp_path, "# speed\n\n## Error\n\nSmaller.\n")
    after = "## In int8\n\nSlower.\n\n| a | b |\n\n## A recurrent head\n\nNo better.\n"
    assert (tmp_path / "CARD.md").read_text() == "# speed\n\n## Error\n\nSmaller.\n\n" + after
