"""A server that answers by plan, on one thread: the first byte of each body says how."""

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

FINE, REFUSE, FAIL, HANG, DROP, CLOSE, STALL = b"fine", b"refuse", b"fail", b"hang", b"drop", b"close", b"stall"
STALL_S = 0.5
_ANSWERS = {
    FINE: b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine",
    STALL: b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow",
    CLOSE: b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlast",
    REFUSE: b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
    FAIL: b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
}


@contextmanager
def planned() -> Iterator[str]:
    """Its address. `stall` keeps every connection waiting for STALL_S, as a server does whose only thread is busy."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    over = threading.Event()
    thread = threading.Thread(target=_serve, args=(listener, over))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/plan"
    finally:
        over.set()
        thread.join(30)
        listener.close()


def _serve(listener: socket.socket, over: threading.Event) -> None:
    connections: dict[int, socket.socket] = {}
    while not over.is_set():
        ready, _, _ = select.select([listener, *connections.values()], [], [], 0.05)
        for each in ready:
            if each is listener:
                accepted, _ = listener.accept()
                connections[accepted.fileno()] = accepted
            elif not _answer(each):
                del connections[each.fileno()]
                each.close()
    for each in connections.values():
        each.close()


def _answer(connection: socket.socket) -> bool:
    """Whether the connection stays open."""
    try:
        body = connection.recv(1 << 16).rpartition(b"\r\n\r\n")[2]
    except OSError:
        return False
    if body == STALL:
        time.sleep(STALL_S)
    if body in _ANSWERS:
        connection.sendall(_ANSWERS[body])
    return body == HANG or (body in _ANSWERS and body != CLOSE)
