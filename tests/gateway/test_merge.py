"""One document out of many."""

from typing import Any

import httpx
from openapi_spec_validator import validate

from gateway.merge import merge
from tests.gateway.conftest import gateway_before
from tests.processes import running


def document(paths: dict[str, Any], schemas: dict[str, Any] | None = None) -> dict[str, Any]:
    info = {"title": "t", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": schemas or {}}}


def answering(name: str, operation_id: str = "ask") -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{name}"}
    content = {"application/json": {"schema": schema}}
    return {"get": {"operationId": operation_id, "responses": {"200": {"description": "d", "content": content}}}}


def reference(merged: dict[str, Any], path: str) -> str:
    answer = merged["paths"][path]["get"]["responses"]["200"]
    return str(answer["content"]["application/json"]["schema"]["$ref"]).rpartition("/")[2]


OWN = document({"/readyz": {"get": {"tags": ["health"], "responses": {"200": {"description": "d"}}}}})
NUMBER, TEXT = {"type": "number"}, {"type": "string"}


def test_alike_components_stand_once_and_others_take_their_services_name() -> None:
    stats = document({"/a": answering("Problem"), "/b": answering("Result", "b")}, {"Problem": TEXT, "Result": NUMBER})
    text = document({"/c": answering("Problem"), "/d": answering("Result", "d")}, {"Problem": TEXT, "Result": TEXT})
    merged = merge(OWN, {"stats": stats, "text": text}, ())
    assert merged["components"]["schemas"] == {"Problem": TEXT, "StatsResult": NUMBER, "TextResult": TEXT}
    assert [reference(merged, path) for path in ["/a", "/b", "/c", "/d"]] == [
        "Problem",
        "StatsResult",
        "Problem",
        "TextResult",
    ]
    validate(merged)


def test_what_refers_to_a_clash_is_told_apart_too() -> None:
    outer = {"type": "array", "items": {"$ref": "#/components/schemas/Inner"}}
    documents = {
        name: document({f"/{name}": answering("Outer")}, {"Outer": outer, "Inner": inner})
        for name, inner in (("stats", NUMBER), ("text", TEXT))
    }
    merged = merge(OWN, documents, ())
    schemas = merged["components"]["schemas"]
    assert schemas.keys() == {"StatsOuter", "StatsInner", "TextOuter", "TextInner"}
    assert schemas["TextOuter"]["items"] == {"$ref": "#/components/schemas/TextInner"}
    validate(merged)


def test_own_and_hidden_paths_win() -> None:
    stats = document({"/readyz": answering("X"), "/docs": answering("X"), "/a": answering("X")}, {"X": TEXT})
    merged = merge(OWN, {"stats": stats}, {"/docs"})
    assert merged["paths"].keys() == {"/readyz", "/a"}
    assert merged["paths"]["/readyz"]["get"]["tags"] == ["health"]


def test_ids_are_unique_and_every_operation_has_a_tag() -> None:
    documents = {name: document({f"/{name}": answering("X")}, {"X": TEXT}) for name in ("stats", "text")}
    merged = merge(OWN, documents, ())
    assert [merged["paths"][path]["get"]["operationId"] for path in ("/stats", "/text")] == ["ask", "text_ask"]
    assert [tag["name"] for tag in merged["tags"]] == ["stats", "text", "health"]
    validate(merged)


def test_what_the_gateway_makes_of_a_cacheable_operation_is_documented() -> None:
    kept, other = answering("X"), answering("X", "b")
    kept["get"]["x-vernier-cacheable"] = True
    merged = merge(OWN, {"stats": document({"/a": kept, "/b": other}, {"X": TEXT})}, ())
    operation = merged["paths"]["/a"]["get"]
    assert [each["name"] for each in operation["parameters"]] == ["If-None-Match"]
    assert {"ETag", "X-Cache-Status", "Age"} <= operation["responses"]["200"]["headers"].keys()
    assert "304" in operation["responses"]
    assert merged["paths"]["/b"]["get"].keys() == {"operationId", "responses", "tags"}
    validate(merged)


def test_the_sources_are_left_as_they_are() -> None:
    kept = answering("X")
    kept["get"]["x-vernier-cacheable"] = True
    stats = document({"/a": kept}, {"X": TEXT})
    text = document({"/b": answering("X")}, {"X": NUMBER})
    before = repr((OWN, stats, text))
    merge(OWN, {"stats": stats, "text": text}, ())
    assert repr((OWN, stats, text)) == before


def test_the_document_of_real_services_is_valid_and_needs_no_internet() -> None:
    with (
        running("tests.shared.echo") as one,
        running("tests.shared.echo") as other,
        gateway_before({"stats": one.address, "text": other.address}) as process,
    ):
        merged = httpx.get(f"{process.address}/openapi.json").json()
        page = httpx.get(f"{process.address}/docs").text
    validate(merged)
    assert "/sum" in merged["paths"]
    assert "servers" not in merged
    assert "http://" not in page
    assert "https://" not in page
