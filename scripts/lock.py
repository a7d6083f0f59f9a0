"""Write constraints.txt: the exact version of every package that any dependency group brings (`make lock`).

pip resolves the groups `test` and `lint` together, which include all others, as if nothing were installed, and its
report is written down. Build-specific version suffixes (`2.13.0+cpu`) are left out: they name a build, not a version.
"""

import importlib.metadata
import json
import platform
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = """\
# Exact versions of everything that the groups of pyproject.toml bring, for Python 3.11.
# Written by `make lock` (scripts/lock.py): resolved on {system} {machine}. On another system a package
# may bring more (torch its CUDA libraries); what stands here holds there too.
"""


def resolve() -> list[str]:
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "-qq", "--report", "-"]
    report = subprocess.run(
        [*command, "--group", "test", "--group", "lint"], cwd=ROOT, check=True, stdout=subprocess.PIPE
    )
    found = (item["metadata"] for item in json.loads(report.stdout)["install"])
    pins = {normal(item["name"]): item["version"].partition("+")[0] for item in found}
    pins["pip"] = importlib.metadata.version("pip")
    return [f"{name}=={version}" for name, version in sorted(pins.items())]


def normal(name: str) -> str:
    """The name as PyPI spells it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    header = HEADER.format(system=platform.system(), machine=platform.machine())
    (ROOT / "constraints.txt").write_text(header + "\n".join(resolve()) + "\n")


if __name__ == "__main__":
    main()
