"""What is said of troubled frames."""

from services.speed.remarks import SAYINGS, remarks
from services.speed.scene import Trouble


def test_frames_are_named_in_stretches() -> None:
    troubles = [Trouble.first, *[None] * 9, *[Trouble.dark] * 3, None, Trouble.dark, Trouble.cut]
    dark, cut = remarks(troubles)
    assert dark == "frames 10-12, 14: not measured, too dark, or the lens is covered"
    assert cut == "frame 15: not measured, another scene begins and the track with it"


def test_many_stretches_are_counted() -> None:
    (said,) = remarks([None, Trouble.unseen] * 50 + [Trouble.unseen] * 7)
    assert said.startswith(
        "frames 1, 3, 5, 7, 99-106 and 45 more stretches, 57 frames in all: not measured, too little"
    )


def test_nothing_to_say() -> None:
    assert remarks([Trouble.first, None, None]) == []


def test_every_trouble_has_its_words() -> None:
    assert SAYINGS.keys() == set(Trouble) - {Trouble.first}
