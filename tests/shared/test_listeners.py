import socket
from contextlib import ExitStack

import pytest

from shared.listeners import arrived, turn_away_newcomers


def test_whom_the_kernel_has_let_in_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(listener.getsockname())) for _ in range(3)]
        found = [stack.enter_context(sock) for sock in arrived(listener.fileno())]
        assert {sock.getpeername() for sock in found} == {sock.getsockname() for sock in clients}
        assert arrived(listener.fileno()) == []


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_newcomers_wait_for_the_next_listener_and_those_within_go_on(family: socket.AddressFamily) -> None:
    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    with ExitStack() as stack:
        first = stack.enter_context(socket.create_server((host, 0), family=family))
        address = first.getsockname()[:2]
        within = stack.enter_context(socket.create_connection(address))
        turn_away_newcomers(first.fileno())
        new = stack.enter_context(socket.socket(family))
        new.setblocking(False)
        with pytest.raises(BlockingIOError):
            new.connect(address)
        (accepted,) = arrived(first.fileno())
        first.close()
        with accepted:
            within.sendall(b"still here")
            accepted.settimeout(30)
            assert accepted.recv(99) == b"still here"
        second = stack.enter_context(socket.create_server(address, family=family))
        second.settimeout(30)
        later, peer = second.accept()
        later.close()
        assert peer[:2] == new.getsockname()[:2]
