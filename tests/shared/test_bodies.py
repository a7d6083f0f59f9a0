import threading
from typing import Annotated

import pytest
from fastapi import APIRouter, Response
from fastapi.testclient import TestClient
from pydantic import field_validator

from shared.app import create_app
from shared.bodies import INLINE_BYTES, Body, JsonBody, parse
from shared.errors import Malformed
from shared.responses import json_response
from tests.shared.echo import EchoSettings

router = APIRouter()


class Sized(Body):
    pad: str

    @field_validator("pad")
    @classmethod
    def note_thread(cls, pad: str) -> str:
        return f"{len(pad)} on {threading.current_thread().name}"


@router.post("/sized")
async def sized(body: Annotated[Sized, JsonBody(Sized)]) -> Response:
    return json_response({"said": body.pad})


@pytest.fixture
def client():  # type: ignore[no-untyped-def]
    with TestClient(create_app(EchoSettings(), title="t", summary="s", routers=[router])) as each:
        yield each


def test_a_large_body_is_parsed_off_the_loop(client: TestClient) -> None:
    small = client.post("/sized", json={"pad": "x"}).json()["said"]
    large = client.post("/sized", json={"pad": "x" * INLINE_BYTES}).json()["said"]
    assert "compute" not in small
    assert large.startswith(f"{INLINE_BYTES} on compute")


def test_no_content_type_counts_as_json(client: TestClient) -> None:
    assert client.post("/sized", content=b'{"pad": "x"}').status_code == 200


@pytest.mark.parametrize("given", ["text/csv", "application/json-seq", "multipart/form-data; boundary=x"])
def test_another_content_type_is_named(client: TestClient, given: str) -> None:
    answer = client.post("/sized", content=b"{}", headers={"Content-Type": given})
    assert answer.status_code == 415
    assert given.split(";")[0] in answer.json()["detail"]


@pytest.mark.parametrize("given", ["application/json; charset=utf-8", "APPLICATION/JSON"])
def test_parameters_and_case_of_the_content_type_do_not_matter(client: TestClient, given: str) -> None:
    assert client.post("/sized", content=b'{"pad": ""}', headers={"Content-Type": given}).status_code == 200


@pytest.mark.parametrize("coding", ["gzip", "Deflate", "br", "gzip, identity", "x" * 999])
def test_a_compressed_body_is_not_unpacked(client: TestClient, coding: str) -> None:
    answer = client.post("/sized", content=b'{"pad":"x"}', headers={"Content-Encoding": coding})
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "identity"
    assert coding.lower()[:40] in answer.json()["detail"]
    assert len(answer.content) < 999


@pytest.mark.parametrize("value", [b"1", b"true", b"null", b"[]"])
def test_what_only_looks_like_the_type_is_refused(client: TestClient, value: bytes) -> None:
    answer = client.post("/sized", content=b'{"pad":' + value + b"}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/pad"


def test_a_text_is_no_truth_and_no_number() -> None:
    class Facts(Body):
        fact: bool = True
        number: float = 0.0

    assert parse(Facts, b'{"fact": false, "number": 1}') == Facts(fact=False, number=1.0)
    for given in (b'{"fact": "yes"}', b'{"fact": 1}', b'{"number": "1"}', b'{"number": true}'):
        with pytest.raises(Malformed):
            parse(Facts, given)


def test_identity_is_no_coding(client: TestClient) -> None:
    answer = client.post("/sized", content=b'{"pad":"x"}', headers={"Content-Encoding": "Identity"})
    assert answer.status_code == 200
