"""Closing a listening socket without resetting anyone.

Linux has no call for it: a connection that the kernel completed while the process was about to close its listener is
reset, its request with it. So the first packets of new connections are dropped by a socket filter (their clients try
again a second later, and find the next process or a refusal), then whoever came before is accepted, then it is closed.
"""

import contextlib
import ctypes
import os
import socket
import struct

HANDSHAKE_S = 0.05
"""Connections half made have so long to become whole: a round trip."""

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_DROP_SYN = (  # linux/bpf_common.h; the filter sees the segment from its TCP header on
    (0x30, 0, 0, 13),  # the byte of the flags
    (0x45, 0, 1, 0x02),  # is SYN among them?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # keep
)


def turn_away_newcomers(listener: int) -> None:
    """From here on nobody new comes to wait before the listener; where the system cannot do that, nothing changes."""
    program = b"".join(struct.pack("=HBBI", *each) for each in _DROP_SYN)
    memory = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HP", len(_DROP_SYN), ctypes.addressof(memory))
    with _shared(listener) as sock, contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


def arrived(listener: int) -> list[socket.socket]:
    """Connections that wait to be accepted."""
    found = []
    with _shared(listener) as sock, contextlib.suppress(OSError):
        while True:
            connection, _ = sock.accept()
            connection.setblocking(False)
            found.append(connection)
    return found


def _shared(listener: int) -> socket.socket:
    sock = socket.socket(fileno=os.dup(listener))
    sock.setblocking(False)
    return sock
