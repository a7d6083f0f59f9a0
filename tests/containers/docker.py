"""What Docker says of the containers of a compose project."""

import json
import subprocess
from typing import Any

SERVICES = ("gateway", "jobs", "speed", "text", "stats", "redis")


def docker(*arguments: str) -> str:
    """Output of a docker command; raises CalledProcessError when it fails."""
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout


def state(project: str) -> dict[str, dict[str, Any]]:
    """What `docker inspect` says of each container, by the service's name."""
    ids = docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={project}").split()
    return {
        each["Config"]["Labels"]["com.docker.compose.service"]: each for each in json.loads(docker("inspect", *ids))
    }
