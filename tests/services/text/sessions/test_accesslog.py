"""Access logs to visits."""

from pathlib import Path

import pytest

from services.text.sessions.accesslog import visits
from shared.errors import Malformed, Unprocessable

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:27.0) Gecko/20100101 Firefox/27.0"


def line(
    path: str = "/a",
    minute: int = 0,
    host: str = "192.0.2.1",
    agent: str = FIREFOX,
    status: int = 200,
    zone: str = "+0000",
) -> str:
    when = f"17/May/2015:{10 + minute // 60:02}:{minute % 60:02}:00 {zone}"
    return f'{host} - - [{when}] "GET {path} HTTP/1.1" {status} 512 "-" "{agent}"'


def found(*lines: str) -> list[list[str]]:
    return visits("\n".join(lines)).sessions


def test_a_gap_of_more_than_half_an_hour_begins_a_visit() -> None:
    assert found(line("/a"), line("/b", 30), line("/c", 61)) == [["/a", "/b"], ["/c"]]


def test_a_visitor_is_an_address_with_a_browser() -> None:
    other = line("/b", 1, host="192.0.2.2"), line("/c", 2, agent=FIREFOX + " other")
    assert found(line("/a"), *other, line("/d", 3)) == [["/a", "/d"], ["/b"], ["/c"]]


def test_lines_out_of_order_and_of_other_time_zones() -> None:
    assert found(line("/b", 5), line("/a", 0), line("/c", 127, zone="+0200")) == [["/a", "/b", "/c"]]


def test_what_is_no_page_that_a_person_read_is_counted_and_left_out() -> None:
    log = [
        line("/a?utm_source=x#y"),
        line("/style.css"),
        line("/logo.PNG?v=2"),
        line("/b", agent="Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
        line("/feed", agent="UniversalFeedParser/4.2 +http://feedparser.org/"),
        line("/c", agent="-"),
        line("/gone", status=404),
        line("/old", status=301),
        line("/robots.txt", host="192.0.2.9"),
        line("/d", host="192.0.2.9"),
        line("/d", 1).replace("GET", "POST"),
        line("/a", 2),
        line("/e", 3, status=304),
        "",
    ]
    made = visits("\n".join(log))
    assert made.sessions == [["/a", "/e"]]
    assert (made.lines, made.assets, made.robots, made.unserved, made.strange) == (13, 3, 4, 3, 0)


def test_the_common_format_has_no_browser() -> None:
    common = '192.0.2.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb HTTP/1.0" 200 2326'
    assert found(common) == [["/apache_pb"]]


def test_a_few_strange_lines_are_said() -> None:
    made = visits("\n".join([line(), "what is this", line("/b", 1), line("/c", 2).replace("May", "Mai")]))
    assert made.sessions == [["/a", "/b"]]
    assert made.strange == 2
    assert made.warnings == ["2 lines are no access log's and were left out, the first is 2"]


@pytest.mark.parametrize("log", ["", "\n \n", "a,b\n1,2\n", "x" * 100_000, '{"sessions": []}'])
def test_another_format(log: str) -> None:
    with pytest.raises(Malformed, match="common"):
        visits(log)


def test_nobody_read_anything() -> None:
    with pytest.raises(Unprocessable, match="no visit"):
        visits(line("/style.css"))


def test_a_line_that_quotes_and_escapes_takes_no_longer_than_its_length() -> None:
    evil = '192.0.2.1 - - [17/May/2015:10:00:00 +0000] "' + '\\"' * 8_000
    assert visits("\n".join([evil, line(), line("/b", 1)])).strange == 1


def test_a_real_log(data: Path) -> None:
    made = visits((data / "text" / "apache_logs").read_text())
    assert made.lines == 10_000
    assert made.strange == 0
    pages = sum(map(len, made.sessions))
    assert made.lines - made.assets - made.robots - made.unserved >= pages > 1_000
    assert not [page for visit in made.sessions for page in visit if page.endswith((".png", ".css")) or "?" in page]
