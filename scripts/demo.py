"""Measure the speed in a video and show it: `make demo FILE=clip.mp4`.

Asks the Vernier at VERNIER_URL (default: the gateway's own address), and starts one for the duration where none
answers. Without a file it renders a clip, whose true speeds then stand beside the readings.
"""

import itertools
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from gateway.settings import GatewaySettings
from scripts.clip import CAMERA, render
from scripts.crew import POLL_S, is_ready
from scripts.run import local_address
from scripts.settings import ROOT

console = Console()


def main(
    file: Annotated[Path | None, typer.Argument(exists=True, dir_okay=False)] = None,
    camera: Annotated[str | None, typer.Option(help="a preset: what the camera is, and how it sits")] = None,
    rows: Annotated[int, typer.Option(min=2, help="rows of the table, at most")] = 20,
    seconds: Annotated[float, typer.Option(min=1, max=120, help="length of a rendered clip")] = 12.0,
    seed: Annotated[int, typer.Option(help="of a rendered clip")] = 1,
) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and with it what was started
    with tempfile.TemporaryDirectory() as scratch, vernier() as address:
        truth = None
        if file is None:
            file, camera = Path(scratch) / "rendered.mp4", camera or CAMERA
            with console.status(f"rendering {seconds:g} s of road ..."):
                truth = render(file, seconds, seed, camera)
        show(measure(address, file, camera), truth, file.name, rows)


@contextmanager
def vernier() -> Iterator[str]:
    """Address of a Vernier that is ready: the one that answers, else one started here and stopped afterwards."""
    address = os.environ.get("VERNIER_URL", local_address(GatewaySettings())).rstrip("/")
    if is_ready(f"{address}/readyz"):
        yield address
        return
    if "VERNIER_URL" in os.environ:
        raise SystemExit(f"No Vernier is ready at {address} (VERNIER_URL)")
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([sys.executable, "-m", "scripts.run"], cwd=ROOT, stdout=log, stderr=log)
        try:
            with console.status("starting Vernier, since none answers ..."):
                while not is_ready(f"{address}/readyz"):
                    if process.poll() is not None:
                        log.seek(0)
                        raise SystemExit(log.read())
                    time.sleep(POLL_S)
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def measure(address: str, file: Path, camera: str | None) -> dict[str, Any]:
    """The answer of POST /v1/speed/video, and of this exchange `seconds` and `cache`."""
    start = time.monotonic()
    with file.open("rb") as body, console.status(f"measuring {file.name} ..."):
        answer = httpx.post(
            f"{address}/v1/speed/video",
            params={"camera": camera} if camera else {},
            files={"file": (file.name, body, "application/octet-stream")},
            headers={"Accept": "application/json"},
            timeout=None,
        )
    if answer.is_error:
        problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        raise SystemExit(f"{answer.status_code}: {problem.get('detail', answer.text)}")
    reading: dict[str, Any] = answer.json()
    return {**reading, "seconds": time.monotonic() - start, "cache": answer.headers.get("x-cache-status", "")}


def show(reading: dict[str, Any], truth: Sequence[float] | None, name: str, rows: int) -> None:
    model = reading["model"]
    table = Table(title=f"{name}, read by {model['name']} {model['version']}")
    columns = ["time (s)", "speed (m/s)", "± sd", "km/h", *(["truth (m/s)", "error"] if truth else [])]
    for column in columns:
        table.add_column(column, justify="right")
    for i in spread(reading["frames"], rows):
        speed, sd = reading["speed_mps"][i], reading["sd_mps"][i]
        cells = [reading["time_s"][i], speed, sd, None if speed is None else speed * 3.6]
        if truth:
            cells += [truth[i], None if speed is None else speed - truth[i]]
        table.add_row(*("-" if cell is None else f"{cell:.2f}" for cell in cells))
    console.print(table)
    for line in summary(reading, truth):
        console.print(line)


def spread(count: int, most: int) -> list[int]:
    """At most `most` of the indices 0..count-1, evenly spread, the first and the last among them."""
    shown = min(count, most)
    return [round(i * (count - 1) / max(1, shown - 1)) for i in range(shown)]


def summary(reading: dict[str, Any], truth: Sequence[float] | None) -> Iterator[str]:
    time_s, speed = reading["time_s"], reading["speed_mps"]
    read = [(t, v) for t, v in zip(time_s, speed, strict=True) if v is not None]
    if read:
        metres = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in itertools.pairwise(read))
        mean = sum(v for _, v in read) / len(read)
        yield f"mean {mean:.2f} m/s ({mean * 3.6:.1f} km/h), {metres:.0f} m in {time_s[-1] - time_s[0]:.1f} s"
    if truth:
        errors = [v - t for v, t in zip(speed, truth, strict=True) if v is not None]
        rmse = math.sqrt(sum(error**2 for error in errors) / len(errors))
        yield f"against the truth: root mean square error {rmse:.3f} m/s, bias {sum(errors) / len(errors):+.3f} m/s"
    frames, seconds = reading["frames"], reading["seconds"]
    yield f"{frames} frames in {seconds:.2f} s ({frames / seconds:.0f} a second), cache: {reading['cache'] or 'none'}"
    yield from (f"[yellow]warning:[/yellow] {warning}" for warning in reading.get("warnings", []))


if __name__ == "__main__":
    typer.run(main)
