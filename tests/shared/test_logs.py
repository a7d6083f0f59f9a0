import asyncio
import logging
import re
import subprocess
import sys
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.logs import AccessLog, _dump
from shared.secrets import masked, without_secrets
from tests.collector import Collector
from tests.polling import until
from tests.processes import ROOT, Process, clean_environment, running
from tests.sockets import exchange

SCRIPT = """
import logging, structlog
from shared import logs
from tests.shared.echo import EchoSettings
logs.configure(EchoSettings(log_format={form!r}, log_level="warning"))
structlog.get_logger().warning('a "quoted" thing', path="/a\\nb", number=1.5, colour="\\x1b[31m")
structlog.get_logger().info("unheard")
logging.getLogger("uvicorn.error").error("of a %s", "library")
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger().exception("failed")
{more}
"""
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def lines(form: str, more: str = "", code: int = 0) -> list[bytes]:
    script = SCRIPT.format(form=form, more=more)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=False,
        env=clean_environment(),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (code, b"")
    return done.stdout.splitlines()


def test_each_line_is_one_json_object() -> None:
    own, library, failed = (orjson.loads(line) for line in lines("json"))
    assert (own["event"], own["path"], own["number"]) == ('a "quoted" thing', "/a\nb", 1.5)
    assert (own["level"], own["process"]) == ("warning", "echo")
    assert (library["event"], library["level"], library["logger"]) == ("of a library", "error", "uvicorn.error")
    assert "ZeroDivisionError" in failed["exception"]


def test_lines_for_people() -> None:
    text = b"\n".join(lines("console")).decode()
    assert 'a "quoted" thing' in text
    assert "unheard" not in text
    assert "\x1b" not in text


def test_what_goes_past_the_log_is_caught() -> None:
    more = """
import sys, threading, warnings, gc
print("printed, not logged")
print("on the other stream", file=sys.stderr)
warnings.warn("of age", DeprecationWarning, stacklevel=1)
threading.Thread(target=lambda: {}["missing"], name="worker-7").start()
class Noisy:
    def __del__(self):
        raise OSError("while deleted")
Noisy()
structlog.get_logger().error("odd", half="\\ud800", huge=1 << 70, key={1: {"nested": "\\udcff"}}, object=object())
logging.getLogger("a.library").error("wrong %d", "arguments")
raise LookupError("the end")
"""
    said = [orjson.loads(line) for line in lines("json", more, code=1)]
    events = {each["event"]: each for each in said}
    assert "KeyError: 'missing'" in events["thread failed"]["exception"]
    assert events["thread failed"]["thread"] == "worker-7"
    assert "while deleted" in events["exception ignored"]["exception"]
    assert any("of age" in event for event in events)
    assert events["odd"]["half"] == "\\ud800"
    assert events["odd"]["huge"] == str(1 << 70)
    assert any("wrong %d" in event for event in events)
    assert events["crashed"]["level"] == "critical"
    assert "LookupError: the end" in events["crashed"]["exception"]


def test_a_reader_that_leaves_breaks_nothing() -> None:
    script = """
import asyncio, os, sys, structlog, logging
from shared import logs
from tests.shared.echo import EchoSettings
logs.configure(EchoSettings())
read, write = os.pipe()
os.dup2(write, 1)
os.close(read)
for _ in range(3):
    structlog.get_logger().info("to nobody")
    logging.getLogger("x").warning("to nobody")
    print("to nobody")
async def serve():
    logs.access_log(EchoSettings())({"path": "/to/nobody"})
    await asyncio.sleep(0)
asyncio.run(serve())
os.dup2(2, 1)
os._exit(7)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (7, b"")


async def test_lines_of_one_turn_of_the_loop_leave_together_and_none_is_lost(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    log = AccessLog("echo")
    for number in range(3):
        log({"path": f"/{number}"})
    assert capfdbinary.readouterr().out == b""
    await asyncio.sleep(0)
    told = [orjson.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert [(line["path"], line["event"], line["process"]) for line in told] == [
        (f"/{number}", "request", "echo") for number in range(3)
    ]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just(object()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), anything, max_size=4))
def test_whatever_is_said_is_one_line_that_parses(event: dict[str, Any]) -> None:
    line = _dump(event)
    assert b"\n" not in line
    assert isinstance(orjson.loads(line), dict)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("redis://user:hunter2@host:6379/0", "redis://user:***@host:6379/0"),
        ("redis://:p%40ss@host/0 failed", "redis://:***@host/0 failed"),
        ("Authorization: Bearer abc.def-123", "Authorization: *** ***"),
        ("/v1/x?api_key=abc&n=1", "/v1/x?api_key=***&n=1"),
        ("/v1/x?key=abc", "/v1/x?key=***"),
        ("X-API-Key: abcdef", "X-API-Key: ***"),
        ("a key=value pair, http://host:80/a@b", "a key=value pair, http://host:80/a@b"),
    ],
)
def test_secrets_in_a_text(text: str, clean: str) -> None:
    assert without_secrets(text.encode()) == clean.encode()


def test_secrets_by_name() -> None:
    told = {
        "headers": {"Authorization": "x", "Accept": "y"},
        "pairs": [(b"X-API-Key", b"k"), (b"accept", b"y")],
        "n": 1,
    }
    assert masked(told) == {
        "headers": {"Authorization": "***", "Accept": "y"},
        "pairs": [(b"X-API-Key", "***"), [b"accept", b"y"]],
        "n": 1,
    }


def test_lines_of_a_request_carry_its_ids_wherever_they_are_written() -> None:
    collector = Collector()
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    with running("tests.shared.echo", **env) as echo:
        headers = {"x-request-id": "me", "traceparent": f"00-{TRACE}-{PARENT}-01"}
        assert httpx.get(f"{echo.address}/told/word", headers=headers).status_code == 200
        until(lambda: any("unseen" in str(line) for line in peek(echo)), "all was said")
    collector.stop()
    said = {line["event"]: line for line in echo.lines}
    inside = ["told", "library word ", "loop word", "printed word", "written word", "request"]
    for event in inside:
        assert (said[event]["request_id"], said[event]["trace_id"]) == ("me", TRACE), said[event]
        assert re.fullmatch("[0-9a-f]{16}", said[event]["span_id"])
    server, telling = (next(s for s in collector.spans if s.name == name) for name in ("GET /told/{word}", "telling"))
    assert said["request"]["span_id"] == server.id
    assert said["told"]["span_id"] == telling.id
    assert telling.trace == server.trace
    assert any("warned word" in line["event"] for line in echo.lines)
    assert "ZeroDivisionError" in said["thread failed"]["exception"]


def peek(process: Process) -> list[dict[str, Any]]:
    while (line := process._drain()) is not None:
        process.lines.append(line)
    return process.lines


def test_odd_paths_and_headers_make_lines_that_parse(echo: Process) -> None:
    odd = [
        b'/told/"quoted"',
        b"/told/%0A%0D%00%1b%5B31m",
        b"/told/%ff%fe%c0%80",
        b"/told/%ED%A0%80",
        b"/nowhere/%22%5C%7B",
        b"/told/" + b"%E2%80%A8" * 300,
    ]
    values = [b'a "b" \\ c', b"\xff\xfe\x80", b"tab\there", b"\xe2\x80\xa8"]
    for path in odd:
        for value in values:
            head = b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Text: " + value + b"\r\n"
            head += b"X-Request-ID: " + value + b"\r\nAuthorization: Bearer hush-hush\r\nX-API-Key: hush-hush\r\n\r\n"
            exchange(echo.address, head)
    echo.stop()
    assert len([line for line in echo.lines if line["event"] == "request"]) == len(odd) * len(values)
    assert [line for line in echo.lines if line.get("raw")] == []
    assert "hush-hush" not in str(echo.lines)


def test_a_crash_at_start_is_a_line() -> None:
    env = {**clean_environment(), "VERNIER_STATS_PORT": "seventy", "VERNIER_STATS_MAX_QUEUE": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "services.stats"], cwd=ROOT, env=env, check=False, capture_output=True, timeout=60
    )
    (line,) = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (1, b"")
    assert (line["event"], line["level"], line["process"]) == ("settings make no sense", "critical", "stats")
    assert [each.partition(":")[0] for each in line["problems"]] == ["VERNIER_STATS_PORT", "VERNIER_STATS_MAX_QUEUE"]
    assert "seventy" not in done.stdout.decode()


def test_levels_hold_for_libraries_as_well() -> None:
    more = 'logging.getLogger("quiet").info("unheard too")\nlogging.getLogger("loud").warning("heard")'
    said = [orjson.loads(line)["event"] for line in lines("json", more)]
    assert "heard" in said
    assert "unheard too" not in said
    assert logging.getLogger("quiet").level == logging.NOTSET
