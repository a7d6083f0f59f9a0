"""Which operation a request asks for."""

from typing import Any

import pytest

from gateway.operations import Table, operations
from shared.cache import HEADERS
from shared.errors import MethodNotAllowed, NotFound, NotReady


def table(**services: dict[str, dict[str, dict[str, object]]]) -> Table:
    found = [each for name, paths in services.items() for each in operations(name, {"paths": paths})]
    return Table(found, models={"speed": "speed", "embedding": "text", "trend": "stats"})


FINE: dict[str, object] = {}


def test_a_path_in_full_goes_before_a_template() -> None:
    routes = table(stats={"/a/{id}": {"get": FINE}, "/a/fixed": {"get": FINE}, "/{x}/fixed": {"get": FINE}})
    assert routes.find("GET", "/a/fixed").route == "/a/fixed"
    assert routes.find("GET", "/a/other").route == "/a/{id}"
    assert routes.find("GET", "/b/fixed").route == "/{x}/fixed"


def test_a_parameter_is_one_segment_and_never_empty() -> None:
    routes = table(stats={"/a/{id}": {"get": FINE}})
    for path in ("/a/", "/a/b/c", "/a", "/xa/b"):
        with pytest.raises(NotFound):
            routes.find("GET", path)


def test_letters_around_parameters_are_taken_as_they_are() -> None:
    routes = table(stats={"/v1/aggregates:fold": {"post": FINE}, "/a.{kind}/x": {"get": FINE}})
    assert routes.find("POST", "/v1/aggregates:fold").route == "/v1/aggregates:fold"
    assert routes.find("GET", "/a.csv/x").route == "/a.{kind}/x"
    with pytest.raises(NotFound):
        routes.find("GET", "/abcsv/x")


@pytest.mark.parametrize("path", ["/a", "/b/1"])
def test_a_method_that_is_not_offered_names_those_that_are(path: str) -> None:
    item: dict[str, dict[str, object]] = {"get": FINE, "put": FINE}
    with pytest.raises(MethodNotAllowed) as refusal:
        table(stats={"/a": item, "/b/{x}": item}).find("POST", path)
    assert refusal.value.headers == {"Allow": "GET, PUT"}


def test_methods_of_one_path_may_belong_to_two_services() -> None:
    routes = table(stats={"/a": {"get": FINE}}, text={"/a": {"post": FINE}})
    assert [routes.find(method, "/a").service for method in ("GET", "POST")] == ["stats", "text"]


def test_the_model_decides_between_services() -> None:
    paths = {"/v2/models/{model}/infer": {"post": FINE}}
    routes = table(speed=paths, text=paths)
    assert routes.find("POST", "/v2/models/embedding/infer").service == "text"
    with pytest.raises(NotFound, match=r"there are: embedding, speed$"):
        routes.find("POST", "/v2/models/none/infer")


def test_while_a_service_is_unknown_a_path_may_be_its() -> None:
    with pytest.raises(NotReady, match="text"):
        Table(unknown=["text"]).find("GET", "/embed")


@pytest.mark.parametrize("schema", [{"x-vernier-effect": True}, {"anyOf": [{"x-vernier-effect": True}, {}]}])
def test_a_query_may_make_an_operation_do_something(schema: dict[str, Any]) -> None:
    described = {"x-vernier-cacheable": True, "parameters": [{"in": "query", "name": "to", "schema": schema}]}
    (operation,) = operations("speed", {"paths": {"/a": {"post": described}}})
    does = [b"to=x", b"a=1&to=x", b"to=", b"to", b"%74o=x", b"a=1&%74%6F=x"]
    assert [operation.has_effect(query) for query in does] == [True] * len(does)
    assert not any(operation.has_effect(query) for query in (b"", b"too=x", b"a=to", b"a=%26to=x"))
    assert operation.replayable


def test_what_a_document_says_of_an_operation() -> None:
    described = {
        "x-vernier-cacheable": True,
        "parameters": [{"in": "header", "name": "X-Unit"}, {"in": "query", "name": "q"}],
    }
    marked, plain = operations("stats", {"paths": {"/a": {"post": described, "summary": "s"}, "/b": {"post": FINE}}})
    assert (marked.cacheable, marked.headers, marked.replayable) == (True, HEADERS | {b"x-unit"}, True)
    assert (plain.cacheable, plain.headers, plain.replayable) == (False, HEADERS, False)
