"""Which header fields cross the gateway, each way."""

from collections.abc import Iterable

from shared.errors import Malformed

Headers = list[tuple[bytes, bytes]]

HOP_BY_HOP = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization",
        b"te", b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
"""RFC 9110, 7.6.1; those that Connection names come on top."""

_OURS_IN = HOP_BY_HOP | {
    b"host", b"content-length", b"expect", b"forwarded", b"x-forwarded-for", b"x-forwarded-proto",
    b"x-forwarded-host", b"x-request-id", b"x-request-timeout-ms", b"authorization", b"x-api-key",
}  # fmt: skip
"""Written anew, or ending here: keys are the gateway's affair and no service sees one."""

_OURS_OUT = HOP_BY_HOP | {b"date", b"server", b"x-request-id", b"vernier-identity"}


def to_service(
    headers: Iterable[tuple[bytes, bytes]],
    *,
    client: str,
    scheme: str,
    request_id: str,
    timeout_ms: int,
    without: frozenset[bytes] = frozenset(),
) -> bytes:
    """The fields as they stand in a message, those in `without` left out. Raises Malformed for a value that is not
    UTF-8."""
    named: frozenset[bytes] = without
    kept, forwarded, host = [], client.encode(), None
    for pair in headers:
        name, value = pair
        if name not in _OURS_IN:
            kept.append(pair)
        elif name == b"connection":
            named |= _listed(value)
        elif name == b"x-forwarded-for":
            forwarded = b"%b, %b" % (value, client.encode())
        elif name == b"host":
            host = value
    if named:
        kept = [pair for pair in kept if pair[0] not in named]
    if host:
        kept.append((b"x-forwarded-host", host))
    block = b"".join([b"%b: %b\r\n" % pair for pair in kept]) + (
        b"x-forwarded-for: %b\r\nx-forwarded-proto: %b\r\nx-request-id: %b\r\nx-request-timeout-ms: %d\r\n"
        % (forwarded, scheme.encode(), request_id.encode(), timeout_ms)
    )
    if not block.isascii():
        _require_text([*kept, (b"x-forwarded-for", forwarded)])
    return block


def to_client(headers: Headers, connection: bytes | None = None) -> Headers:
    """A service's fields without those that concern its connection or this one exchange; `connection`: the field of
    that name."""
    left_out = _OURS_OUT if connection is None else _OURS_OUT | _listed(connection)
    return [pair for pair in headers if pair[0] not in left_out]


def _listed(value: bytes) -> frozenset[bytes]:
    return frozenset(name.strip().lower() for name in value.split(b",") if name.strip())


def _require_text(headers: Headers) -> None:
    for name, value in headers:
        try:
            value.decode()
        except UnicodeDecodeError as error:
            raise Malformed(f"the header {name.decode('latin-1')} is not UTF-8") from error
