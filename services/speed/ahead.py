"""Work on the next items while the current one is used."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class _End:
    """The source ended, by `error` if there is one."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


@contextmanager
def ahead(source: Iterator[T], depth: int) -> Iterator[Iterator[T]]:
    """The items of `source`, made on a thread of their own, at most `depth` of them before they are asked for.

    What the source raises is raised where its item would have come. On leaving, the thread has ended.
    """
    ready: SimpleQueue[T | _End] = SimpleQueue()
    room = threading.Semaphore(depth)
    left = threading.Event()

    def make() -> None:
        error: BaseException | None = None
        try:
            for item in source:
                ready.put(item)
                room.acquire()
                if left.is_set():
                    return
        except BaseException as raised:  # noqa: BLE001 - raised again where the item would have come
            error = raised
        finally:
            ready.put(_End(error))

    def items() -> Iterator[T]:
        while not isinstance(item := ready.get(), _End):
            room.release()
            yield item
        if item.error is not None:
            raise item.error

    thread = threading.Thread(target=make, name="ahead", daemon=True)
    thread.start()
    try:
        yield items()
    finally:
        left.set()
        room.release()
        thread.join()
