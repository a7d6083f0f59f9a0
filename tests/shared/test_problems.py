from typing import Any

import orjson
import pytest

from shared.errors import (
    INTERNAL,
    CircuitOpen,
    DeadlinePassed,
    Empty,
    FieldError,
    Malformed,
    NotFound,
    NotReady,
    Overloaded,
    TooLarge,
    Unprocessable,
    UpstreamFailed,
    VernierError,
)  # fmt: skip
from shared.problems import StatusError, rendered


def body(error: VernierError, shape: str = "") -> Any:
    return orjson.loads(rendered(error, instance="/x", request_id="abc", shape=shape).body)


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (VernierError(INTERNAL), "urn:problem-type:vernier:internal-error"),
        (UpstreamFailed("gone"), "urn:problem-type:vernier:service-unreachable"),
        (DeadlinePassed("late"), "urn:problem-type:vernier:deadline-passed"),
        (NotReady("soon"), "urn:problem-type:vernier:not-ready"),
        (CircuitOpen("no"), "urn:problem-type:vernier:service-left-alone"),
        (Overloaded("full"), "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"),
        (Malformed("bad"), "about:blank"),
        (TooLarge("big"), "about:blank"),
    ],
)
def test_faults_of_ours_have_types_that_stay_as_they_are(error: VernierError, name: str) -> None:
    assert body(error)["type"] == name


@pytest.mark.parametrize("error", [StatusError(503, "no"), StatusError(429, "no"), NotReady("no"), Overloaded("full")])
@pytest.mark.parametrize("shape", ["", "openai", "tei"])
def test_when_to_come_back_is_always_said(error: VernierError, shape: str) -> None:
    headers = rendered(error, instance="/x", request_id="abc", shape=shape).headers
    assert int(headers["Retry-After"]) >= 1


def test_when_to_come_back_is_not_said_twice() -> None:
    headers = rendered(Overloaded("full", retry_after_s=7), instance="", request_id="").headers
    assert headers["Retry-After"] == "7"


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (Malformed("bad"), 400, "invalid_request_error", None),
        (Unprocessable("blank"), 400, "invalid_request_error", None),
        (NotFound("none"), 404, "invalid_request_error", "model_not_found"),
        (TooLarge("big"), 413, "invalid_request_error", None),
        (VernierError(INTERNAL), 500, "server_error", None),
        (UpstreamFailed("gone"), 502, "server_error", None),
        (Overloaded("full"), 503, "server_error", None),
        (DeadlinePassed("late"), 504, "server_error", None),
    ],
)
def test_openais_shape(error: VernierError, status: int, kind: str, code: str | None) -> None:
    answer = rendered(error, instance="/x", request_id="abc", shape="openai")
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/json")
    assert answer.headers["Content-Length"] == str(len(answer.body))
    expected = {"message": error.detail, "type": kind, "param": None, "code": code}
    assert orjson.loads(answer.body) == {"error": expected}


def test_openais_shape_names_the_parameter() -> None:
    fault = Unprocessable("blank", errors=[FieldError("/input/0", "is blank")])
    assert body(fault, "openai")["error"]["param"] == "input"


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (Malformed("no JSON"), 400, "Validation"),
        (Malformed("a number", errors=[FieldError("/inputs", "a number")]), 422, "Validation"),
        (Unprocessable("blank"), 422, "Validation"),
        (Empty("none"), 400, "Empty"),
        (TooLarge("big"), 413, "Validation"),
        (Overloaded("full"), 429, "Overloaded"),
        (NotReady("soon"), 503, "Unhealthy"),
        (UpstreamFailed("gone"), 502, "Unhealthy"),
        (DeadlinePassed("late"), 504, "Backend"),
        (VernierError(INTERNAL), 500, "Backend"),
    ],
)
def test_the_shape_of_text_embeddings_inference(error: VernierError, status: int, kind: str) -> None:
    answer = rendered(error, instance="/x", request_id="abc", shape="tei")
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/json")
    assert orjson.loads(answer.body) == {"error": error.detail, "error_type": kind}


def test_an_unknown_shape_is_a_problem() -> None:
    assert body(Malformed("bad"), "other")["detail"] == "bad"
