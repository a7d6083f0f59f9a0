"""Kalman filters over HTTP."""

import io
from collections.abc import Iterator
from csv import DictReader
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.ipc  # type: ignore[import-untyped]
import pytest

from services.stats import examples
from services.stats.kalman.filtering import estimate
from shared.kalman import Motion
from tests.services.stats.kalman.peers import nile, walks, with_gaps

CSV = {"Content-Type": "text/csv"}


@pytest.fixture
def kalman(stats_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{stats_url}/v1/stats/kalman", timeout=60) as client:
        yield client


def post(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def listed(z: np.ndarray[Any, Any]) -> list[float | None]:
    return [None if value != value else value for value in z.tolist()]


def test_nile(kalman: httpx.Client, data: Path) -> None:
    """Durbin and Koopman's local level with years missing, by statsmodels' exact diffuse figures."""
    series = {"z": listed(with_gaps(nile(data))), "model": "level", "q": 1469.1, "r": 15099}
    f, s = post(kalman, "/filter", **series), post(kalman, "/smooth", **series)
    assert f["loglik"] == s["loglik"] == pytest.approx(-381.5060013085083, rel=1e-13)
    assert f["x"][39] == pytest.approx(1026.1415550709821, rel=1e-13)
    assert s["x"][30] == pytest.approx(893.7919448454977, rel=1e-13)
    assert (f["x"][0], f["sd"][0] ** 2) == (1120, pytest.approx(15099))
    assert (f["time"][:3], f["nis"][0], f["innovation"][25], f["used"][20]) == ([0, 1, 2], None, None, False)
    assert (f["model"], f["motion"], f["noise"]) == ({"name": "kalman", "version": "1"}, "level", "continuous")
    assert "velocity" not in f
    fitted = post(kalman, "/fit", z=nile(data).tolist(), model="level")
    assert (fitted["q"], fitted["r"]) == (pytest.approx(1469.1, abs=0.1), pytest.approx(15099, abs=0.6))
    again = post(kalman, "/filter", z=nile(data).tolist(), model="level", q=fitted["q"], r=fitted["r"])
    assert again["x"] == fitted["x"]


@pytest.mark.parametrize("model", ["level", "velocity", "acceleration"])
@pytest.mark.parametrize("path", ["/filter", "/smooth"])
def test_many_are_a_row_each(kalman: httpx.Client, model: Any, path: str) -> None:
    z, time, r = walks(3, 30)
    ids = {f"s{i}": listed(z[i]) for i in range(3)}
    q = {"s0": 0.1, "s1": 0.2, "s2": 0.3}
    body = post(kalman, path, z=ids, time=time.tolist(), model=model, q=q, r=r[0].tolist(), gate=0.99)
    wanted = estimate(
        Motion(model),
        z,
        r[:1],
        time,
        q=list(q.values()),
        gate=6.6348966,
        way="filter" if path == "/filter" else "smooth",
    )
    assert body["id"] == ["s0", "s1", "s2"]
    for c, (mean, sd) in enumerate([("x", "sd"), ("velocity", "velocity_sd"), ("acceleration", "acceleration_sd")]):
        if c < len(wanted.mean):
            assert np.array_equal(np.array(body[mean], float), wanted.mean[c], equal_nan=True)
            assert np.array_equal(
                np.array(body[sd], float), np.where(np.isinf(w := wanted.sd[c]), np.nan, w), equal_nan=True
            )
        else:
            assert mean not in body
    assert body["used"] == wanted.used.tolist()
    assert body["loglik"] == pytest.approx(wanted.loglik)
    alone = post(kalman, path, z=ids["s1"], time=time.tolist(), model=model, q=0.2, r=r[0].tolist(), gate=0.99)
    assert {name: body[name][1] for name in alone if name not in ("model", "motion", "noise", "time", "warnings")} == {
        name: alone[name] for name in alone if name not in ("model", "motion", "noise", "time", "warnings")
    }


def test_what_is_not_known_is_null_and_said(kalman: httpx.Client) -> None:
    body = post(kalman, "/filter", z=[3.0, None], q=1, r=4)
    assert (body["x"], body["sd"]) == ([3.0, None], [2.0, None])
    assert (body["velocity"], body["velocity_sd"]) == ([None, None], [None, None])
    assert "velocity" in body["warnings"][0]
    many = post(kalman, "/fit", z={"a": [1, 2, 4, 3, 6, 5], "b": [1, None, None, None, None, None], "c": [2] * 6})
    assert (many["q"][1], many["r"][1], many["loglik"][1], many["x"][1]) == (None, None, None, [None] * 6)
    assert many["r"][0] > 0
    assert [each for each in many["warnings"] if "1 of 3 series (b)" in each or "(b, c)" in each]


def test_tables_in_and_out(kalman: httpx.Client) -> None:
    query = "time=time&model=velocity&q=0.1&r=0.05&gate=0.99"
    table = "time,a,b\n0,0.1,5\n0.5,1.1,4.4\n1,,4.1\n1.4,2.9,\n2,4.2,3\n"
    answer = kalman.post(f"/filter?{query}", content=table, headers=CSV)
    wanted = post(
        kalman, "/filter", z={"a": [0.1, 1.1, None, 2.9, 4.2], "b": [5, 4.4, 4.1, None, 3]}, time=[0, 0.5, 1, 1.4, 2],
        model="velocity", q=0.1, r=0.05, gate=0.99,
    )  # fmt: skip
    assert answer.json() == wanted
    as_csv = kalman.post(f"/filter?{query}", content=table, headers={**CSV, "Accept": "text/csv"})
    rows = list(DictReader(io.StringIO(as_csv.text)))
    assert list(rows[0])[:6] == ["id", "time", "x", "sd", "velocity", "velocity_sd"]
    assert [(row["id"], row["time"]) for row in rows] == [(i, t) for i in "ab" for t in ("0", "0.5", "1", "1.4", "2")]
    assert [float(row["x"]) for row in rows] == [*wanted["x"][0], *wanted["x"][1]]
    assert rows[0]["velocity"] == ""
    arrow = kalman.post(
        f"/smooth?{query}&z=b", content=table, headers={**CSV, "Accept": "application/vnd.apache.arrow.stream"}
    )
    columns = pyarrow.ipc.open_stream(io.BytesIO(arrow.content)).read_all()
    alone = kalman.post(f"/smooth?{query}&z=b", content=table, headers=CSV).json()
    assert columns["x"].to_pylist() == alone["x"]
    assert columns["used"].to_pylist() == alone["used"]


@pytest.mark.parametrize(
    ("path", "body", "status", "pointer"),
    [
        ("/filter", {"z": [1, 2], "q": 1}, 400, "/r"),
        ("/filter", {"z": [1, 2], "q": 1, "r": 0}, 422, "/r"),
        ("/filter", {"z": [1, 2], "q": 1, "r": "much"}, 400, "/r"),
        ("/filter", {"z": [1, 2], "q": -1, "r": 1}, 422, "/q"),
        ("/filter", {"z": [1, 2], "q": [1, 1], "r": 1}, 400, "/q"),
        ("/filter", {"z": [1, 2], "q": 1, "r": [1, 2, 3]}, 422, "/r"),
        ("/filter", {"z": [1, 2], "q": {"a": 1}, "r": 1}, 422, "/q"),
        ("/filter", {"z": {"a": [1], "b": [1]}, "q": {"a": 1}, "r": 1}, 422, "/q"),
        ("/filter", {"z": {"a": [1], "b": [1]}, "q": 1, "r": {"a": 1, "b": 2, "c": 3}}, 422, "/r"),
        ("/filter", {"z": {"a": [1], "b": [1, 2]}, "q": 1, "r": 1}, 422, "/z/b"),
        ("/filter", {"z": [1, 2], "time": [0], "q": 1, "r": 1}, 422, "/z"),
        ("/filter", {"z": [1, 2, 3], "time": [0, 2, 1], "q": 1, "r": 1}, 422, "/time/2"),
        ("/filter", {"z": [1, 2, 3], "time": [0, None, 1], "q": 1, "r": 1}, 422, "/time/1"),
        ("/filter", {"z": [1, "a"], "q": 1, "r": 1}, 400, "/z/1"),
        ("/filter", {"z": [], "q": 1, "r": 1}, 422, "/z"),
        ("/filter", {"z": [1], "q": 1, "r": 1, "model": "jerk"}, 422, "/model"),
        ("/filter", {"z": [1], "q": 1, "r": 1, "model": "level", "noise": "discrete"}, 422, "/noise"),
        ("/filter", {"z": [1], "q": 1, "r": 1, "gate": 1}, 422, "/gate"),
        ("/filter", {"z": [0, 1], "q": 1, "r": 1, "time": [0, 1e149]}, 422, "/time"),
        ("/filter", {"z": [0, 1e150, 1, 5], "q": 0, "r": 1e-150}, 422, "/z"),
        ("/smooth", {"z": [1], "q": 1, "r": 1, "lag": 1}, 400, "/lag"),
        ("/fit", {"z": [1, 2, 3, 1, 2], "q": 1, "r": 1}, 422, ""),
        ("/fit", {"z": [1, 2, 3]}, 422, "/z"),
        ("/fit", {"z": [2, 2, 2, 2, 2, 2]}, 422, "/z"),
    ],
)
def test_refusals(kalman: httpx.Client, path: str, body: dict[str, Any], status: int, pointer: str) -> None:
    answer = kalman.post(path, json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer, answer.text


def test_size_is_limited(kalman: httpx.Client) -> None:
    answer = kalman.post("/filter", json={"z": [0] * 1_000_001, "q": 1, "r": 1})
    assert answer.status_code == 413
    assert "1,000,000" in answer.json()["detail"]


def test_the_examples_are_answered(kalman: httpx.Client) -> None:
    for path, shown in (("/filter", examples.KALMAN), ("/smooth", examples.KALMAN), ("/fit", examples.KALMAN_FIT)):
        for example in shown.values():
            assert post(kalman, path, **example)["loglik"]
    query = "time=time&model=velocity&q=0.1&r=0.05"
    assert kalman.post(f"/filter?{query}", content=examples.KALMAN_TABLE, headers=CSV).status_code == 200
