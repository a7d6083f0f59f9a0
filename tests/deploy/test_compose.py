"""What stands beside Vernier reaches the processes that there are."""

import shutil
import subprocess

import pytest
import yaml

from scripts.settings import MODULES
from tests.processes import ROOT

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OVERLAY = yaml.safe_load((ROOT / "deploy" / "observability.yml").read_text())["services"]
PROMETHEUS = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())


def test_every_process_is_scraped_where_it_listens() -> None:
    targets = {
        each["job_name"]: [target for group in each["static_configs"] for target in group["targets"]]
        for each in PROMETHEUS["scrape_configs"]
    }
    ports = {kind.process: kind.model_fields["port"].default for kind in MODULES.values()}
    assert targets == {process: [f"{process}:{port}"] for process, port in ports.items()}
    assert set(targets) <= COMPOSE.keys()


def test_every_process_sends_its_traces() -> None:
    for process in (kind.process for kind in MODULES.values()):
        assert OVERLAY[process]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://jaeger:4318"


def test_what_is_mounted_is_there() -> None:
    for service in OVERLAY.values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (ROOT / source).exists(), source


def test_nothing_is_published_beyond_loopback() -> None:
    published = [port for service in OVERLAY.values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_compose_itself_reads_both_files_as_one() -> None:
    tool = shutil.which("docker-compose")
    plugin = (
        shutil.which("docker") and not subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
    )
    if not tool and not plugin:
        pytest.skip("lacks docker compose")
    compose = ["docker", "compose"] if plugin else ["docker-compose"]
    files = ["-f", "docker-compose.yml", "-f", "deploy/observability.yml"]
    done = subprocess.run(
        [*compose, *files, "config", "--services"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == COMPOSE.keys() | OVERLAY.keys()
