"""Several processes run as one: all come up, or all go down.

honcho starts the processes, each in its own process group, and prefixes their output. On top of it stand here: when all
answer that they are ready, one message; a signal that comes at any moment, and a terminal that goes away, ends
every process; one process that ends by itself ends the others.
"""

import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import datetime

import honcho.manager
from honcho.printer import Message, Printer

POLL_S = 0.1


class _Output(Printer):  # type: ignore[misc]
    """Prints until nobody reads any more, and then says so once instead of failing.

    A line gets the name of its process in front and no time: it brings its own.
    """

    def __init__(self, lost: Callable[[], None]) -> None:
        super().__init__(prefix=False)
        self._lost = lost

    def write(self, message: Message) -> None:
        text = message.data.decode("utf-8", "replace") if isinstance(message.data, bytes) else message.data
        prefix = f"{(message.name or '').ljust(self.width)} |"
        if message.colour and self._colours_supported:
            prefix = f"\033[0m\033[{message.colour}m{prefix}\033[0m"
        try:
            super().write(message._replace(data="\n".join(f"{prefix} {line}" for line in text.splitlines())))
        except OSError:
            self._lost()


class Crew(honcho.manager.Manager):  # type: ignore[misc]
    """Runs the processes added with `add_process` until a signal comes or one of them ends.

    ready: address that answers 200 when all processes are up; then `welcome` is printed.
    ready_timeout_s: after so many seconds without that, everything is stopped.
    grace_s: what a process has between SIGTERM and SIGKILL.
    """

    def __init__(self, ready: str, welcome: str, ready_timeout_s: float, grace_s: float) -> None:
        super().__init__(printer=_Output(self._stop))
        honcho.manager.KILL_WAIT = grace_s  # honcho has it as a constant of its module
        self._ready, self._welcome, self._ready_timeout_s = ready, welcome, ready_timeout_s
        self._stopping = False
        self.fault: str | None = None
        """Why the crew ended, when nobody asked it to."""

    def _start(self) -> None:
        # honcho's own handlers print and send signals, which may come before it knows whom to send them to.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._stop())
        super()._start()
        threading.Thread(target=self._await_ready, daemon=True).start()

    def _stop(self, fault: str | None = None) -> None:
        self.fault = self.fault or (None if self._stopping else fault)
        self._stopping = True

    def _any_stopped(self) -> bool:
        # The loop asks this on every turn, once all have started; on True it terminates, then kills.
        for name, process in self._processes.items():
            if process.get("returncode") is not None:
                self._stop(f"{name} ended by itself (exit code {process['returncode']})")
        return self._stopping

    def _await_ready(self) -> None:
        start = time.monotonic()
        while not self._stopping:
            if is_ready(self._ready):
                self._say(f"ready after {time.monotonic() - start:.1f} s\n{self._welcome}")
                return
            if time.monotonic() - start > self._ready_timeout_s:
                self._stop(f"not ready after {self._ready_timeout_s:.0f} s: {self._ready}")
            time.sleep(POLL_S)

    def _say(self, text: str) -> None:
        self.events.put(Message(type="line", data=text, time=datetime.now(), name="vernier", colour=None))


def is_ready(address: str) -> bool:
    """Whether a GET is answered 200 within two seconds."""
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False
