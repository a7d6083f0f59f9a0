"""Logs: one JSON object a line on standard output, or lines for people; all that a process says goes the same way."""

import asyncio
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from shared import tracing
from shared.context import current_context
from shared.secrets import masked, without_secrets
from shared.settings import Settings
from shared.speech import catch


def configure(settings: Settings, process: str | None = None) -> None:
    """For the whole process, before anything else happens in it; again when its own settings are known."""
    level = getattr(logging, settings.log_level.upper())
    common: list[Processor] = [
        _process_name(process or settings.process),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request,
        structlog.processors.format_exc_info,
        _mask,
    ]
    render = [_console(), _redact] if settings.log_format == "console" else [_json, _redact]
    structlog.configure(
        processors=[*common, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(cast(BinaryIO, _Out())),
        cache_logger_on_first_use=True,
    )
    libraries = _Libraries()
    libraries.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *common],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render, _as_text],
        )
    )
    logging.basicConfig(handlers=[libraries], level=level, force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.error").setLevel(max(level, logging.WARNING))
    catch(streams=settings.log_format != "console")


LINE = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE


def access_log(settings: Settings) -> Callable[[dict[str, Any]], None] | None:
    """Writes the line `request` of each request; None where none is wanted.

    As JSON it goes past structlog's chain, and lines of one turn of the event loop leave together: either would cost
    a cached answer a good part of its time.
    """
    if not settings.access_log or settings.log_level in {"warning", "error"}:
        return None
    if settings.log_format == "console":
        log = structlog.get_logger()
        return lambda fields: log.info("request", **fields)
    return AccessLog(settings.process)


class AccessLog:
    """To be called on the event loop."""

    def __init__(self, process: str) -> None:
        self.process = process
        self.lines: list[bytes] = []

    def __call__(self, fields: dict[str, Any]) -> None:
        fields["event"], fields["process"] = "request", self.process
        fields["level"], fields["timestamp"] = "info", datetime.now(UTC)
        if not self.lines:
            asyncio.get_running_loop().call_soon(self.flush)
        self.lines.append(orjson.dumps(fields, default=str, option=LINE))

    def flush(self) -> None:
        lines, self.lines = self.lines, []
        with suppress(OSError, ValueError):
            sys.stdout.buffer.write(b"".join(lines))
            sys.stdout.buffer.flush()


class _Out:
    """Standard output; when nobody reads it any more, what is said is lost and nothing else."""

    def write(self, line: bytes) -> None:
        with suppress(OSError, ValueError):
            sys.stdout.buffer.write(line)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stdout.buffer.flush()


class _Libraries(logging.Handler):
    """What comes by way of Python's own logging."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001
            line = _dump({"event": f"unprintable: {record.msg!r}", "level": record.levelname.lower()}).decode()
        out = _Out()
        out.write(f"{line}\n".encode())
        out.flush()


def _process_name(process: str) -> Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["process"] = process
        return event

    return add


def _add_request(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    context = current_context.get()
    if context is not None and "request_id" not in event:
        event.update(context.log_fields())
    if tracing.active is not None:
        event.update(tracing.active.here())
    return event


def _mask(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {name: value if name.startswith("_") else masked({name: value})[name] for name, value in event.items()}


def _redact(_logger: WrappedLogger, _method: str, line: Any) -> bytes:
    return without_secrets(line)


def _as_text(_logger: WrappedLogger, _method: str, line: Any) -> str:
    return str(line, "utf-8")


def _console() -> Processor:
    render = structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)

    def lines(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
        text = str(render(logger, method, event))
        return "".join(
            each if each.isprintable() or each in "\n\t" else f"\\x{ord(each):02x}" for each in text
        ).encode()

    return lines


def _json(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
    return _dump(event)


def _dump(event: Any) -> bytes:
    try:
        return orjson.dumps(event, default=str)
    except TypeError:
        return orjson.dumps(_plain(event))


def _plain(value: Any, depth: int = 4) -> Any:
    """What JSON cannot say, as text: lone surrogates, integers beyond 64 bits, objects that do not print."""
    if depth and isinstance(value, dict):
        return {_text(name): _plain(each, depth - 1) for name, each in value.items()}
    if depth and isinstance(value, list | tuple):
        return [_plain(each, depth - 1) for each in value]
    if isinstance(value, float | bool | None) or (isinstance(value, int) and -(1 << 63) <= value < 1 << 64):
        return value
    return _text(value)


def _text(value: object) -> str:
    try:
        text = str(value)
    except Exception:  # noqa: BLE001
        text = f"<{type(value).__name__} that does not print>"
    return text.encode("utf-8", "backslashreplace").decode()
