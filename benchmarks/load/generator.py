"""The generator's loop: one thread, epoll and plain sockets."""

import random
import resource
import select
import socket
import time
import zlib
from collections import deque
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.load import Kept, Load, Outcome, read_bodies
from benchmarks.load.answers import Answer, whole

REFUSALS = frozenset({429, 503})
MOST_KEPT = 256
LATE_S = 0.001
PAUSE_S = 0.05
"""After a refusal or a broken connection a closed loop waits so long: one that does not is an attack, no client."""
PIECE = 1 << 18


class Connection:
    """`since` is the moment from which the request under way counts, `body` its number; idle when `since` is None."""

    __slots__ = ("body", "data", "rest", "since", "sock", "started")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.data = b""
        self.rest: memoryview | None = None
        self.since: float | None = None
        self.started = 0.0
        self.body = 0


class Generator:
    """Applies one `Load`; `run` may be called once."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.address, self.requests = requests_of(load)
        self.next_body = load.first_body
        self.epoll = select.epoll()
        self.connections: dict[int, Connection] = {}
        self.idle: list[Connection] = []
        self.due: deque[float] = deque()
        self.paused: deque[tuple[float, Connection]] = deque()
        self.buffer = memoryview(bytearray(PIECE))
        self.record = Record()
        self.gaps = random.Random(load.seed)
        self.arrival = float("inf")

    def run(self) -> Outcome:
        try:
            self._open_connections()
            start = time.perf_counter()
            since, until = self.record.begin(start, self.load)
            self._fill(start)
            self._until(since)
            used, sent = _used(), self.record.sent
            self._until(until)
            until = self._wait_for_least(until)
            used, sent = _used() - used, self.record.sent - sent
            while self._waits_for(since, until):
                self._turn(time.perf_counter() + 0.1)
            return self.record.outcome(self.load, used / (until - since), sent, self.next_body)
        finally:
            for each in self.connections.values():
                each.sock.close()
            self.epoll.close()

    def _wait_for_least(self, until: float) -> float:
        """When the window of a closed loop ends."""
        latest = until + self.load.timeout_s
        while not self.load.rate and self.record.answers_since_begin() < self.load.least:
            if time.perf_counter() >= latest:
                break
            self._turn(latest)
        if not self.load.rate:
            until = self.record.until = max(until, time.perf_counter())
        return until

    def _until(self, moment: float) -> None:
        while time.perf_counter() < moment:
            self._turn(moment)

    def _turn(self, moment: float) -> None:
        """Sends what is due, then takes what comes until something else is due or `moment` is there."""
        now = time.perf_counter()
        while self.arrival <= now:
            self.due.append(self.arrival)
            self.arrival += self.gaps.expovariate(self.load.rate)
        self._send_due(now)
        while self.paused and self.paused[0][0] <= now:
            self._send(self.paused.popleft()[1], now, now)
        if self.paused:
            moment = min(moment, self.paused[0][0])
        self._poll(min(self.arrival, moment) - time.perf_counter())
        self._give_up(now)

    def _open_connections(self) -> None:
        """All of a closed loop's; of an open loop's the first few, more as they are needed."""
        for _ in range(self.load.connections if not self.load.rate else min(16, self.load.connections)):
            self.idle.append(self._connect())

    def _connect(self) -> Connection:
        sock = socket.create_connection(self.address, timeout=self.load.timeout_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        connection = Connection(sock)
        self.connections[sock.fileno()] = connection
        self.epoll.register(sock.fileno(), select.EPOLLIN)
        return connection

    def _fill(self, now: float) -> None:
        if self.load.rate:
            self.arrival = now + self.gaps.expovariate(self.load.rate)
            return
        while self.idle:
            self._send(self.idle.pop(), now, now)

    def _waits_for(self, since: float, until: float) -> bool:
        """Whether a request of an open loop's window is still to go out or to end; a closed loop's are let go."""
        if not self.load.rate:
            return False
        if self.arrival < until or any(since <= moment < until for moment in self.due):
            return True
        return any(each.since is not None and since <= each.since < until for each in self.connections.values())

    def _send_due(self, now: float) -> None:
        while self.due:
            if self.idle:
                connection = self.idle.pop()
            elif len(self.connections) < self.load.connections:
                try:
                    connection = self._connect()
                except OSError:
                    self.record.broke(self.due.popleft())
                    continue
            else:
                return
            since = self.due.popleft()
            self.record.late += now - since > LATE_S
            self._send(connection, since, now)

    def _send(self, connection: Connection, since: float, now: float) -> None:
        connection.since, connection.started = since, now
        connection.body = self.next_body % len(self.requests)
        self.next_body += 1
        self.record.sent += 1
        request = self.requests[connection.body]
        try:
            done = connection.sock.send(request)
        except BlockingIOError:
            done = 0
        except OSError:
            self._drop(connection)
            return
        if done < len(request):
            connection.rest = memoryview(request)[done:]
            self.epoll.modify(connection.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _poll(self, wait_s: float) -> None:
        """epoll waits in whole milliseconds, select on it in microseconds: an open loop is to be on time."""
        if wait_s <= 0:
            events = self.epoll.poll(0)
        elif self.load.rate:
            select.select([self.epoll.fileno()], [], [], min(wait_s, 0.1))
            events = self.epoll.poll(0)
        else:
            events = self.epoll.poll(min(wait_s, 0.1))
        for number, event in events:
            connection = self.connections.get(number)
            if connection is not None:
                if event & select.EPOLLOUT:
                    self._send_rest(connection)
                if event & ~select.EPOLLOUT:
                    self._receive(connection)

    def _send_rest(self, connection: Connection) -> None:
        if connection.rest is None:
            return
        try:
            connection.rest = connection.rest[connection.sock.send(connection.rest) :]
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection)
            return
        if not connection.rest:
            connection.rest = None
            self.epoll.modify(connection.sock.fileno(), select.EPOLLIN)

    def _receive(self, connection: Connection) -> None:
        try:
            piece = bytes(self.buffer[: connection.sock.recv_into(self.buffer)])
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._drop(connection)
            return
        connection.data = data = connection.data + piece if connection.data else piece
        try:
            answer = whole(data)
        except ValueError:
            self._drop(connection)
            return
        if answer is None:
            return
        now = time.perf_counter()
        if connection.since is not None:
            self.record.answered(connection.since, now, connection.body, answer)
        connection.data, connection.since = b"", None
        if answer.last or connection.rest is not None:  # the server has answered before it took all
            self._replace(connection, 0.0)
        elif self.load.rate:
            self.idle.append(connection)
        elif answer.status in REFUSALS:
            self.paused.append((now + PAUSE_S, connection))
        else:
            self._send(connection, now, now)

    def _drop(self, connection: Connection) -> None:
        """The connection broke; a server may close one that is idle."""
        if connection.since is not None:
            self.record.broke(connection.since)
        elif connection in self.idle:
            self.idle.remove(connection)
        else:
            self.paused = deque(each for each in self.paused if each[1] is not connection)
        self._replace(connection)

    def _give_up(self, now: float) -> None:
        if now < self.record.look_again:
            return
        self.record.look_again = now + min(1.0, self.load.timeout_s / 4)
        for each in list(self.connections.values()):
            if each.since is not None and now - each.started > self.load.timeout_s:
                self.record.gave_up(each.since)
                self._replace(each)

    def _replace(self, connection: Connection, pause_s: float = PAUSE_S) -> None:
        self._close(connection)
        if self.load.rate:
            return
        try:
            connection = self._connect()
        except OSError:
            self.record.broke(time.perf_counter())
        else:
            self.paused.append((time.perf_counter() + pause_s, connection))
            self.paused = deque(sorted(self.paused, key=lambda each: each[0]))

    def _close(self, connection: Connection) -> None:
        number = connection.sock.fileno()
        self.epoll.unregister(number)
        del self.connections[number]
        connection.sock.close()


class Record:
    """What came of the requests that count: of an open loop those that were due in the window, of a closed one those
    that ended in it."""

    def __init__(self) -> None:
        self.since = self.until = float("inf")
        self.look_again = 0.0
        self.sent = self.late = self.errors = self.timeouts = self.unkept = 0
        self.statuses: dict[int, int] = {}
        self.accepted: list[tuple[float, float]] = []
        self.refused: list[tuple[float, float]] = []
        self.kept: dict[tuple[int, int, int], Kept] = {}

    def begin(self, start: float, load: Load) -> tuple[float, float]:
        self.since = start + load.warmup_s
        self.until = self.since + load.seconds
        return self.since, self.until

    def answers_since_begin(self) -> int:
        return sum(now >= self.since for _, now in self.accepted[-MOST_KEPT:])

    def answered(self, since: float, now: float, body: int, answer: Answer) -> None:
        status = answer.status
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status == 200:
            self.accepted.append((since, now))
        elif status in REFUSALS:
            self.refused.append((since, now))
        key = (body, status, zlib.crc32(answer.body))
        if key not in self.kept:
            if len(self.kept) < MOST_KEPT:
                self.kept[key] = Kept(body, status, answer.body)
            else:
                self.unkept += 1

    def broke(self, since: float) -> None:
        self.errors += since < self.until

    def gave_up(self, since: float) -> None:
        self.timeouts += since < self.until

    def outcome(self, load: Load, busy: float, sent: int, next_body: int) -> Outcome:
        def counted(times: list[tuple[float, float]]) -> list[float]:
            place = 0 if load.rate else 1
            return [now - since for since, now in times if self.since <= (since, now)[place] < self.until]

        return Outcome(
            self.until - self.since, load.connections, counted(self.accepted), counted(self.refused), self.statuses,
            self.errors, self.timeouts, self.late, busy, sent, list(self.kept.values()), self.unkept, next_body,
        )  # fmt: skip


def requests_of(load: Load) -> tuple[tuple[str, int], list[bytes]]:
    """Where to, and what: one request for each body."""
    parts = urlsplit(load.url)
    bodies = read_bodies(Path(load.bodies)) if load.bodies else [b""]
    target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    lines = [f"{load.method} {target} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in load.headers.items()]
    head = "\r\n".join(lines).encode()
    whole_requests = [b"%b\r\nContent-Length: %d\r\n\r\n%b" % (head, len(body), body) for body in bodies]
    return (parts.hostname or "", parts.port or 80), whole_requests


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
