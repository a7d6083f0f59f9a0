"""The dashboard and the alert rules speak of metrics and labels that exist."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import orjson
import promql_parser
import pytest
import yaml

from scripts.metrics_docs import families
from scripts.settings import MODULES
from tests.processes import ROOT

DEPLOY = ROOT / "deploy"
OF_THE_SCRAPE = {"job", "instance"}
OF_GRAFANA = {"$__rate_interval": "5m", "$job": "gateway", "$route": ".*"}
DASHBOARD: dict[str, Any] = orjson.loads((DEPLOY / "grafana" / "vernier.json").read_bytes())
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]


def shown() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for variable, value in OF_GRAFANA.items():
                expression = expression.replace(variable, value)
            yield panel["title"], expression


EXPRESSIONS = [*shown(), *((rule["alert"], rule["expr"]) for rule in RULES)]


@pytest.fixture(scope="session")
def known(scrapes: dict[str, str]) -> dict[str, set[str]]:
    """Labels by series' name, over all processes; `up` is Prometheus' own."""
    found: dict[str, set[str]] = {"up": set()}
    for name, family in families(scrapes).items():
        if family.kind == "histogram":
            found[f"{name}_bucket"] = family.labels | {"le"}
            found[f"{name}_sum"] = found[f"{name}_count"] = family.labels
        else:
            found[name] = family.labels
    return found


def selected(expression: promql_parser.Expr) -> Iterator[tuple[str, set[str]]]:
    """Each selector's metric and the labels that it matches on."""
    found: list[tuple[str, set[str]]] = []

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            assert node.name
            found.append((node.name, {matcher.name for matcher in node.matchers.matchers}))

    promql_parser.walk(expression, pre_visit=visit)
    yield from found


def grouped(expression: promql_parser.Expr) -> set[str]:
    """Labels that aggregations and joins name, `le` of histograms aside."""
    found: set[str] = set()

    def visit(node: Any) -> None:
        modifier = getattr(node, "modifier", None)
        for part in (modifier, getattr(modifier, "matching", None), getattr(modifier, "group_labels", None)):
            found.update(getattr(part, "labels", part if isinstance(part, list) else ()) or ())

    promql_parser.walk(expression, pre_visit=visit)
    return found


@pytest.mark.parametrize(("place", "expression"), EXPRESSIONS, ids=[place for place, _ in EXPRESSIONS])
def test_what_an_expression_asks_for_exists(place: str, expression: str, known: dict[str, set[str]]) -> None:
    parsed = promql_parser.parse(expression)
    asked = list(selected(parsed))
    assert asked
    offered: set[str] = set(OF_THE_SCRAPE)
    for metric, labels in asked:
        assert metric in known, f"{place}: no process has {metric}"
        assert labels <= known[metric] | OF_THE_SCRAPE, f"{place}: {metric} has no label {labels - known[metric]}"
        offered |= known[metric]
    assert grouped(parsed) <= offered, f"{place}: nothing here has {grouped(parsed) - offered}"


def test_expressions_that_ask_for_nothing_there_would_be_found() -> None:
    parsed = promql_parser.parse('sum by (le, made_up) (rate(some_bucket{wrong="x"}[5m])) / on (joined) other')
    assert list(selected(parsed)) == [("some_bucket", {"wrong"}), ("other", set())]
    assert grouped(parsed) == {"le", "made_up", "joined"}


def test_what_a_legend_names_is_there() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            kept = grouped(promql_parser.parse(re.sub(r"\$__rate_interval", "5m", target["expr"])))
            if kept:
                assert named <= kept | OF_THE_SCRAPE, panel["title"]


def test_every_metric_of_vernier_is_shown_or_alerts(known: dict[str, set[str]]) -> None:
    used = {metric for _, expression in EXPRESSIONS for metric, _ in selected(promql_parser.parse(expression))}
    bare = {re.sub(r"_(bucket|sum|count)$", "", metric) for metric in used}
    unused = {
        name
        for name in known
        if not name.startswith(("python_", "process_")) and re.sub(r"_(bucket|sum|count)$", "", name) not in bare
    }
    assert unused == set()


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule["alert"]
        assert len(rule["annotations"]["runbook"]) > 20
        assert rule["annotations"]["summary"]
        assert "for" in rule or "changes(" in rule["expr"], f"{rule['alert']} fires on a single scrape"


def test_runbooks_speak_of_what_there_is(known: dict[str, set[str]]) -> None:
    rooms = ("shared", "gateway", "services")
    source = "\n".join(path.read_text() for room in rooms for path in (ROOT / room).rglob("*.py"))
    fields = {name for kind in MODULES.values() for name in kind.model_fields}
    for rule in RULES:
        runbook = rule["annotations"]["runbook"]
        for said in re.findall(r"`([^`]+)`", runbook):
            assert f'"{said}"' in source or said in MODULES, f"{rule['alert']}: nothing says {said!r}"
        for metric in re.findall(r"\b(?:http_server|inference|cache|upstream|gateway|jobs?|process)_\w+", runbook):
            assert any(name.startswith(metric) for name in known), f"{rule['alert']}: there is no {metric}"
        for variable in re.findall(r"VERNIER_(\w+)", runbook):
            assert variable.lower() in fields, f"{rule['alert']}: there is no setting {variable}"


def test_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("lacks promtool: apt-get install prometheus brings it")
    return found


@pytest.mark.parametrize(
    "command",
    [["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]],
    ids=" ".join,
)
def test_prometheus_itself_agrees(promtool: str, command: list[str]) -> None:
    done = subprocess.run([promtool, *command], cwd=DEPLOY / "prometheus", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried_on_what_it_is_for() -> None:
    tried = yaml.safe_load((DEPLOY / "prometheus" / "alerts.test.yml").read_text())["tests"]
    assert {each["name"] for each in tried} == {rule["alert"] for rule in RULES}


def test_each_exposition_is_what_prometheus_reads(promtool: str, scrapes: dict[str, str]) -> None:
    for process, text in scrapes.items():
        done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
        complaints = [line for line in done.stderr.splitlines() if "python_gc" not in line and "process_" not in line]
        assert (process, complaints) == (process, [])
