from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.heads import FIELDS, TARGET_BYTES, head_fault, target_fault

HOST = (b"host", b"x")


def status(*fields: tuple[bytes, bytes], version: str = "1.1", target: bytes = b"/") -> int | None:
    fault = head_fault(version, target, list(fields))
    return None if fault is None else fault.status


@pytest.mark.parametrize(
    "host", [b"x", b"x:80", b"127.0.0.1:8080", b"[::1]:80", b"my_service", b"a-b.example", b"", b" x\t", b"x:"]
)
def test_hosts_that_are_taken(host: bytes) -> None:
    assert status((b"host", host)) is None


@pytest.mark.parametrize("host", [b"x y", b"x,y", b"x/y", b"u@x", b"x:y", b"[::1", b"::1", b"x\x00", b"x?y", b"\xff"])
def test_hosts_that_are_none(host: bytes) -> None:
    assert status((b"host", host)) == 400


def test_one_host_and_only_http_1_0_may_go_without() -> None:
    assert status() == 400
    assert status(version="1.0") is None
    assert status(HOST, HOST) == 400


@pytest.mark.parametrize(("version", "expected"), [("1.1", None), ("1.0", None), ("0.9", 505), ("2.0", 505)])
def test_versions(version: str, expected: int | None) -> None:
    assert status(HOST, version=version) == expected


@pytest.mark.parametrize(("coding", "expected"), [(b"chunked", None), (b" Chunked ", None), (b"gzip, chunked", 501)])
def test_codings(coding: bytes, expected: int | None) -> None:
    assert status(HOST, (b"transfer-encoding", coding)) == expected
    assert status(HOST, (b"transfer-encoding", coding), version="1.0") == 400


def test_bounds() -> None:
    assert status(HOST, *[(b"x-a", b"1")] * (FIELDS - 1)) is None
    assert status(HOST, *[(b"x-a", b"1")] * FIELDS) == 431
    assert status(HOST, target=b"/" + b"a" * (TARGET_BYTES - 1)) is None
    assert status(HOST, target=b"/" + b"a" * TARGET_BYTES) == 414


def test_what_connection_names_is_taken_out_but_for_what_frames_the_message() -> None:
    fields = [
        HOST, (b"connection", b"close, X-Hop, content-length"), (b"x-hop", b"1"), (b"content-length", b"5"),
        (b"connection", b"Accept,, Host"), (b"accept", b"a/b"), (b"x-end", b"1"),
    ]  # fmt: skip
    assert head_fault("1.1", b"/", fields) is None
    assert [name for name, _ in fields] == [b"host", b"connection", b"content-length", b"connection", b"x-end"]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["/", ".", "..", "%2e", "%2F", "%5c", "\\", "a", "%61", "%C3%A4", "%00", "%zz", ";", "%"]))
)
def test_a_path_that_is_taken_names_one_thing_however_it_is_read(pieces: list[str]) -> None:
    """Unescaped before or after it is cut into segments, with dot segments removed or kept: the same segments."""
    path = "/" + "".join(pieces)
    if target_fault(path.encode(), b"x") is None:
        early = unquote(path, errors="strict").split("/")
        late = [unquote(segment, errors="strict") for segment in path.split("/")]
        assert early == late
        assert not {".", ".."} & set(late)
        assert not any("\\" in segment or "\0" in segment for segment in late)
