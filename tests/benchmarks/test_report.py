import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console

from benchmarks import report
from benchmarks.measure import Goal, Row, Rule
from benchmarks.plot import plot

NAN = float("nan")
TIME = {"cpu_us_per_answer": {"gateway": 51.0}, "layers": {"gateway": {"shared/edge": 0.25}, "noop": "no py-spy"}}
RATES = {"ours_per_s": 5.0, "reference_per_s": 9.0}
CURVES = {"latency_ms": {"calm": {"50": 1.0, "99": 4.0}, "refused": {}}}
HIT = Row("hotpath", "cache hit", 0.5, "ratio", "bare", Goal(0.65), 0.4, 0.6, True, RATES, profile=TIME)
FLOOD = Row("overload", "a sentence: accepted p99", 1.5, "ratio", "p99", Goal(2.0, True), stable=False, raw=CURVES)
ABSENT = Row("peers", "convnet", NAN, "ratio", "Other 1.0", missing="not installed")
ORDER = ["hotpath", "peers", "overload", "start"]


def made(*rows: Row) -> dict[str, object]:
    return report.result(rows, [], ORDER, Rule(), {"hotpath": 1.0})


def test_the_file_holds_every_figure_and_no_nan() -> None:
    text = json.dumps(made(FLOOD, HIT, ABSENT), allow_nan=False)
    rows = json.loads(text)["rows"]
    assert [each["part"] for each in rows] == ["hotpath", "peers", "overload"]
    assert [each["reached"] for each in rows] == [False, None, True]
    assert rows[1]["value"] is None
    assert rows[0]["profile"]["layers"]["gateway"] == {"shared/edge": 0.25}
    machine = json.loads(text)["machine"]
    assert machine["cores"] >= 1
    assert "onnxruntime" in machine["packages"]


def test_a_part_that_was_not_measured_anew_stays_and_says_of_when_it_is(tmp_path: Path) -> None:
    file = tmp_path / "latest.json"
    assert report.read(file, ["hotpath"]) == []
    file.write_text(json.dumps({**made(HIT, FLOOD), "measured": "2026-01-01"}))
    (kept,) = report.read(file, ["hotpath"])
    assert (kept["name"], kept["measured"]) == ("cache hit", "2026-01-01")
    file.write_text('{"results": []}')
    assert report.read(file, ["hotpath"]) == []


def test_what_fell_short_stands_in_the_table_with_where_the_time_goes() -> None:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(report.table(made(HIT, FLOOD, ABSENT)["rows"]))  # type: ignore[arg-type]
    text = console.export_text()
    console.file.close()
    assert "≥ 0.65 MISSED" in text
    assert "≤ 2 reached" in text
    assert "not installed" in text
    assert "gateway 51 µs" in text
    assert "shared/edge 25%" in text


def test_a_plot_is_drawn_and_the_same_for_the_same_figures(tmp_path: Path) -> None:
    result = made(HIT, FLOOD, ABSENT, replace(HIT, name="no goal", goal=None, low=NAN, high=NAN))
    pictures = []
    for name in ("a.svg", "b.svg"):
        plot(result, tmp_path / name)
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1]
    assert ElementTree.fromstring(pictures[0]).tag == "{http://www.w3.org/2000/svg}svg"
    plot(made(ABSENT), tmp_path / "empty.svg")
