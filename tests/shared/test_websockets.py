import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import DeadlinePassed, Malformed, NotReady, Overloaded, TooLarge, UpstreamFailed, VernierError
from shared.websockets import REASON_BYTES, close_code, shortened


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Malformed("bad"), 1008),
        (TooLarge("big"), 1009),
        (Overloaded("full"), 1013),
        (NotReady("soon"), 1013),
        (DeadlinePassed("late"), 1001),
        (UpstreamFailed("gone"), 1011),
        (VernierError("bug"), 1011),
    ],
)
def test_errors_have_close_codes(error: VernierError, code: int) -> None:
    assert close_code(error) == code


@settings(deadline=None)
@given(st.text())
def test_a_reason_fits_its_frame_and_is_a_beginning(reason: str) -> None:
    short = shortened(reason)
    assert len(short.encode()) <= REASON_BYTES
    assert reason.startswith(short)
    if len(reason.encode()) <= REASON_BYTES:
        assert short == reason
