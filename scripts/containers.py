"""Build the images, start them, test them end to end, take them down: `make containers`.

Runs beside any other Vernier: an own compose project, a free port. What it started is gone when it ends, whatever
happened; the images stay. Its exit code is that of the tests.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from scripts.crew import POLL_S, is_ready
from scripts.machine import free_port
from scripts.settings import ROOT

PROJECT = "vernier-test"
READY_TIMEOUT_S = 180.0
TESTS = ["tests/e2e", "tests/containers"]  # in this order: the last one stops the containers


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    compose = compose_command()
    environment = {**os.environ, "VERNIER_GATEWAY_PORT": str(free_port()), "VERNIER_BIND": "127.0.0.1"}
    address = f"http://127.0.0.1:{environment['VERNIER_GATEWAY_PORT']}"
    try:
        told("building the images", [*compose, "build"], environment)
        told("starting the containers", [*compose, "up", "--detach"], environment)
        if not await_ready(f"{address}/readyz"):
            subprocess.run([*compose, "ps"], cwd=ROOT, env=environment)
            subprocess.run([*compose, "logs", "--no-color", "--tail", "40"], cwd=ROOT, env=environment)
            raise SystemExit(f"The containers were not ready within {READY_TIMEOUT_S:.0f} s")
        environment |= {"VERNIER_URL": address, "VERNIER_CONTAINERS": PROJECT}
        return subprocess.run([sys.executable, "-m", "pytest", *TESTS], cwd=ROOT, env=environment).returncode
    finally:
        subprocess.run(
            [*compose, "down", "--volumes", "--remove-orphans"], cwd=ROOT, env=environment, capture_output=True
        )


def compose_command() -> list[str]:
    """`docker compose`, else docker-compose; ends the program with a plain sentence where there is no engine."""
    if shutil.which("docker") is None:
        raise SystemExit("make containers needs Docker, and there is no `docker` here")
    if subprocess.run(["docker", "info"], capture_output=True).returncode:
        raise SystemExit("make containers needs Docker, and no engine answers: start dockerd")
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
    if not plugin and shutil.which("docker-compose") is None:
        raise SystemExit("make containers needs `docker compose` or docker-compose (1.29 or later)")
    command = ["docker", "compose"] if plugin else ["docker-compose"]
    return [*command, "--project-name", PROJECT, "--file", str(Path(ROOT) / "docker-compose.yml")]


def told(what: str, command: list[str], environment: dict[str, str]) -> None:
    """Run quietly; its output is shown when it fails."""
    print(f"{what} ...", flush=True)
    start = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        print(done.stdout)
        raise SystemExit(f"{what} failed with exit code {done.returncode}")
    print(f"{what}: {time.monotonic() - start:.0f} s", flush=True)


def await_ready(address: str) -> bool:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if is_ready(address):
            return True
        time.sleep(POLL_S)
    return False


if __name__ == "__main__":
    sys.exit(main())
