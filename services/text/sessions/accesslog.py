"""An Apache access log, common or combined, split into visits.

A visit is what one address with one browser asked for with no gap of more than half an hour (the usual definition,
Catledge and Pitkow 1995). Pages count; what a page brings with it does not, nor what robots and feed readers fetch.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from shared.errors import Malformed, Unprocessable

GAP_S = 30 * 60
MOST_STRANGE = 0.5
"""A log of which more than this share of lines cannot be read is another format."""
_EACH = 10_000
_LONGEST = 16_384

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_LINE = re.compile(
    rf"(\S+) \S+ .{{0,256}}?\[([^\]]{{1,64}})\] {_QUOTED} (\d{{3}}|-) (?:\d+|-)(?: {_QUOTED} {_QUOTED})?"
)
_TIME = "%d/%b/%Y:%H:%M:%S %z"
_ASSET = re.compile(
    r"\.(?:css|js|mjs|map|json|xml|ico|png|jpe?g|gif|svg|webp|avif|bmp|xslt?|woff2?|ttf|eot|otf|mp[34]|webm|ogg|wav|swf|txt|rss|atom)$",
    re.IGNORECASE,
)
_ROBOT = re.compile(
    r"bot\b|bot/|crawl|spider|slurp|feed|\brss|fetch|monitor|archiver|preview|validator|scan|check|index"
    r"|curl|wget|python|java/|perl|ruby|libwww|go-http|okhttp|httpclient|headless|phantom|^-?$",
    re.IGNORECASE,
)
_SERVED = frozenset({"200", "206", "304"})


@dataclass(frozen=True, slots=True)
class Visits:
    """`sessions`: the paths of each visit in order, without query strings, a repeat of the same page counted once.
    `strange` lines could not be read; the others were pages, or `assets`, `robots`' requests and `unserved` ones
    (other methods, refusals, redirects)."""

    sessions: list[list[str]]
    lines: int
    strange: int = 0
    assets: int = 0
    robots: int = 0
    unserved: int = 0
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Hit:
    visitor: tuple[str, str]
    time_s: float
    path: str


def visits(log: str, *, gap_s: float = GAP_S, check: Callable[[], None] = lambda: None) -> Visits:
    """Raises Malformed for what is no access log and Unprocessable for one without a page that a person read."""
    counts = dict.fromkeys(("lines", "strange", "assets", "robots", "unserved"), 0)
    hits: list[_Hit] = []
    crawlers: set[tuple[str, str]] = set()
    first_strange = 0
    for number, line in enumerate(log.splitlines(), 1):
        if number % _EACH == 0:
            check()
        if not line.strip():
            continue
        counts["lines"] += 1
        found = _read(line, crawlers)
        if isinstance(found, _Hit):
            hits.append(found)
            continue
        counts[found] += 1
        first_strange = first_strange or (number if found == "strange" else 0)
    _check(counts, first_strange)
    people = [hit for hit in hits if hit.visitor not in crawlers]
    counts["robots"] += len(hits) - len(people)
    sessions = list(_split(people, gap_s))
    if not sessions:
        raise Unprocessable("the log has no visit: every request in it is an asset's, a robot's or was not served")
    warnings = []
    if counts["strange"]:
        warnings.append(
            f"{counts['strange']:,} lines are no access log's and were left out, the first is {first_strange}"
        )
    return Visits(sessions, **counts, warnings=warnings)


def _read(line: str, crawlers: set[tuple[str, str]]) -> _Hit | str:
    """A page that was served, or the name of what else the line is."""
    match = _LINE.match(line) if len(line) <= _LONGEST else None
    if match is None:
        return "strange"
    host, when, request, status, _, agent = match.groups()
    try:
        time_s = datetime.strptime(when, _TIME).timestamp()
    except ValueError:
        return "strange"
    agent = agent or ""
    visitor = (host, agent)
    parts = request.split(" ")
    path = parts[1].partition("?")[0].partition("#")[0] if len(parts) > 1 else ""
    if path == "/robots.txt":
        crawlers.add(visitor)
    if match.group(6) is not None and _ROBOT.search(agent):
        return "robots"
    if parts[0] != "GET" or status not in _SERVED or not path.startswith("/"):
        return "unserved"
    return "assets" if _ASSET.search(path) else _Hit(visitor, time_s, path)


def _check(counts: dict[str, int], first_strange: int) -> None:
    if not counts["lines"]:
        raise Malformed("the log is empty; send lines in Apache's common or combined log format")
    if counts["strange"] > MOST_STRANGE * counts["lines"]:
        raise Malformed(
            f"line {first_strange} and {counts['strange'] - 1:,} of {counts['lines']:,} more are not in Apache's"
            ' common or combined log format: HOST - USER [17/May/2015:10:05:03 +0000] "GET /page HTTP/1.1" 200 1234'
        )


def _split(hits: list[_Hit], gap_s: float) -> Iterator[list[str]]:
    """Visits in the order of their first request."""
    last: dict[tuple[str, str], tuple[float, list[str]]] = {}
    sessions: list[list[str]] = []
    for hit in sorted(hits, key=lambda hit: hit.time_s):
        seen_s, pages = last.get(hit.visitor, (float("-inf"), []))
        if hit.time_s - seen_s > gap_s:
            pages = []
            sessions.append(pages)
        if not pages or pages[-1] != hit.path:
            pages.append(hit.path)
        last[hit.visitor] = hit.time_s, pages
    yield from sessions
