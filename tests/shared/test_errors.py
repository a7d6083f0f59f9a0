import inspect

import orjson
import pytest

from shared import errors
from shared.errors import FieldError, MethodNotAllowed, Overloaded, Unprocessable, VernierError
from shared.problems import problem

EXPECTED = {
    "Malformed": 400, "NotFound": 404, "MethodNotAllowed": 405, "NotAcceptable": 406, "Conflict": 409,
    "TooLarge": 413, "UnsupportedMedia": 415, "Unprocessable": 422, "Empty": 422, "UpgradeRequired": 426,
    "Unavailable": 503, "Overloaded": 503,
    "NotReady": 503, "CircuitOpen": 503, "UpstreamFailed": 502, "DeadlinePassed": 504, "ClientGone": 499,
    "VernierError": 500,
}  # fmt: skip


def test_the_tree_and_its_statuses() -> None:
    tree = {
        name: kind.status
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, VernierError)
    }
    assert tree == EXPECTED


@pytest.mark.parametrize(("wait_s", "header"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.2, "2"), (90.0, "90")])
def test_retry_after_is_in_whole_seconds(wait_s: float, header: str) -> None:
    assert Overloaded("full", retry_after_s=wait_s).headers == {"Retry-After": header}


def test_method_not_allowed_lists_what_is() -> None:
    assert MethodNotAllowed("no", allow=["POST", "GET"]).headers == {"Allow": "GET, POST"}


def test_a_problem_says_all_that_it_must() -> None:
    fields = [FieldError("/texts/0", "is blank"), FieldError("/k", "no", "query")]
    fault = Unprocessable("texts are blank", errors=fields)
    assert orjson.loads(problem(fault, instance="/v1/x", request_id="abc")) == {
        "type": "about:blank",
        "title": "Unprocessable content",
        "status": 422,
        "detail": "texts are blank",
        "instance": "/v1/x",
        "request_id": "abc",
        "error": "texts are blank",
        "errors": [
            {"pointer": "/texts/0", "detail": "is blank"},
            {"pointer": "/k", "detail": "no", "in": "query"},
        ],
    }
