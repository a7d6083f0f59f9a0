"""Raw HTTP, for what no client would send."""

import socket
from urllib.parse import urlsplit


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 80), timeout=30)


def exchange(url: str, request: bytes) -> bytes:
    """What comes back until the other side is silent or done: the first answer at least."""
    with connect(url) as sock:
        sock.sendall(request)
        return read_answer(sock)


def read_answer(sock: socket.socket) -> bytes:
    """One answer with a Content-Length, or all that there is."""
    data = b""
    while chunk := sock.recv(65536):
        data += chunk
        head, end, body = data.partition(b"\r\n\r\n")
        if not end:
            continue
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:") and len(body) >= int(line.split(b":")[1]):
                return data
    return data
