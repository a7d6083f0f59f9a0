"""Request bodies: read whole, counted against what the gateway may hold."""

from types import TracebackType

from shared.asgi import Receive
from shared.errors import ClientGone, Overloaded


class Budget:
    """Bytes of request bodies that may be held at a time."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    def check(self, size: int) -> None:
        """Raises Overloaded where it does not fit now."""
        if self.held + size > self.limit:
            raise Overloaded(
                f"{self.held:,} bytes of other requests' bodies are held, {self.limit:,} may be; "
                f"these {size:,} do not fit"
            )

    def take(self, size: int) -> None:
        """Raises Overloaded where it does not fit."""
        self.check(size)
        self.held += size

    def give(self, size: int) -> None:
        self.held -= size


class Body:
    """One request's share of the budget, given back at the end of the `with` block."""

    __slots__ = ("_announced", "_budget", "_holders", "_taken")

    def __init__(self, budget: Budget, announced: int) -> None:
        self._budget = budget
        self._taken = 0
        self._holders = 1
        self._announced = announced

    def __enter__(self) -> "Body":
        self._budget.check(self._announced)  # taken as it comes: who only announces keeps nobody out
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def hold(self) -> None:
        """Counts on until `release`, also when the request that it came with has ended: others wait for what is made
        of it."""
        self._holders += 1

    def release(self) -> None:
        self._holders -= 1
        if not self._holders:
            self._budget.give(self._taken)
            self._taken = 0

    async def read(self, receive: Receive) -> bytes:
        """Raises ClientGone when it is cut off: no service ever sees half a body."""
        message = await receive()
        if not message.get("more_body", False) and message["type"] == "http.request":
            body: bytes = message.get("body", b"")
            self._take(len(body) - self._taken)
            return body
        chunks, size = [], 0
        while message["type"] == "http.request":
            chunk = message.get("body", b"")
            chunks.append(chunk)
            size += len(chunk)
            self._take(size - self._taken)
            if not message.get("more_body", False):
                return b"".join(chunks)
            message = await receive()
        raise ClientGone("the client hung up before its body was whole")

    def _take(self, size: int) -> None:
        if size > 0:
            self._budget.take(size)
            self._taken += size
