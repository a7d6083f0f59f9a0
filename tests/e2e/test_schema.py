"""schemathesis asks every operation of the one document, well and badly: no 5xx, no answer outside its schema."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import clean_environment

pytestmark = pytest.mark.e2e

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
EXAMPLES = 6
"""Drawn at random for each operation, on top of the document's own examples and the bounds of each field."""
SEED = 1


def test_every_answer_is_as_the_document_says(vernier: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
    options = {
        "--checks": ",".join(CHECKS),
        "--phases": "examples,coverage,fuzzing",
        "--max-examples": str(EXAMPLES),
        "--seed": str(SEED),
        "--request-timeout": "60",
        "--warnings": "off",
    }
    words = [word for pair in options.items() for word in pair]
    run = subprocess.run(
        [*command, "run", f"{vernier}/openapi.json", *words, "--generation-deterministic", "--no-color"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-5_000:]
    assert "generated" in run.stdout
