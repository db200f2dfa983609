"""Pages in a browser."""

import pytest
from browser import CHROMIUM


@pytest.fixture(scope="module")
def chromium():
    """One for all pages: it takes longer to start than a page to look at."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def browsed(chromium):
    """Opens a page in headless Chromium; nothing may go wrong there, and nothing may be asked of a network."""
    said, asked = [], []
    with chromium.new_context(viewport={"width": 1100, "height": 900}) as context:
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))

        def opened(page_file):
            page.goto(page_file.as_uri())
            return page

        yield opened
    assert said == []
    assert asked
    assert all(url.startswith(("file:", "data:")) for url in asked)
