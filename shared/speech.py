"""Catches what would go past the log: prints, warnings, and errors that nobody caught."""

import io
import logging
import sys
import threading
from types import TracebackType
from typing import Any

import structlog

log = structlog.get_logger()


def catch(*, streams: bool) -> None:
    """For the whole process. `streams`: what is printed becomes lines of the log as well."""
    logging.captureWarnings(True)
    sys.excepthook = _crashed
    threading.excepthook = _thread_failed
    sys.unraisablehook = _ignored
    if streams and not isinstance(sys.stdout, Speech):
        sys.stdout = Speech(sys.stdout, "stdout")
        sys.stderr = Speech(sys.stderr, "stderr")


class Speech(io.TextIOBase):
    """A standard stream whose lines become events. `buffer` and `fileno` are those of the stream itself."""

    def __init__(self, stream: Any, name: str) -> None:
        self.buffer = stream.buffer
        self._stream = stream
        self._name = name
        self._begun = threading.local()

    def write(self, text: str) -> int:
        *lines, self._begun.line = (getattr(self._begun, "line", "") + text).split("\n")
        for line in lines:
            if line.strip():
                log.info(line.rstrip(), logger=self._name)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return int(self._stream.fileno())

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        log.warning("interrupted")
    else:
        log.critical("crashed", exc_info=(kind, error, trace))


def _thread_failed(args: threading.ExceptHookArgs) -> None:
    name = args.thread.name if args.thread is not None else None
    log.error("thread failed", thread=name, exc_info=(args.exc_type, args.exc_value, args.exc_traceback))


def _ignored(args: "sys.UnraisableHookArgs") -> None:
    info = (args.exc_type, args.exc_value, args.exc_traceback)
    log.error("exception ignored", where=args.err_msg, object=repr(args.object), exc_info=info)
