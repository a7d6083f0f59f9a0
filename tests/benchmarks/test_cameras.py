"""The cameras that send, against a server whose answers are known."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from benchmarks.cameras import Cameras, run
from benchmarks.checks import WrongAnswer

PICTURES = [bytes([index]) for index in range(50)]


@contextmanager
def answering(answer: Callable[[int], dict[str, object] | None]) -> Iterator[str]:
    """A server that says `answer(n)`, if anything, to message n of each connection."""

    def talk(socket: ServerConnection) -> None:
        try:
            for index, _ in enumerate(socket):
                if (reply := answer(index)) is not None:
                    socket.send(json.dumps(reply))
        except ConnectionClosed:
            return

    with serve(talk, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def test_what_comes_back_is_counted() -> None:
    """Two cameras, ten frames each of which half count; frames 6 and 7 are dropped, the first has no speed."""

    def answer(index: int) -> dict[str, object] | None:
        if index in (6, 7):
            return None
        dropped = {"dropped": 2, "dropped_frames": [6, 7]} if index == 8 else {}
        return {"frame": index, "speed_mps": None if index == 5 else 10.0, **dropped}

    with answering(answer) as url:
        seen = run(Cameras(url, 2, fps=20, seconds=0.25, pictures=PICTURES, warmup_s=0.25))
    assert (seen.sent, seen.dropped, seen.without) == (10, 4, 2)
    assert seen.dropped_share == pytest.approx(0.4)
    assert len(seen.latencies_ms) == 6
    assert min(seen.latencies_ms) > 0


@pytest.mark.parametrize(
    ("reply", "what"),
    [
        ({"frame": 1, "speed_mps": 1.0}, "frame"),
        ({"frame": 0, "error": "x"}, "error"),
        ({"frame": 0, "speed_mps": 99.0}, "range"),
    ],
)
def test_a_wrong_answer_is_said(reply: dict[str, object], what: str) -> None:
    with answering(lambda _: reply) as url, pytest.raises(WrongAnswer, match=what):
        run(Cameras(url, 1, fps=50, seconds=0.02, pictures=PICTURES, warmup_s=0.0))
