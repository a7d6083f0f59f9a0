from hypothesis import given
from hypothesis import strategies as st

from shared.health import Health

MODELS = st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3)


def test_starting_then_ready_then_draining() -> None:
    health = Health("x")
    states = [health.report()]
    health.loaded()
    states.append(health.report())
    health.drain()
    states.append(health.report())
    assert [(ready, body["state"]) for ready, body in states] == [
        (False, "starting"),
        (True, "ready"),
        (False, "draining"),
    ]
    assert all(ready == body["ready"] for ready, body in states)


def test_details_can_hold_readiness_back() -> None:
    health = Health("x")
    health.loaded()
    health.details = lambda: (False, {"services": {"y": "away"}})
    ready, body = health.report()
    assert not ready
    assert body["services"] == {"y": "away"}


def identity(service: str, version: str, models: dict[str, str]) -> str:
    health = Health(service, version)
    health.loaded(models)
    return health.identity


@given(MODELS, MODELS)
def test_the_identity_changes_exactly_with_what_answers(one: dict[str, str], other: dict[str, str]) -> None:
    assert (identity("x", "1", one) == identity("x", "1", other)) == (one == other)
    assert identity("x", "1", one) != identity("x", "2", one)
    assert identity("x", "1", one) != identity("y", "1", one)


def test_what_is_served_is_reported_and_tells_by_its_digest() -> None:
    health = Health("x")
    health.expects = ("m",)
    health.loaded()
    ready, body = health.report()
    assert (ready, body["detail"]) == (False, "not loaded: m")
    seen = {health.identity}
    served: list[dict[str, dict[str, str]]] = [
        {"m": {"2": "ab", "1": "cd"}},
        {"m": {"1": "cd", "2": "ab"}},
        {"m": {"2": "ab"}},
        {"m": {"2": "ef"}},
        {"m": {"2": "ef"}, "n": {"1": "gh"}},
    ]
    for versions in served:
        health.serve(versions)
        seen.add(health.identity)
    assert len(seen) == 6, "another default, another digest and another model are another identity"
    ready, body = health.report()
    assert (ready, body["models"], body["versions"]) == (True, {"m": "2", "n": "1"}, {"m": ["2"], "n": ["1"]})
