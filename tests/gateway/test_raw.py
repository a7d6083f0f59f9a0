"""Requests and answers that two programs might read differently: refused, or passed on in exactly one reading.

Raw sockets on both sides: what goes in is what a hostile client writes, what is checked is what arrives.
"""

from collections.abc import Iterator

import pytest

from tests.gateway.conftest import gateway_before
from tests.gateway.recorder import OK, Recorder
from tests.sockets import connect, read_answer

HOST = b"Host: x"
CHUNKED = b"Transfer-Encoding: chunked"
FIVE = b"5\r\nabcde\r\n0\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


def request(
    *fields: bytes, line: bytes = b"POST /echo HTTP/1.1", host: bytes = HOST, body: bytes = b"", end: bytes = b"\r\n"
) -> bytes:
    return end.join([line, *([host] if host else []), *fields, b"", body])


def get(target: bytes, *fields: bytes) -> bytes:
    return request(*fields, line=b"GET %b HTTP/1.1" % target)


@pytest.fixture(scope="module")
def module_recorder() -> Iterator[Recorder]:
    recorder = Recorder().start()
    yield recorder
    recorder.stop()


@pytest.fixture(scope="module")
def address(module_recorder: Recorder) -> Iterator[str]:
    with gateway_before(
        {"stats": module_recorder.url},
        VERNIER_GATEWAY_POLL_INTERVAL_S="3600",
        VERNIER_GATEWAY_BREAKER_FAILURES="1000000",
    ) as process:
        yield process.address


@pytest.fixture
def recorder(module_recorder: Recorder) -> Iterator[Recorder]:
    module_recorder.requests.clear()
    yield module_recorder
    module_recorder.answer, module_recorder.close = OK, False


def until_closed(address: str, data: bytes) -> bytes:
    """All that comes back until the gateway closes the connection; the client's side stays open."""
    with connect(address) as sock:
        answer = b""
        try:
            sock.sendall(data)
            while more := sock.recv(65536):
                answer += more
        except (BrokenPipeError, ConnectionResetError):
            pass  # closed before all of it had been read
        return answer


def statuses(answers: bytes) -> list[int]:
    """Of all answers in a row, each with a Content-Length or without a body."""
    found = []
    while answers:
        head, _, answers = answers.partition(b"\r\n\r\n")
        found.append(int(head.split(b" ")[1]))
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                answers = answers[int(line.split(b":")[1]) :]
    return found


REFUSED = {
    "length and chunked": request(b"Content-Length: 4", CHUNKED, body=b"0\r\n\r\n" + SMUGGLED),
    "chunked and length": request(CHUNKED, b"Content-Length: 4", body=b"0\r\n\r\n" + SMUGGLED),
    "two equal lengths": request(b"Content-Length: 5", b"Content-Length: 5", body=b"abcde"),
    "two lengths": request(b"Content-Length: 5", b"Content-Length: 0", body=b"abcde" + SMUGGLED),
    "list of equal lengths": request(b"Content-Length: 5, 5", body=b"abcde"),
    "list of lengths": request(b"Content-Length: 5, 0", body=b"abcde" + SMUGGLED),
    "length with plus": request(b"Content-Length: +5", body=b"abcde"),
    "length below 0": request(b"Content-Length: -5", body=b"abcde"),
    "hexadecimal length": request(b"Content-Length: 0x5", body=b"abcde"),
    "length in two words": request(b"Content-Length: 5 5", body=b"abcde"),
    "length and letter": request(b"Content-Length: 5x", body=b"abcde"),
    "length with underscore": request(b"Content-Length: 0_5", body=b"abcde"),
    "length in other digits": request("Content-Length: ５".encode(), body=b"abcde"),
    "length after vertical tab": request(b"Content-Length: \x0b5", body=b"abcde"),
    "no length in Content-Length": request(b"Content-Length:"),
    "length that overflows": request(b"Content-Length: 18446744073709551621", body=b"abcde"),
    "folded length": request(b"Content-Length:\r\n 5", body=b"abcde"),
    "space before the colon of a length": request(b"Content-Length : 5", body=b"abcde"),
    "identity": request(b"Transfer-Encoding: identity", b"Content-Length: 5", body=b"abcde"),
    "chunked before identity": request(b"Transfer-Encoding: chunked, identity", body=FIVE),
    "identity before chunked": request(b"Transfer-Encoding: identity, chunked", body=FIVE),
    "gzip before chunked": request(b"Transfer-Encoding: gzip, chunked", body=FIVE),
    "chunked twice": request(b"Transfer-Encoding: chunked, chunked", body=FIVE),
    "two codings": request(CHUNKED, b"Transfer-Encoding: identity", body=FIVE),
    "xchunked": request(b"Transfer-Encoding: xchunked", b"Content-Length: 5", body=b"abcde"),
    "chunked after vertical tab": request(b"Transfer-Encoding: \x0bchunked", b"Content-Length: 5", body=b"abcde"),
    "quoted chunked": request(b'Transfer-Encoding: "chunked"', body=FIVE),
    "chunked with parameter": request(b"Transfer-Encoding: chunked;q=1", body=FIVE),
    "empty coding": request(b"Transfer-Encoding:", b"Content-Length: 5", body=b"abcde"),
    "folded coding": request(b"Transfer-Encoding:\r\n chunked", body=FIVE),
    "space before the colon of a coding": request(b"Transfer-Encoding : chunked", body=FIVE),
    "coding in HTTP/1.0": request(CHUNKED, line=b"POST /echo HTTP/1.0", body=FIVE),
    "folded field": request(b"X-A: 1\r\n X-B: 2"),
    "space before the first field": request(host=b" Host: x"),
    "bare line feeds": request(b"X-A: 1", end=b"\n"),
    "one bare line feed": request(b"X-A: 1\nX-B: 2"),
    "one bare carriage return": request(b"X-A: 1\rX-B: 2"),
    "bare carriage returns": request(end=b"\r"),
    "head ended by a line feed": b"GET /echo HTTP/1.1\r\nHost: x\r\n\n",
    "tab before a colon": request(b"X-A\t: 1"),
    "space in a name": request(b"X A: 1"),
    "no colon": request(b"XA"),
    "no name": request(b": 1"),
    "NUL in a value": request(b"X-A: a\0b"),
    "NUL in a name": request(b"X\0A: b"),
    "control character in a value": request(b"X-A: a\x01b"),
    "quoted line end in a chunk extension": request(CHUNKED, body=b'5;a="\r\nabc\r\n0\r\n\r\n"\r\nabcde\r\n0\r\n\r\n'),
    "line feed after a chunk extension": request(CHUNKED, body=b"5;a\nabcde\r\n0\r\n\r\n"),
    "NUL in a chunk extension": request(CHUNKED, body=b"5;a\0\r\nabcde\r\n0\r\n\r\n"),
    "space after a chunk's size": request(CHUNKED, body=b"5 \r\nabcde\r\n0\r\n\r\n"),
    "space before a chunk's size": request(CHUNKED, body=b" 5\r\nabcde\r\n0\r\n\r\n"),
    "chunk size with plus": request(CHUNKED, body=b"+5\r\nabcde\r\n0\r\n\r\n"),
    "chunk size below 0": request(CHUNKED, body=b"-5\r\nabcde\r\n0\r\n\r\n"),
    "chunk size with 0x": request(CHUNKED, body=b"0x5\r\nabcde\r\n0\r\n\r\n"),
    "no chunk size": request(CHUNKED, body=b"\r\nabcde\r\n0\r\n\r\n"),
    "chunk size that overflows": request(CHUNKED, body=b"10000000000000005\r\nabcde\r\n0\r\n\r\n"),
    "line feed after a chunk's size": request(CHUNKED, body=b"5\nabcde\r\n0\r\n\r\n"),
    "carriage return after a chunk's size": request(CHUNKED, body=b"5\rabcde\r\n0\r\n\r\n"),
    "no line end after a chunk": request(CHUNKED, body=b"5\r\nabcde0\r\n\r\n"),
    "more than the chunk's size": request(CHUNKED, body=b"5\r\nabcdefg\r\n0\r\n\r\n"),
    "line feed after a chunk": request(CHUNKED, body=b"5\r\nabcde\n0\r\n\r\n"),
    "length in a trailer": request(CHUNKED, body=b"5\r\nabcde\r\n0\r\nContent-Length: 9\r\n\r\n"),
    "trailer without a colon": request(CHUNKED, body=b"5\r\nabcde\r\n0\r\nabc\r\n\r\n"),
    "no Host": request(host=b""),
    "two Hosts": request(b"Host: y"),
    "two equal Hosts": request(HOST),
    "list of Hosts": request(host=b"Host: x, y"),
    "Host with a path": request(host=b"Host: x/y"),
    "Host with a user": request(host=b"Host: a@x"),
    "another authority than the Host": get(b"http://other/echo"),
    "dot segments": get(b"/models/../echo"),
    "a dot segment": get(b"/models/./infer"),
    "escaped dot segments": get(b"/models/%2e%2E/infer"),
    "half escaped dot segments": get(b"/models/.%2e/infer"),
    "escaped slash": get(b"/models/a%2Fb/infer"),
    "backslash": get(b"/models/a\\b/infer"),
    "escaped backslash": get(b"/models/a%5cb/infer"),
    "escaped NUL": get(b"/models/a%00/infer"),
    "escaped line end": get(b"/models/a%0d%0aX-A:1/infer"),
    "bad escape": get(b"/models/%zz/infer"),
    "half an escape": get(b"/models/a/infer%2"),
    "escapes that are not UTF-8": get(b"/models/%ff/infer"),
    "bytes beyond ASCII": get("/models/ä/infer".encode()),
    "fragment": get(b"/echo#a"),
    "fragment in the query": get(b"/echo?a#b"),
    "space in the query": get(b"/echo?a= b"),
    "NUL in the path": get(b"/echo\0"),
    "tab in the path": get(b"/echo\t"),
    "HTTP/0.9": b"GET /echo\r\n\r\n",
    "HTTP/1.2": request(line=b"GET /echo HTTP/1.2"),
    "HTTP/2.0": request(line=b"GET /echo HTTP/2.0"),
    "HTTP/1.10": request(line=b"GET /echo HTTP/1.10"),
    "http/1.1": request(line=b"GET /echo http/1.1"),
    "four words": request(line=b"GET /echo x HTTP/1.1"),
    "tabs between the words": request(line=b"GET\t/echo\tHTTP/1.1"),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "unknown method": request(line=b"FOO /echo HTTP/1.1"),
    "method in lower case": request(line=b"get /echo HTTP/1.1"),
    "CONNECT": request(line=b"CONNECT other:443 HTTP/1.1", body=SMUGGLED),
    "CONNECT to a path": request(line=b"CONNECT /echo HTTP/1.1", body=SMUGGLED),
    "long target": get(b"/echo?" + b"a" * 20_000),
    "longer target": get(b"/echo?" + b"a" * 200_000),
    "long value": get(b"/echo", b"X-A: " + b"a" * 70_000),
    "endless value": get(b"/echo", b"X-A: " + b"a" * 2_000_000),
    "long name": get(b"/echo", b"X-" + b"a" * 70_000 + b": 1"),
    "10,000 fields": get(b"/echo", *(b"X-%d: 1" % n for n in range(10_000))),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_connection_closed_and_nothing_passed_on(address: str, recorder: Recorder, case: str) -> None:
    answer = until_closed(address, REFUSED[case])
    found = statuses(answer)
    if not case.startswith(("long", "endless", "10,000")):  # a reset may overtake the answer to what is not read
        assert len(found) == 1
    assert all(400 <= status < 500 or status in {501, 505} for status in found)
    assert not recorder.requests


@pytest.mark.parametrize(
    ("case", "status"), [("long target", 414), ("long value", 431), ("10,000 fields", 431), ("HTTP/2.0", 505)]
)
def test_what_is_too_much_is_said(address: str, recorder: Recorder, case: str, status: int) -> None:
    with connect(address) as sock:
        sock.sendall(REFUSED[case])
        answer = read_answer(sock)
    assert statuses(answer) == [status]
    assert b"application/problem+json" in answer
    assert not recorder.requests


PASSED = {
    "spaces around the length": request(b"Content-Length:   5  ", body=b"abcde"),
    "zeros before the length": request(b"Content-Length: 005", body=b"abcde"),
    "chunked": request(CHUNKED, body=b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"),
    "chunked in odd case": request(b"Transfer-Encoding:  ChUnKeD ", body=FIVE),
    "underscore in Transfer_Encoding": request(b"Transfer_Encoding: chunked", b"Content-Length: 5", body=b"abcde"),
    "chunk extension": request(CHUNKED, body=b"5;a=b\r\nabcde\r\n0\r\n\r\n"),
    "zeros before a chunk's size": request(CHUNKED, body=b"00000000000000000005\r\nabcde\r\n0\r\n\r\n"),
    "trailers": request(CHUNKED, body=b"5\r\nabcde\r\n0\r\nX-Evil: 1\r\nHost: y\r\nX-Request-ID: z\r\n\r\n"),
    "body of a GET": request(b"Content-Length: 5", line=b"GET /echo HTTP/1.1", body=b"abcde"),
    "HTTP/1.0": request(b"Content-Length: 5", line=b"POST /echo HTTP/1.0", host=b"", body=b"abcde"),
    "upgrade to h2c": request(
        b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
        b"Content-Length: 5", body=b"abcde",
    ),
    "upgrade to h2c, chunked": request(b"Connection: Upgrade", b"Upgrade: h2c", CHUNKED, body=FIVE),
    "absolute target": request(b"Content-Length: 5", line=b"POST http://x/echo HTTP/1.1", body=b"abcde"),
    "empty lines before": b"\r\n\r\n" + request(b"Content-Length: 5", body=b"abcde"),
    "named by Connection": request(
        b"Connection: close, X-Hop, Content-Length, X-Request-ID", b"X-Hop: 1", b"X-Request-ID: a",
        b"Content-Length: 5", body=b"abcde",
    ),
}  # fmt: skip
HOPS = (
    b"transfer-encoding", b"te", b"trailer", b"upgrade", b"connection", b"keep-alive", b"http2-settings", b"x-hop",
    b"x-evil", b"proxy-connection", b"proxy-authorization",
)  # fmt: skip


@pytest.mark.parametrize("case", PASSED)
def test_passed_on_in_one_reading(address: str, recorder: Recorder, case: str) -> None:
    with connect(address) as sock:
        sock.sendall(PASSED[case])
        assert statuses(read_answer(sock)) == [200]
    (arrived,) = recorder.requests
    assert arrived.body == b"abcde"
    assert arrived.target == b"/echo"
    assert arrived.values(b"content-length") == [b"5"]
    for name in HOPS:
        assert not arrived.values(name), name
    for name in (b"host", b"x-request-id", b"x-forwarded-for", b"x-request-timeout-ms"):
        assert len(arrived.values(name)) == 1, name
    assert arrived.values(b"host") != [b"y"]
    assert arrived.values(b"x-request-id") != [b"z"]


def test_fields_of_one_connection_end_here(address: str, recorder: Recorder) -> None:
    sent = (
        b"Keep-Alive: timeout=9",
        b"Proxy-Connection: close",
        b"Proxy-Authorization: a",
        b"TE: trailers",
        b"Trailer: X",
    )
    with connect(address) as sock:
        sock.sendall(request(*sent, b"X-End: 1", b"Content-Length: 0"))
        read_answer(sock)
    (arrived,) = recorder.requests
    assert arrived.values(b"x-end") == [b"1"]
    for name in HOPS:
        assert not arrived.values(name), name


@pytest.mark.parametrize(
    "target",
    [
        b"/models/a;b=c/infer", b"/models/a%3fb/infer", b"/models/a%23b/infer", b"/models/%252e%252e/infer",
        b"/models/%61/infer", b"/models/%C3%A4/infer", b"/models/.../infer", b"/%65cho", b"/echo?a=%00&b=%0d%0a",
        b"/echo?a=../..&b=//", b'/echo?a[]={|}^"<>`\\',
    ],
)  # fmt: skip
def test_the_target_goes_on_as_it_came(address: str, recorder: Recorder, target: bytes) -> None:
    with connect(address) as sock:
        sock.sendall(get(target))
        assert statuses(read_answer(sock)) == [200]
    assert [each.target for each in recorder.requests] == [target]


@pytest.mark.parametrize("target", [b"//echo", b"//x/echo", b"/echo/", b"/echo;a=b", b"/ECHO", b"*", b"/models//infer"])
def test_other_paths_are_other_paths(address: str, recorder: Recorder, target: bytes) -> None:
    with connect(address) as sock:
        sock.sendall(get(target))
        assert statuses(read_answer(sock)) == [404]
    assert not recorder.requests


@pytest.mark.parametrize("method", [b"TRACE", b"PATCH", b"M-SEARCH"])
def test_a_method_that_nobody_offers_is_405(address: str, recorder: Recorder, method: bytes) -> None:
    with connect(address) as sock:
        sock.sendall(request(line=method + b" /echo HTTP/1.1"))
        assert statuses(read_answer(sock)) == [405]
    assert not recorder.requests


def test_pipelined_requests_are_answered_in_their_order(address: str, recorder: Recorder) -> None:
    bodies = [b"one", b"second", b"3"]
    sent = [request(b"Content-Length: %d" % len(body), body=body) for body in bodies[:2]]
    sent.append(request(b"Content-Length: 1", b"Connection: close", body=bodies[2]))
    assert statuses(until_closed(address, b"".join(sent))) == [200] * 3
    assert [each.body for each in recorder.requests] == bodies


@pytest.mark.parametrize(
    "last",
    [
        get(b"/echo", b"Connection: close"),
        request(line=b"GET /echo HTTP/1.0"),
        request(b"Content-Length: 5", b"Connection: close", body=b"abcde"),
    ],
)
def test_nothing_is_read_after_the_last_request(address: str, recorder: Recorder, last: bytes) -> None:
    assert statuses(until_closed(address, last + SMUGGLED)) == [200]
    assert [each.target for each in recorder.requests] == [b"/echo"]


def test_what_follows_a_request_spoils_no_answer(address: str, recorder: Recorder) -> None:
    assert statuses(until_closed(address, get(b"/echo") + b"\0\0\0\r\n\r\n")) == [200]
    assert len(recorder.requests) == 1


def test_requests_after_an_upgrade_that_nobody_takes(address: str, recorder: Recorder) -> None:
    upgrade = get(b"/echo", b"Connection: Upgrade", b"Upgrade: h2c")
    assert statuses(until_closed(address, upgrade + get(b"/pure", b"Connection: close"))) == [200, 200]
    assert [each.target for each in recorder.requests] == [b"/echo", b"/pure"]


def test_what_connection_names_does_not_reach_the_cache_either(address: str, recorder: Recorder) -> None:
    """The answer to a request whose Accept was taken out is not the answer to one that has it."""
    recorder.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nVernier-Identity: one\r\n\r\nok"
    with connect(address) as sock:
        sock.sendall(get(b"/pure?named", b"Accept: text/csv", b"Connection: Accept"))
        assert b"x-cache-status: MISS" in read_answer(sock)
        sock.sendall(get(b"/pure?named", b"Accept: text/csv"))
        assert b"x-cache-status: MISS" in read_answer(sock)
    assert [each.values(b"accept") for each in recorder.requests] == [[], [b"text/csv"]]


def test_a_half_closed_client_counts_as_gone_and_never_gets_half_an_answer(address: str, recorder: Recorder) -> None:
    """On the wire it cannot be told from one that hung up, and who hangs up takes its work along."""
    with connect(address) as sock:
        sock.sendall(request(b"Content-Length: 5", body=b"abcde"))
        sock.shutdown(1)
        answer = read_answer(sock)
    assert not answer or answer.endswith(b"ok")
    assert len(recorder.requests) <= 1


def test_a_chunk_beyond_any_size_never_arrives(address: str, recorder: Recorder) -> None:
    with connect(address) as sock:
        sock.sendall(request(CHUNKED, body=b"FFFFFFFFFFFFFFFF\r\nabcde\r\n0\r\n\r\n" + SMUGGLED))
        sock.shutdown(1)
        assert statuses(read_answer(sock)) in ([], [400])
    assert not recorder.requests


ODD_ANSWERS = {
    "both lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "cut short": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
    "cut short in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok",
    "without its last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    "bad chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nok\r\n0\r\n\r\n",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok",
    "folded field": b"HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "space before a colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "bare line feed": b"HTTP/1.1 200 OK\r\nX-A: a\nX-B: b\r\nContent-Length: 2\r\n\r\nok",
    "no HTTP": b"hello\r\n\r\n",
    "nothing": b"",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "long head": b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 200_000 + b"\r\nContent-Length: 2\r\n\r\nok",
}


@pytest.mark.parametrize("path", [b"/echo", b"/pure"])
@pytest.mark.parametrize("case", ODD_ANSWERS)
def test_an_answer_that_cannot_be_trusted_is_502_and_not_kept(
    address: str, recorder: Recorder, path: bytes, case: str
) -> None:
    recorder.answer, recorder.close = ODD_ANSWERS[case], True
    target = b"%b?%b" % (path, case.replace(" ", "-").encode())
    sent = request(b"Content-Length: 0", line=b"POST %b HTTP/1.1" % target)
    with connect(address) as sock:
        sock.sendall(sent)
        answer = read_answer(sock)
    if answer[9:12] == b"200" or not answer:  # the head was on its way when the rest broke: the connection is cut
        assert b"content-length" not in answer.lower()
        assert not answer.endswith(b"0\r\n\r\n")
    else:
        assert statuses(answer) == [502]
    recorder.answer, recorder.close = OK, False
    with connect(address) as sock:
        sock.sendall(sent)
        answer = read_answer(sock)
    assert answer.endswith(b"ok")
    assert b"HIT" not in answer


@pytest.mark.parametrize(
    ("sent", "answer", "body"),
    [
        (get(b"/echo"), b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", b""),
        (get(b"/echo"), b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", b""),
        (request(line=b"HEAD /echo HTTP/1.1"), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b""),
        (request(line=b"HEAD /echo HTTP/1.1"), OK, b""),
        (get(b"/echo"), b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + OK, b"ok"),
        (get(b"/echo"), b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        (get(b"/echo"), OK + OK, b"ok"),
        (get(b"/echo"), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\r\n\r\nmore", b"ok"),
    ],
)  # fmt: skip
def test_one_answer_to_one_request(address: str, recorder: Recorder, sent: bytes, answer: bytes, body: bytes) -> None:
    """Whatever a service adds to an answer, the next request gets an answer of its own."""
    recorder.answer = answer
    with connect(address) as sock:
        sock.sendall(sent)
        head, _, rest = b"", b"", b""
        while b"\r\n\r\n" not in head:
            more = sock.recv(65536)
            assert more
            head += more
        head, _, rest = head.partition(b"\r\n\r\n")
        while len(rest) < len(body):
            rest += sock.recv(65536)
        assert rest == body
        assert b" 103 " not in head
        recorder.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext"
        sock.sendall(get(b"/echo"))
        assert read_answer(sock).endswith(b"\r\n\r\nnext")
