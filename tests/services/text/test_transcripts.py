from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.text.transcripts import BadTranscript, read_transcript, timeline


def test_columns_are_found_by_their_usual_names() -> None:
    read = read_transcript('minute,text,speaker\n01:20,"Hello, all",Ann\nNA,Bye,\n'.encode("utf-8-sig"))
    assert read.texts == ["Hello, all", "Bye"]
    assert read.speakers == ["Ann", None]
    assert read.times == ["01:20", None]


def test_time_goes_before_minute_and_others_may_be_named() -> None:
    table = b"text,minute,time,who,text\na,1,2,Ann,b\n"
    assert read_transcript(table).times == ["2"]
    named = read_transcript(table, time="minute", speaker="who")
    assert (named.times, named.speakers, named.texts) == (["1"], ["Ann"], ["a"])
    assert read_transcript(b"text\na\n").speakers is None


@pytest.mark.parametrize(
    ("table", "detail"),
    [
        (b"", "no rows"),
        (b"text\n", "no rows"),
        (b"said\nhello\n", "no column is named text"),
        (b"text,speaker\nhello\n", "line 2: 1 fields, but 2 columns"),
        (b'text\n"open', "not CSV"),
        (b'text\n"a"b\n', "line 2: not CSV"),
        (b"text\n\xff\n", "not UTF-8: byte 5"),
    ],
)
def test_what_is_no_transcript_is_refused(table: bytes, detail: str) -> None:
    with pytest.raises(BadTranscript, match=detail):
        read_transcript(table)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        read = read_transcript(b"text,speaker,time\n" + content)
    except BadTranscript:
        return
    assert len(read.texts) == len(read.speakers or []) == len(read.times or [])


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("01:20", 80),
        ("1:05.5", 65.5),
        ("90:00", 5400),
        ("01:10:50", 4250),
        (12, 12),
        (-3.5, -3.5),
        ("12.25", 12.25),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC).timestamp()),
        ("2026-03-01T10:00:00+02:00", datetime(2026, 3, 1, 8, tzinfo=UTC).timestamp()),
    ],
)
def test_times_are_seconds_clocks_and_dates(value: float | str, seconds: float) -> None:
    assert timeline([None, value, "NA"]).seconds == [None, seconds, None]


def test_a_clock_that_begins_anew_is_counted_on() -> None:
    found = timeline(["10:00", "20:00", "00:30", "NA", "01:00", "00:10", "00:05"])
    # Back by less than a minute, statements overlap; by more, another part has begun.
    assert found.seconds == [600, 1200, 1230, None, 1260, 1210, 1205]
    assert found.warnings == ["the clock begins anew at text 2; from there on times are counted on from 1200 s"]
    assert timeline([1200, 30]).seconds == [1200, 30]


@pytest.mark.parametrize(
    ("times", "pointer"), [(["noon"], "/times/0"), ([1, "00:10"], "/times/1"), (["1:75"], "/times/0")]
)
def test_what_is_no_time_is_refused(times: list[float | str | None], pointer: str) -> None:
    with pytest.raises(BadTranscript) as refused:
        timeline(times)
    assert refused.value.pointer == pointer
