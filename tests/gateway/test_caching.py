"""Kept answers: what counts as the same request, who computes, and what is never kept."""

import asyncio
import hashlib
import os
import re
import signal
from functools import partial
from pathlib import Path

import httpx
import pytest

from gateway.conditional import entity_tag
from tests.gateway.conftest import gateway_before
from tests.gateway.upstream import Upstream
from tests.polling import until
from tests.processes import running_redis
from tests.sockets import connect


def status(answer: httpx.Response) -> str:
    return str(answer.headers["x-cache-status"])


def fresh() -> bytes:
    """A body that no other test has sent."""
    return os.urandom(16).hex().encode()


def metric(gateway: str, line: str) -> float:
    for each in httpx.get(f"{gateway}/metrics").text.splitlines():
        if each.startswith(line + " "):
            return float(each.rpartition(" ")[2])
    return 0.0


def test_a_second_request_is_answered_from_the_cache(gateway: str, upstream: Upstream) -> None:
    body = fresh()
    first, second = (httpx.post(f"{gateway}/pure", content=body) for _ in range(2))
    assert (status(first), status(second)) == ("MISS", "HIT")
    assert first.content == second.content
    assert second.headers["content-type"] == "application/json"
    assert int(second.headers["age"]) >= 0
    assert "age" not in first.headers
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    assert "cache;dur=" in second.headers["server-timing"]
    assert upstream.asked["/pure"] == 1


@pytest.mark.parametrize("query", ["do=it", "a=1&do=it", "%64o=it"])
def test_what_a_request_does_is_done_each_time(gateway: str, upstream: Upstream, query: str) -> None:
    body, before = fresh(), upstream.asked["/effect"]
    answers = [httpx.post(f"{gateway}/effect?{query}", content=body) for _ in range(3)]
    assert [status(each) for each in answers] == ["BYPASS"] * 3
    assert upstream.asked["/effect"] == before + 3
    idle = [httpx.post(f"{gateway}/effect?a=1", content=body) for _ in range(2)]
    assert [status(each) for each in idle] == ["MISS", "HIT"]


def test_hits_are_counted(gateway: str) -> None:
    body = fresh()
    before = metric(gateway, 'cache_requests_total{result="hit"}')
    for _ in range(3):
        httpx.post(f"{gateway}/pure", content=body)
    assert metric(gateway, 'cache_requests_total{result="hit"}') == before + 2
    assert metric(gateway, "cache_bytes") > 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"content": b"1"}, {"content": b"2"}),
        ({"params": {"a": "1"}}, {"params": {"a": "2"}}),
        ({"params": [("a", "1"), ("a", "2")]}, {"params": [("a", "2"), ("a", "1")]}),
        ({"headers": {"Accept": "text/csv"}}, {"headers": {"Accept": "application/json"}}),
        ({"headers": {"Content-Type": "text/csv"}}, {"headers": {"Content-Type": "text/plain"}}),
        ({"headers": {"X-Unit": "mps"}}, {"headers": {"X-Unit": "kph"}}),
        (
            {"headers": {"Inference-Header-Content-Length": "1"}, "content": b"ab"},
            {"headers": {"Inference-Header-Content-Length": "2"}, "content": b"ab"},
        ),
    ],
)
def test_what_may_change_the_answer_is_in_the_key(gateway: str, one: dict, other: dict) -> None:  # type: ignore[type-arg]
    salt = {"salt": os.urandom(8).hex()}
    for request in (one, other):
        request = {**request, "params": [*httpx.QueryParams(request.get("params")).multi_items(), *salt.items()]}
        assert status(httpx.post(f"{gateway}/pure", **request)) == "MISS"


def test_what_cannot_change_the_answer_is_not_in_the_key(gateway: str) -> None:
    body = fresh()
    assert status(httpx.post(f"{gateway}/pure?a=1&b=2", content=body, headers={"User-Agent": "x"})) == "MISS"
    other = {"User-Agent": "y", "X-Request-ID": "other", "Accept-Encoding": "gzip", "Authorization": "Bearer k"}
    assert status(httpx.post(f"{gateway}/pure?b=2&a=1", content=body, headers=other)) == "HIT"


def test_equal_forms_hit_whatever_their_boundary(gateway: str) -> None:
    frame = os.urandom(100_000)
    answers = [
        httpx.post(
            f"{gateway}/pure",
            files={"frames": ("a.jpg", frame, "image/jpeg")},
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
        )
        for boundary in ("one-boundary", "another")
    ]
    assert [status(each) for each in answers] == ["MISS", "HIT"]
    other = httpx.post(f"{gateway}/pure", files={"frames": ("a.jpg", frame[:-1], "image/jpeg")})
    assert status(other) == "MISS"


def test_no_cache_computes_anew_and_stores(gateway: str, upstream: Upstream) -> None:
    body = fresh()
    control = {"Cache-Control": "no-cache"}
    answers = [httpx.post(f"{gateway}/pure", content=body, headers=headers) for headers in ({}, control, {})]
    assert [status(each) for each in answers] == ["MISS", "MISS", "HIT"]
    assert upstream.asked["/pure"] == 2


def test_no_store_leaves_nothing_behind(gateway: str) -> None:
    body = fresh()
    answers = [
        httpx.post(f"{gateway}/pure", content=body, headers=headers) for headers in ({"Cache-Control": "no-store"}, {})
    ]
    assert [status(each) for each in answers] == ["BYPASS", "MISS"]


@pytest.mark.parametrize("headers", [{"Prefer": "respond-async"}, {"Range": "bytes=0-1"}])
def test_requests_for_something_else_pass_by(gateway: str, headers: dict[str, str]) -> None:
    body = fresh()
    answers = [httpx.post(f"{gateway}/pure", content=body, headers=headers) for _ in range(2)]
    assert [status(each) for each in answers] == ["BYPASS", "BYPASS"]


def test_only_what_is_marked_is_kept(gateway: str) -> None:
    for _ in range(2):
        assert "x-cache-status" not in httpx.post(f"{gateway}/echo").headers


@pytest.mark.parametrize("code", [201, 400, 422, 500, 503])
def test_other_answers_than_200_are_passed_on_and_not_kept(gateway: str, code: int) -> None:
    body = fresh()
    for _ in range(2):
        answer = httpx.post(f"{gateway}/status/{code}", content=body)
        assert (answer.status_code, status(answer)) == (code, "MISS")
        assert answer.json() == {"body": body.decode()}


def test_private_answers_are_not_kept(gateway: str) -> None:
    body = fresh()
    assert [status(httpx.post(f"{gateway}/private", content=body)) for _ in range(2)] == ["MISS", "MISS"]


@pytest.mark.parametrize("size", [200_000, 400_000])
def test_answers_above_the_limit_stream_through(gateway: str, size: int) -> None:
    """The limit is 300,000 bytes; the answer comes in chunks, so that its size shows only as it is read."""
    body = fresh()
    answers = [httpx.post(f"{gateway}/large?{size}", content=body) for _ in range(2)]
    assert [status(each) for each in answers] == (["MISS", "HIT"] if size < 300_000 else ["BYPASS", "BYPASS"])
    for answer in answers:
        assert answer.content == (bytes(range(256)) * 2000)[:size]


def test_a_kept_answer_is_tagged_and_who_has_it_is_told_so(gateway: str, upstream: Upstream) -> None:
    body = fresh()
    first, second = (httpx.post(f"{gateway}/pure", content=body) for _ in range(2))
    tag = first.headers["etag"]
    assert re.fullmatch('"[0-9a-f]{32}"', tag)
    assert second.headers["etag"] == tag
    for listed in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = httpx.post(f"{gateway}/pure", content=body, headers={"If-None-Match": listed})
        assert (answer.status_code, answer.content, status(answer)) == (304, b"", "HIT")
        assert answer.headers["etag"] == tag
        assert int(answer.headers["age"]) >= 0
        assert not {"content-length", "content-type", "transfer-encoding"} & answer.headers.keys()
    for listed in ('"other"', tag.strip('"'), f'"{tag}"'):
        answer = httpx.post(f"{gateway}/pure", content=body, headers={"If-None-Match": listed})
        assert (answer.status_code, answer.content) == (200, first.content)
    assert upstream.asked["/pure"] == 1


def test_an_answer_just_computed_may_be_one_that_the_client_has(gateway: str) -> None:
    body = fresh()
    tag = httpx.post(f"{gateway}/pure", content=body).headers["etag"]
    headers = {"If-None-Match": tag, "Cache-Control": "no-cache"}
    answer = httpx.post(f"{gateway}/pure", content=body, headers=headers)
    assert (answer.status_code, status(answer), answer.headers["etag"]) == (304, "MISS", tag)
    assert httpx.post(f"{gateway}/pure", content=body).status_code == 200


def test_tags_listed_in_several_fields_are_one_list(gateway: str) -> None:
    body = fresh()
    tag = httpx.post(f"{gateway}/pure", content=body).headers["etag"]
    lines = b"".join(b"If-None-Match: %b\r\n" % each for each in (b'"x"', tag.encode(), b'"y"'))
    head = b"POST /pure HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nContent-Length: %d\r\n%b\r\n" % (len(body), lines)
    with connect(gateway) as sock:
        sock.sendall(head + body)
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 304 ")


@pytest.mark.parametrize("path", ["/status/422", "/echo"])
def test_only_what_is_fine_and_pure_is_tagged(gateway: str, path: str) -> None:
    answer = httpx.post(f"{gateway}{path}", content=fresh(), headers={"If-None-Match": "*"})
    assert answer.status_code in {200, 422}
    assert "etag" not in answer.headers


def test_another_representation_has_another_tag() -> None:
    one, other = ([(b"content-type", each)] for each in (b"text/csv", b"application/json"))
    assert len({entity_tag(one, b"1"), entity_tag(other, b"1"), entity_tag(one, b"2")}) == 3


def test_what_depends_on_accept_says_so(gateway: str) -> None:
    body = fresh()
    answers = [httpx.post(f"{gateway}/either", content=body) for _ in range(2)]
    assert [(status(each), each.headers["vary"]) for each in answers] == [("MISS", "accept"), ("HIT", "accept")]
    assert "vary" not in httpx.post(f"{gateway}/pure", content=body).headers


def test_an_answer_at_once_is_logged_measured_and_traced_like_any_other(upstream: Upstream) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    body = fresh()
    with gateway_before({"stats": upstream.url}) as process, httpx.Client(base_url=process.address) as client:
        client.post("/pure?q=1", content=body)
        sent = {"X-Request-ID": 'quo"te', "traceparent": trace, "X-Request-Timeout-Ms": "5000"}
        answer = client.post("/pure?q=1", content=body, headers=sent)
        assert (status(answer), answer.headers["x-request-id"]) == ("HIT", 'quo"te')
        assert re.fullmatch(r"cache;dur=\d+\.\d{3}", answer.headers["server-timing"])
        assert answer.headers["vernier-identity"] == client.get("/readyz").json()["identity"]
        bad = client.post("/pure?q=1", content=body, headers={"X-Request-Timeout-Ms": "soon"})
        assert bad.status_code == 400
        line = process.await_line("request")
        while line["request_id"] != 'quo"te':
            line = process.await_line("request")
        assert (line["method"], line["path"], line["status"]) == ("POST", "/pure", 200)
        assert line["trace_id"] == trace[3:35]
        assert line["ms"] >= 0
        assert line["cache"] >= 0
        labels = 'http_request_method="POST",http_response_status_code="200",http_route="/pure"'
        assert metric(process.address, f"http_server_request_duration_seconds_count{{{labels}}}") == 2
        assert metric(process.address, 'cache_requests_total{result="hit"}') == 1


async def ask_together(gateway: str, path: str, body: bytes, count: int, upstream: Upstream) -> list[httpx.Response]:
    """Asks until all are under way, then lets the service answer."""
    upstream.open.clear()
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(timeout=30, limits=limits) as client:
        before = metric(gateway, "http_server_active_requests")
        asked = [asyncio.create_task(client.post(f"{gateway}{path}", content=body)) for _ in range(count)]
        while (await client.get(f"{gateway}/metrics", timeout=30)).status_code == 200:
            active = await asyncio.to_thread(metric, gateway, "http_server_active_requests")
            if active >= before + count:
                break
        upstream.open.set()
        return await asyncio.gather(*asked)


async def test_a_hundred_identical_requests_at_once_compute_once(gateway: str, upstream: Upstream) -> None:
    answers = await ask_together(gateway, "/slow", fresh(), 100, upstream)
    assert upstream.asked["/slow"] == 1
    assert sorted({status(each) for each in answers}) == ["COALESCED", "MISS"]
    assert [status(each) for each in answers].count("MISS") == 1
    assert len({each.content for each in answers}) == 1


async def test_an_error_goes_to_all_who_waited_for_it(gateway: str, upstream: Upstream) -> None:
    answers = await ask_together(gateway, "/status/500", fresh(), 5, upstream)
    assert {each.status_code for each in answers} == {500}
    assert sorted({status(each) for each in answers}) == ["COALESCED", "MISS"]
    assert upstream.asked["/status/500"] == 1


async def test_each_is_told_of_an_error_under_its_own_request_id(gateway: str, upstream: Upstream) -> None:
    answers = await ask_together(gateway, "/problem", fresh(), 5, upstream)
    assert {each.status_code for each in answers} == {422}
    assert upstream.asked["/problem"] == 1
    assert len({each.json()["request_id"] for each in answers}) == 5
    for each in answers:
        assert each.json()["request_id"] == each.headers["x-request-id"]
        assert each.json()["detail"] == "as told"


async def test_a_deadline_of_the_first_is_not_that_of_the_others(gateway: str, upstream: Upstream) -> None:
    """The service answers 504 for the one who came first: the others ask once more, together."""
    answers = await ask_together(gateway, "/status/504", fresh(), 5, upstream)
    assert {each.status_code for each in answers} == {504}
    assert upstream.asked["/status/504"] == 2


def test_the_first_may_hang_up_while_another_waits(gateway: str, upstream: Upstream) -> None:
    body = fresh()
    upstream.open.clear()
    request = b"POST /slow HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with connect(gateway) as second:
        with connect(gateway) as first:
            first.sendall(request)
            until(lambda: upstream.asked["/slow"] == 1, "the service was asked")
            second.sendall(request)
            until(lambda: metric(gateway, "http_server_active_requests") >= 3, "both wait")
        until(lambda: metric(gateway, "http_server_active_requests") == 2, "the first is gone")
        upstream.open.set()
        assert b"COALESCED" in second.recv(65536)
    assert upstream.asked["/slow"] == 1
    assert not upstream.left


def test_when_all_hang_up_the_work_ends(gateway: str, upstream: Upstream) -> None:
    body = fresh()
    upstream.open.clear()
    request = b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with connect(gateway) as first, connect(gateway) as second:
        for sock in (first, second):
            sock.sendall(request)
        until(lambda: metric(gateway, "http_server_active_requests") >= 3, "both wait")
    until(lambda: upstream.left["/slow"] == 1, "the service was told")
    upstream.open.set()
    assert status(httpx.post(f"{gateway}/slow", content=body)) == "MISS"


def test_a_waiter_leaves_at_its_own_deadline(gateway: str, upstream: Upstream) -> None:
    body = fresh()
    upstream.open.clear()
    late = httpx.post(f"{gateway}/slow", content=body, headers={"X-Request-Timeout-Ms": "100"})
    assert late.status_code == 504


def ask_pure(gateway: str, body: bytes) -> httpx.Response:
    return httpx.post(f"{gateway}/pure", content=body)


def test_answers_of_two_identities_never_mix() -> None:
    own = Upstream(identity="old").start()
    try:
        with gateway_before({"stats": own.url}) as process:
            body = fresh()
            ask = partial(ask_pure, process.address)
            assert [status(ask(body)) for _ in range(2)] == ["MISS", "HIT"]
            own.identity = "new"
            # An answer that carries the new identity makes the gateway adopt it at once: no kept answer of the old.
            assert ask(fresh()).json()["identity"] == "new"
            answer = ask(body)
            assert (status(answer), answer.json()["identity"]) == ("MISS", "new")
            assert status(ask(body)) == "HIT"
            own.identity = "old"
            assert ask(fresh()).json()["identity"] == "old"
            answer = ask(body)
            assert (status(answer), answer.json()["identity"]) == ("HIT", "old")
    finally:
        own.stop()


def test_a_new_identity_is_adopted_by_looking_alone() -> None:
    own = Upstream(identity="old").start()
    try:
        with gateway_before({"stats": own.url}) as process:
            body = fresh()
            httpx.post(f"{process.address}/pure", content=body)
            own.identity = "new"
            until(lambda: '"new"' in httpx.get(f"{process.address}/readyz").text, "the gateway saw the new identity")
            assert httpx.post(f"{process.address}/pure", content=body).json()["identity"] == "new"
    finally:
        own.stop()


def test_gateways_share_what_redis_keeps(upstream: Upstream, redis_url: str) -> None:
    body = fresh()
    with gateway_before({"stats": upstream.url}, REDIS_URL=redis_url, VERNIER_GATEWAY_REDIS_TIMEOUT_S="30") as process:
        assert status(httpx.post(f"{process.address}/pure", content=body)) == "MISS"
    with gateway_before({"stats": upstream.url}, REDIS_URL=redis_url, VERNIER_GATEWAY_REDIS_TIMEOUT_S="30") as process:
        assert status(httpx.post(f"{process.address}/pure", content=body)) == "HIT"
        assert metric(process.address, 'cache_lookup_duration_seconds_count{layer="redis"}') == 1
        assert status(httpx.post(f"{process.address}/pure", content=body)) == "HIT"
        assert metric(process.address, 'cache_lookup_duration_seconds_count{layer="redis"}') == 1
    assert upstream.asked["/pure"] == 1


async def test_a_crowd_finds_in_redis_what_is_there_and_computes_once_what_is_not(
    upstream: Upstream, redis_url: str
) -> None:
    known, unknown = [fresh() for _ in range(5)], fresh()
    patient = partial(gateway_before, REDIS_URL=redis_url, VERNIER_GATEWAY_REDIS_TIMEOUT_S="30")
    with patient({"stats": upstream.url}) as process:
        async with httpx.AsyncClient(base_url=process.address, timeout=60) as client:
            for body in known:
                assert status(await client.post("/pure", content=body)) == "MISS"
    upstream.asked.clear()
    with patient({"stats": upstream.url}) as process:
        async with httpx.AsyncClient(base_url=process.address, timeout=60) as client:
            bodies = [*known * 8, *[unknown] * 8]
            answers = await asyncio.gather(*(client.post("/pure", content=body) for body in bodies))
        assert {status(each) for each in answers[:40]} == {"HIT"}
        assert [status(each) for each in answers[40:]].count("MISS") == 1
        for body, answer in zip(bodies, answers, strict=True):
            assert answer.json()["sha256"] == hashlib.sha256(body).hexdigest()
    assert upstream.asked["/pure"] == 1


def test_a_paused_redis_costs_one_timeout_and_a_dead_one_nothing(upstream: Upstream, tmp_path: Path) -> None:
    with (
        running_redis(tmp_path) as (redis, url),
        gateway_before({"stats": upstream.url}, REDIS_URL=url, VERNIER_GATEWAY_REDIS_COOLDOWN_S="0.1") as process,
        httpx.Client(base_url=process.address) as client,
    ):
        client.post("/pure", content=fresh())
        redis.send_signal(signal.SIGSTOP)
        answers = [client.post("/pure", content=fresh()) for _ in range(20)]
        assert {each.status_code for each in answers} == {200}
        # One timeout of 50 ms in all, not twenty; the rest is room for a busy machine.
        assert sum(each.elapsed.total_seconds() for each in answers) < 0.8
        assert metric(process.address, "cache_redis_errors_total") >= 1
        redis.send_signal(signal.SIGCONT)
        looked = 'cache_lookup_duration_seconds_sum{layer="redis"}'
        assert metric(process.address, looked) < 0.8
        redis.kill()
        redis.wait()
        assert client.post("/pure", content=fresh()).status_code == 200
        assert client.get("/readyz").status_code == 200
