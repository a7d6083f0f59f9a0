import httpx

from tests.gateway.upstream import Upstream


def results(gateway: str) -> dict[str, float]:
    lines = httpx.get(f"{gateway}/metrics").text.splitlines()
    told = (line.split() for line in lines if line.startswith("cache_requests_total{"))
    return {series.split('"')[1]: float(value) for series, value in told}


def test_every_request_is_counted_once_by_what_the_cache_did(gateway: str, upstream: Upstream) -> None:
    before = results(gateway)
    with httpx.Client(base_url=gateway) as ask:
        for _ in range(3):
            ask.post("/pure", content=b"counted once")
        ask.post("/pure", content=b"counted once", headers={"cache-control": "no-store"})
        assert ask.get("/die").status_code == 502
        assert ask.get("/die", headers={"cache-control": "no-cache"}).status_code == 502
    grown = {result: value - before[result] for result, value in results(gateway).items()}
    assert grown == {"hit": 2, "miss": 1, "coalesced": 0, "bypass": 1, "error": 2}
    assert upstream.asked["/pure"] == 2
