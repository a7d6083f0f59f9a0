"""The table and the file that a run leaves behind."""

import json
import math
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.measure import Row, Rule
from benchmarks.servers import CORES

PACKAGES = (
    "uvicorn",
    "uvloop",
    "httptools",
    "fastapi",
    "aiohttp",
    "redis",
    "onnxruntime",
    "numpy",
    "opencv-python-headless",
)


def line(row: Row) -> str:
    """While it is measured."""
    return f"{row.part:9} {row.name}: {value_of(entry(row))} {goal_of(entry(row))} {row.against}"


def table(rows: Sequence[dict[str, Any]]) -> Table:
    shown = Table(title="Vernier, measured on this machine in one run")
    for name in ("part", "what", "value", "goal", "windows", "Vernier", "reference", "measured against"):
        left = name in ("part", "what", "measured against")
        shown.add_column(name, justify="left" if left else "right", overflow="fold")
    part = ""
    for each in rows:
        if each["part"] != part:
            shown.add_section()
            part = each["part"]
        raw = each["raw"]
        low, high = each["low"], each["high"]
        spread = "" if low is None else f"{figure(low)}–{figure(high)}"
        spread += " ~" if each["stable"] is False else ""
        against = "; ".join(text for text in (each["against"], each["note"], each["missing"]) if text)
        pair = rate_of(raw, "ours"), rate_of(raw, "reference")
        shown.add_row(each["part"], each["name"], value_of(each), goal_of(each), spread, *pair, against)
    short = [each for each in rows if each["reached"] is False]
    shown.caption = "~ the windows did not agree." + "".join(map(explanation, short))
    shown.caption_justify = "left"
    return shown


def value_of(each: dict[str, Any]) -> str:
    return (
        "–"
        if each["value"] is None
        else f"{figure(each['value'])}{'' if each['unit'] == 'ratio' else ' ' + each['unit']}"
    )


def goal_of(each: dict[str, Any]) -> str:
    if each["goal"] is None:
        return ""
    sign = "≤" if each["goal"]["at_most"] else "≥"
    reached = {True: "reached", False: "MISSED", None: "not run"}[each["reached"]]
    return f"{sign} {each['goal']['value']:g} {reached}"


def rate_of(raw: dict[str, Any], whose: str) -> str:
    """A rate, else a median latency."""
    if f"{whose}_per_s" in raw:
        return f"{figure(raw[f'{whose}_per_s'])}/s"
    return f"{figure(raw[f'{whose}_p50_ms'])} ms" if f"{whose}_p50_ms" in raw else ""


def figure(value: float) -> str:
    """Three significant digits at least."""
    if value != value or math.isinf(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def explanation(each: dict[str, Any]) -> str:
    """Where the time of what fell short goes."""
    spent = each["profile"].get("cpu_us_per_answer", {})
    parts = [f"{name} {cpu:,.0f} µs" for name, cpu in sorted(spent.items(), key=lambda item: -item[1])]
    layers = [
        f"{server} in " + ", ".join(f"{name} {share:.0%}" for name, share in list(shares.items())[:5])
        if isinstance(shares, dict)
        else f"{server}: {shares}"
        for server, shares in each["profile"].get("layers", {}).items()
    ]
    found = [*([f"CPU per answer: {', '.join(parts)}"] if parts else []), *layers]
    return f"\n{each['name']} ({each['against']}) fell short. {'; '.join(found) or 'Not profiled'}."


def result(
    measured: Sequence[Row], kept: Sequence[dict[str, Any]], order: Sequence[str], rule: Rule, took: dict[str, float]
) -> dict[str, Any]:
    rows = [*kept, *map(entry, measured)]
    return {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "windows": {"seconds": rule.seconds, "at_most": rule.at_most, "within": rule.within},
        "took_s": took,
        "rows": sorted(rows, key=lambda each: order.index(each["part"])),
    }


def entry(row: Row) -> dict[str, Any]:
    """As JSON has it: no NaN, and whether the goal was reached."""
    plain: dict[str, Any] = rounded({**asdict(row), "reached": row.reached})
    return plain


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, float):
        return None if math.isnan(value) or math.isinf(value) else float(f"{value:.5g}")
    return value


def read(path: Path, parts: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of these parts from an earlier run, each saying when that was."""
    try:
        earlier = json.loads(path.read_text())
        rows = [each for each in earlier["rows"] if each["part"] in parts]
    except (OSError, ValueError, KeyError):
        return []
    return [{"measured": earlier["measured"], **each} for each in rows]


def machine() -> dict[str, Any]:
    return {
        "cores": len(CORES),
        "processor": processor(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "load_average_at_the_end": os.getloadavg()[0],
    }


def processor() -> str:
    for text in Path("/proc/cpuinfo").read_text().splitlines():
        if text.startswith("model name"):
            return text.partition(":")[2].strip()
    return platform.processor()
