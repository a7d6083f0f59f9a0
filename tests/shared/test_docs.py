import re

from fastapi.testclient import TestClient

from shared.docs import TYPES
from tests.shared.echo import echo_app


def test_the_page_and_all_that_it_asks_for_come_from_here() -> None:
    with TestClient(echo_app()) as client:
        page = client.get("/docs")
        assert page.headers["content-type"].startswith("text/html")
        wanted = re.findall(r'(?:href|src|url)[=:] ?"([^"]+)"', page.text)
        assert {f"/docs/{name}" for name in TYPES} < set(wanted)
        assert not [each for each in wanted if not each.startswith("/")]
        for path in wanted:
            assert client.get(path).status_code == 200, path
