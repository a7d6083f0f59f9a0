"""All processes come up or all go down, whenever the end comes."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from scripts.machine import free_port
from tests.scripts.launched import launched, python

CREW = textwrap.dedent("""
    import shlex, sys
    from scripts.crew import Crew
    port, ready_timeout_s, grace_s, *commands = sys.argv[1:]
    crew = Crew(f"http://127.0.0.1:{port}/", "welcome here", float(ready_timeout_s), float(grace_s))
    for number, command in enumerate(commands):
        crew.add_process(f"member{number}", "exec " + shlex.join([sys.executable, "-c", command]))
    crew.loop()
    print(f"fault: {crew.fault}")
""")
WAIT = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WAIT!r}])"


def answering(port: int) -> str:
    return f"import http.server as h; h.test(h.SimpleHTTPRequestHandler, port={port}, bind='127.0.0.1')"


def crew(*commands: str, port: int = 9, ready_timeout_s: float = 60, grace_s: float = 10) -> list[str]:
    return python("-c", CREW, str(port), str(ready_timeout_s), str(grace_s), *commands)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_every_process(tmp_path: Path, sign: signal.Signals) -> None:
    with launched(crew(WAIT, PARENT, WAIT), tmp_path) as process:
        process.await_that(lambda: process.output.count("up") == 3)
        process.popen.send_signal(sign)
        assert process.await_end() == 0
        assert process.family() == {}
        assert "fault: None" in process.output


@pytest.mark.parametrize("members", [1, 2, 4, 6, 8, 11])
def test_a_signal_while_they_start_ends_every_process(tmp_path: Path, members: int) -> None:
    # The launcher, then honcho's five forks of it and their five children, more or less by turns.
    with launched(crew(*[WAIT] * 5), tmp_path) as process:
        process.await_that(lambda: len(process.family()) >= members)
        os.killpg(process.popen.pid, signal.SIGTERM)
        assert process.await_end() in (0, -signal.SIGTERM)
        process.await_that(lambda: process.family() == {})


def test_one_that_ends_by_itself_ends_the_others(tmp_path: Path) -> None:
    with launched(crew(WAIT, "import sys; sys.exit(0)", WAIT), tmp_path) as process:
        process.await_end()
        assert "fault: member1 ended by itself (exit code 0)" in process.output
        assert process.family() == {}


def test_one_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    with launched(crew(WAIT, STUBBORN, grace_s=0.5), tmp_path) as process:
        process.await_output("deaf")
        process.popen.send_signal(signal.SIGTERM)
        process.await_end()
        assert process.family() == {}
        assert "sending SIGKILL to member1" in process.output


def test_it_says_when_all_are_ready(tmp_path: Path) -> None:
    port = free_port()
    with launched(crew(answering(port), port=port), tmp_path) as process:
        process.await_output("welcome here")
        assert process.popen.poll() is None


def test_not_ready_in_time_ends_all(tmp_path: Path) -> None:
    with launched(crew(WAIT, port=free_port(), ready_timeout_s=0.3), tmp_path) as process:
        process.await_end()
        assert "fault: not ready after 0 s" in process.output
        assert process.family() == {}


def test_a_reader_that_goes_away_ends_all(tmp_path: Path) -> None:
    chatter = "import time\nwhile True: print('still here', flush=True); time.sleep(0.01)"
    with launched(["bash", "-c", '"$@" | head -n 1', "bash", *crew(chatter, WAIT)], tmp_path) as process:
        process.await_output(" | ")
        process.await_that(lambda: process.family() == {})


def test_mark_finds_grandchildren(tmp_path: Path) -> None:
    with launched(python("-c", PARENT), tmp_path) as process:
        process.await_output("up")
        assert len(process.family()) == 2
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        os.kill(process.popen.pid, signal.SIGKILL)
        process.await_that(lambda: len(process.family()) == 1)
