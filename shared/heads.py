"""Request heads: what may stand in one, so that no two programs on its way read it differently (RFC 9110, RFC 9112).

llhttp, in its strict mode, refuses most of what is ambiguous. This refuses the rest, bounds the head, keeps trailers
out of it, and reads requests that offer an upgrade which nobody takes as if they did not offer it.
"""

import re
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

import httptools

from shared.errors import Malformed, VernierError
from shared.exchange import ExchangeProtocol
from shared.problems import StatusError, rendered

HEAD_BYTES = 64 << 10
FIELDS = 256
TARGET_BYTES = 16 << 10

_HOST = re.compile(rb"(?:[A-Za-z0-9._~%!$&'()*+;=-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_AMBIGUOUS = re.compile(
    rb"\\|%(?![0-9A-Fa-f]{2})|%(?:2f|5c|7f|[01][0-9a-f])|(?:^|/)(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE
)
_KEPT = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade"})
"""Connection cannot take these out: they say what the message is."""
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_OWS = b" \t"
_USUAL = frozenset({b"keep-alive", b"close"})

Fields = list[tuple[bytes, bytes]]


def head_fault(version: str, target: bytes, fields: Fields) -> VernierError | None:
    """Why a head cannot be taken, None where it can. `fields`: names in lower case.

    Fields that Connection names are taken out of `fields`: whatever looks at them later sees what is passed on.
    """
    if version not in {"1.1", "1.0"}:
        return StatusError(505, f"HTTP/{version} is not spoken here on this kind of connection; HTTP/1.1 is")
    if len(target) > TARGET_BYTES:
        return StatusError(414, f"the target of the request has {len(target):,} bytes; {TARGET_BYTES:,} may be")
    if len(fields) > FIELDS:
        return StatusError(431, f"the request has more than the {FIELDS} header fields that may be")
    host: bytes | None = None
    for name, value in fields:
        if name == b"host":
            if host is not None:
                return Malformed("there are two Host fields; send one")
            host = value.strip(_OWS)
        elif name == b"transfer-encoding":
            if version == "1.0":
                return Malformed("HTTP/1.0 knows no Transfer-Encoding")
            if value.strip(_OWS).lower() != b"chunked":
                return StatusError(501, "no transfer coding but `chunked` is read here")
        elif name == b"connection" and value.lower() not in _USUAL:
            fields[:] = _without_named(fields)
    if host is None:
        return Malformed("there is no Host field; HTTP/1.1 demands one") if version == "1.1" else None
    if not _HOST.fullmatch(host):
        return Malformed("the Host field is no host, with or without a port")
    return target_fault(target, host)


def target_fault(target: bytes, host: bytes) -> VernierError | None:
    """Why a request's target can be read in more than one way."""
    if b"#" in target:
        return Malformed("a fragment (#) is never sent; write %23 for the character")
    path = target.partition(b"?")[0]
    if path[:1] != b"/":
        scheme, separator, rest = path.partition(b"://")
        if separator and scheme.lower() in {b"http", b"https"}:
            authority, slash, path = rest.partition(b"/")
            if authority.lower() != host.lower():
                return Malformed("the target's authority and the Host field differ")
            path = slash + path
    if b"%" in path or b"\\" in path or b"/." in path:
        if found := _AMBIGUOUS.search(path):
            return Malformed(
                f"the path holds {found[0].decode('latin-1')!r}, which not everybody reads alike: no dot segments, "
                "backslashes, escaped slashes or control characters, and two hexadecimal digits after each %"
            )
        try:
            unquote_to_bytes(path).decode()
        except UnicodeDecodeError:
            return Malformed("the path, unescaped, is not UTF-8")
    return None


def _without_named(fields: Fields) -> Fields:
    named = {
        option.strip().lower() for name, value in fields if name == b"connection" for option in value.split(b",")
    } - _KEPT
    return [pair for pair in fields if pair[0] not in named]


def _handshake_fault(fields: Fields) -> VernierError | None:
    if any(name in _FRAMING and value.strip(_OWS) != b"0" for name, value in fields):
        return Malformed("the handshake of a WebSocket has no body")
    if any(name == b"sec-websocket-version" and value.strip(_OWS) != b"13" for name, value in fields):
        upgrade = {"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        return StatusError(426, "version 13 of the WebSocket protocol is spoken here (RFC 6455)", upgrade)
    return None


class HeadProtocol(ExchangeProtocol):
    """Puts `head_fault` into the scope as `vernier.fault`; whoever answers raises it, and the connection ends."""

    _in_head = False
    _came = 0
    _resuming = False
    _deaf = False

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        self._came += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._unreadable()
        except httptools.HttpParserUpgrade as upgrade:
            if self._deaf:
                return
            if self._should_upgrade():
                self.handle_websocket_upgrade()
            else:
                self._stay(data[upgrade.args[0] :])
        else:
            if self._in_head and self._came > HEAD_BYTES:
                self.reject(StatusError(431, f"the head of the request is beyond {HEAD_BYTES:,} bytes"))
            elif not self._in_head:
                self._came = 0

    def on_message_begin(self) -> None:
        if not self._resuming:
            super().on_message_begin()
            self._in_head = True

    def on_url(self, url: bytes) -> None:
        if not self._resuming:
            self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._resuming:
            return
        self._in_head = False
        fault = head_fault(self.parser.get_http_version(), self.url, self.headers)
        if fault is None and self._came > HEAD_BYTES:
            size = sum(len(name) + len(value) for name, value in self.headers)
            if size > HEAD_BYTES:
                fault = StatusError(431, f"the head of the request is beyond {HEAD_BYTES:,} bytes")
        if self.parser.should_upgrade() and self._should_upgrade():
            self._open_websocket(fault)
            return
        if fault is not None:
            self.scope["vernier.fault"] = fault  # type: ignore[typeddict-unknown-key]
        super().on_headers_complete()
        if fault is not None and self.cycle is not None:
            self.cycle.keep_alive = False

    def _open_websocket(self, fault: VernierError | None) -> None:
        """Of two answers on one connection the first would be lost, and a body would be taken for frames."""
        self.scope["method"] = self.parser.get_method().decode("ascii")
        if self.cycle is not None and not self.cycle.response_complete:
            self._unreadable()
        elif fault := fault or _handshake_fault(self.headers):
            self.reject(fault)

    def _stay(self, rest: bytes) -> None:
        """Reads on as if no upgrade had been offered: the parser has stopped before the body, another one that is
        told how the body is framed goes on from there."""
        cycle = self.cycle
        if self.scope["method"] == "CONNECT":
            self._deaf, cycle.keep_alive = True, False
            return
        framing = [b"%b: %b\r\n" % pair for pair in self.headers if pair[0] in _FRAMING]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        cycle.more_body = True
        self._resuming = True
        try:
            self.parser.feed_data(b"POST / HTTP/1.1\r\nhost: x\r\n" + b"".join(framing) + b"\r\n")
        finally:
            self._resuming = False
        if rest:
            self.data_received(rest)

    def _unreadable(self) -> None:
        """What came after requests that are being answered spoils none of their answers."""
        last = self.pipeline[0][0] if self.pipeline else self.cycle
        if last is not None and not last.response_complete and not last.more_body:
            self._deaf, last.keep_alive = True, False
        else:
            self.reject(Malformed("what was sent is not HTTP/1.1 as RFC 9112 has it"))

    def reject(self, error: VernierError, path: str = "", request_id: str = "") -> None:
        """Answers at once and ends the connection; within an answer it only ends it."""
        self._deaf = True
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            status, headers, body = rendered(error, instance=path, request_id=request_id)
            fields = "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items())
            head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nconnection: close\r\n{fields}\r\n"
            self.transport.write(head.encode() + body)
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._deaf = True
        super().connection_lost(exc)
