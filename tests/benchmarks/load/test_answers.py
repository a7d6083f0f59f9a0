import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.load.answers import whole

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\nConnection: close\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"
)


@pytest.mark.parametrize(("data", "status", "last"), [(PLAIN, 200, False), (CHUNKED, 503, True)])
def test_an_answer_is_whole_with_its_last_byte(data: bytes, status: int, last: bool) -> None:
    assert all(whole(data[:end]) is None for end in range(len(data)))
    assert whole(data) == (status, b"hello", last)


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6))
def test_chunks_come_together_again(chunks: list[bytes]) -> None:
    coded = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    answer = whole(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + coded)
    assert answer is not None
    assert answer.body == b"".join(chunks)


@pytest.mark.parametrize("data", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", PLAIN + b"x"])
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="answer"):
        whole(data)
