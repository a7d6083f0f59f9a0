import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient
from pydantic import Field, ValidationError

from shared.app import create_app
from shared.bodies import Body
from shared.errors import Malformed, Unprocessable
from shared.handlers import SHOWN, validation_refusal
from tests.shared.echo import EchoSettings


class Series(Body):
    x: list[float] = Field(min_length=1)
    alpha: float = Field(0.05, gt=0, lt=1)


def fault(body: str) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Series.model_validate_json(body)
    return caught.value


@pytest.mark.parametrize(
    ("body", "kind", "pointer"),
    [
        ('{"x": [1, "a"]}', Malformed, "/x/1"),
        ('{"x": [1, null]}', Malformed, "/x/1"),
        ('{"x": [NaN]}', Malformed, "/x/0"),
        ('{"x": [1], "beta": 1}', Malformed, "/beta"),
        ("{", Malformed, ""),
        ('{"x": []}', Unprocessable, "/x"),
        ('{"x": [1], "alpha": 2}', Unprocessable, "/alpha"),
        ('{"x": ["a"], "alpha": 2}', Malformed, "/x/0"),
    ],
)
def test_unreadable_is_400_and_meaningless_is_422(body: str, kind: type[Exception], pointer: str) -> None:
    refusal = validation_refusal(fault(body))
    assert type(refusal) is kind
    assert refusal.errors[0].pointer == pointer


def test_a_thousand_faults_are_told_shortly() -> None:
    refusal = validation_refusal(fault('{"x": [' + ",".join(['"a"'] * 1000) + "]}"))
    assert len(refusal.errors) == SHOWN
    assert "and 999 more" in refusal.detail


def test_another_method_is_told_all_that_the_path_has() -> None:
    router = APIRouter()

    @router.get("/things/{name}")
    async def read(name: str) -> str:
        return name

    @router.delete("/things/{name}")
    async def remove(name: str) -> str:
        return name

    @router.put("/things")
    async def replace() -> None: ...

    with TestClient(create_app(EchoSettings(), title="t", summary="s", routers=[router])) as client:
        answer = client.post("/things/a")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET"
    assert "DELETE, GET" in answer.json()["detail"]
