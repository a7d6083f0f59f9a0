"""The docs page as a person sees it: a real Chromium that reaches nothing but this address."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
expect.set_options(timeout=60_000)
OFFLINE = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync",
           "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]  # fmt: skip


@pytest.fixture
def page() -> Iterator[Page]:
    chromium = os.environ.get("VERNIER_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("lacks Chromium (Debian's package chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=OFFLINE)
        page = browser.new_page(viewport={"width": 1280, "height": 1600})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def test_the_docs_page_works_with_no_internet(vernier: str, page: Page) -> None:
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"{vernier}/docs")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Vernier")
    for path in ("/v1/speed/video", "/v1/embeddings", "/v1/stats/trend", "/v1/text/information"):
        expect(page.locator(f'.opblock-summary-path[data-path="{path}"]')).to_be_visible()
    assert [url for url in asked if not url.startswith((vernier, "data:", "blob:"))] == []
    assert faults == []


def test_trying_it_out_shows_a_real_answer(vernier: str, page: Page) -> None:
    page.goto(f"{vernier}/docs")
    block = page.locator(".opblock", has=page.locator('.opblock-summary-path[data-path="/v1/stats/trend"]'))
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Execute").click()
    live = block.locator(".live-responses-table")
    expect(live.locator(".response-col_status").last).to_contain_text("200")
    expect(live.locator(".response-col_description pre").first).to_contain_text('"trend"')
