"""A window of load on real processes, and what is known of these."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.checks import checked, exactly
from benchmarks.load import Load, write_bodies
from benchmarks.parts import hotpath
from benchmarks.parts.once import runs
from benchmarks.proc import cpu_s, descendants, end, memory_bytes
from benchmarks.servers import await_ready, gateway, run_load, service
from tests.polling import until


def test_the_gateway_answers_what_the_benchmark_expects(tmp_path: Path) -> None:
    bodies = write_bodies(tmp_path / "bodies", [hotpath.BODY])
    with service("benchmarks.noop") as noop, gateway([noop]) as front:
        for path in ("/noop", "/noop/kept"):
            load = Load(front.url + path, "POST", hotpath.HEADERS, bodies, connections=2, seconds=0.3, warmup_s=0.1)
            assert checked(run_load(load), exactly(hotpath.ANSWER)).accepted_s
        assert front.ready_s > 0
        assert front.cpu_s() > 0
        assert runs(noop.url) == 0


def test_a_process_its_children_and_their_end() -> None:
    code = "import subprocess, sys; subprocess.Popen(['sleep', '300']); print('on', flush=True); sys.stdin.read()"
    popen = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert popen.stdout is not None
        assert popen.stdout.readline() == b"on\n"
        (child,) = descendants(popen.pid)
        assert memory_bytes(popen.pid) > 1 << 20
        assert cpu_s(popen.pid) >= 0
    finally:
        end(popen)
        for pipe in (popen.stdin, popen.stdout):
            assert pipe is not None
            pipe.close()
    assert popen.returncode is not None
    until(lambda: gone(child), "the child ends with its parent")
    assert cpu_s(2**22 + 1) == 0.0


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_server_that_ends_by_itself_is_not_waited_for() -> None:
    popen = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(RuntimeError, match="ended with 3"):
        await_ready("http://127.0.0.1:9/", popen)
