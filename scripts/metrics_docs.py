"""Write METRICS.md from what a running Vernier says at /metrics: `make metrics`.

Where none answers it starts one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import httpx
from prometheus_client.parser import text_string_to_metric_families

from scripts.demo import vernier
from scripts.run import local_address
from scripts.settings import MODULES, ROOT

PAGE = ROOT / "METRICS.md"
HEAD = """\
# Metrics

Every process answers `GET /metrics`: Prometheus' text format, or OpenMetrics with exemplars (`trace_id`, of sampled
traces only) where `Accept` asks for `application/openmetrics-text`. This page is written by `make metrics` from what
the processes say.

Labels come from closed sets, so that no client can make series: `http_route` is a route's template or `unmatched`,
`http_request_method` a method of HTTP or `_OTHER`, `model` and `version` are those of the repository; what belongs to
no model has no label `model`. The other labels have the few values that the processes are built with. A histogram
`name` has the series `name_bucket` (with `le`), `name_sum` and `name_count`; a counter's name ends in `_total`. All
times are seconds.
"""
GROUPS = {
    "Requests": ("http_", "websocket_"),
    "Models and computations": ("inference_", "model_", "speed_"),
    "Cache": ("cache_", "text_vector_cache_"),
    "Gateway to services": ("upstream_", "gateway_"),
    "Jobs": ("job",),
    "Process": ("process_", "python_"),
}


@dataclass
class Family:
    kind: str
    what: str
    labels: set[str] = field(default_factory=set)
    processes: list[str] = field(default_factory=list)


def families(scrapes: Mapping[str, str]) -> dict[str, Family]:
    """By name, out of each process's exposition."""
    found: dict[str, Family] = {}
    for process, text in scrapes.items():
        for each in text_string_to_metric_families(text):
            name = f"{each.name}_total" if each.type == "counter" else each.name
            what, _, labels = each.documentation.partition("; by ")
            family = found.setdefault(name, Family(each.type, what, {label for label in labels.split(", ") if label}))
            family.processes.append(process)
            family.labels.update(label for sample in each.samples for label in sample.labels if label != "le")
    return found


def page(scrapes: Mapping[str, str]) -> str:
    found = families(scrapes)
    parts = [HEAD]
    for title, prefixes in GROUPS.items():
        rows = [row(name, each, len(scrapes)) for name, each in sorted(found.items()) if name.startswith(prefixes)]
        parts += [f"## {title}\n", "| metric | type | labels | processes | what |", "|---|---|---|---|---|", *rows, ""]
    if strays := [name for name in found if not name.startswith(tuple(each for p in GROUPS.values() for each in p))]:
        raise ValueError(f"these metrics belong to no group: {', '.join(strays)}")
    return "\n".join(parts)


def row(name: str, family: Family, processes: int) -> str:
    where = "all" if len(family.processes) == processes else ", ".join(sorted(family.processes))
    labels = ", ".join(f"`{label}`" for label in sorted(family.labels)) or "none"
    return f"| `{name}` | {family.kind} | {labels} | {where} | {' '.join(family.what.split())} |"


def running() -> Iterator[tuple[str, str]]:
    """Name and address of each process, by the settings of this environment."""
    for module, kind in MODULES.items():
        yield module.rpartition(".")[2], local_address(kind())


def main() -> None:
    with vernier():
        scrapes = {name: httpx.get(f"{address}/metrics").text for name, address in running()}
    PAGE.write_text(page(scrapes))


if __name__ == "__main__":
    main()
