"""`python -m benchmarks`: measures, prints a table, writes benchmarks/latest.json and benchmarks/latest.svg."""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import report
from benchmarks.checks import WrongAnswer
from benchmarks.measure import Row, Rule
from benchmarks.parts import (
    calls,
    hotpath,
    kalman,
    once,
    overload,
    peers,
    start,
    streams,
    tables,
    transcript,
    trend,
    vectors,
)
from benchmarks.plot import plot
from benchmarks.proc import end_descendants
from benchmarks.servers import ROOT

WRONG = "a wrong answer"
LATEST = ROOT / "benchmarks" / "latest.json"
PARTS: dict[str, Callable[[Path, Rule], Iterator[Row]]] = {
    "hotpath": hotpath.rows,
    "once": once.rows,
    "calls": calls.rows,
    "vectors": vectors.rows,
    "transcript": transcript.rows,
    "streams": streams.rows,
    "trend": trend.rows,
    "tables": tables.rows,
    "peers": peers.rows,
    "overload": overload.rows,
    "start": start.rows,
    "kalman": kalman.rows,
}


def main(
    only: Annotated[str, typer.Option(help=f"Parts to measure, with commas: {', '.join(PARTS)}; all when empty")] = "",
    rounds: Annotated[int, typer.Option(help="Windows at most; fewer when the last three agree")] = 4,
    seconds: Annotated[float, typer.Option(help="Length of a window")] = 2.0,
    within: Annotated[
        float, typer.Option(help="Agreement: largest distance of a window from the mean of three")
    ] = 0.05,
    quick: Annotated[bool, typer.Option(help="Short windows, three at most: to see that it works")] = False,
    output: Annotated[Path, typer.Option(help="Where the figures go; the plot goes beside it")] = LATEST,
) -> None:
    """Every figure stands beside its reference, measured in turn with it in this run. With --only, what the file holds
    of other parts stays."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and with it what was started
    console = Console(stderr=True)
    chosen = [part.strip() for part in only.split(",") if part.strip()] or list(PARTS)
    if unknown := [part for part in chosen if part not in PARTS]:
        raise typer.BadParameter(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}", param_hint="--only")
    rule = Rule(min(seconds, 1.0), 3, within) if quick else Rule(seconds, rounds, within)
    kept = report.read(output, [part for part in PARTS if part not in chosen])
    measured, took = measure(chosen, rule, lambda row: console.print(report.line(row), highlight=False))
    result = report.result(measured, kept, list(PARTS), rule, took)
    output.write_text(json.dumps(result, indent=1) + "\n")
    plot(result, output.with_suffix(".svg"))
    Console(width=max(150, os.get_terminal_size().columns if os.isatty(1) else 0)).print(report.table(result["rows"]))
    if wrong := [row.missing for row in measured if row.name == WRONG]:
        raise SystemExit("\n".join(wrong))


def measure(parts: Sequence[str], rule: Rule, tell: Callable[[Row], None]) -> tuple[list[Row], dict[str, float]]:
    """All rows, and how long each part took, in seconds."""
    rows: list[Row] = []
    took: dict[str, float] = {}
    try:
        with tempfile.TemporaryDirectory() as name:
            for part in parts:
                began = time.monotonic()
                for row in complete(part, Path(name), rule):
                    rows.append(row)
                    tell(row)
                took[part] = round(time.monotonic() - began, 1)
    finally:
        end_descendants()
    return rows, took


def complete(part: str, folder: Path, rule: Rule) -> Iterator[Row]:
    """The part's rows. A wrong answer ends the part and stands in its place; it fails the whole run."""
    try:
        yield from PARTS[part](folder, rule)
    except WrongAnswer as error:
        yield Row(part, WRONG, float("nan"), "", "", missing=str(error))


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(main)

if __name__ == "__main__":
    app()
