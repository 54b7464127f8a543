"""A headless Chromium that notes what a page asked for and complained about."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from .talk import PATIENCE

try:
    from playwright.sync_api import Browser, Page, sync_playwright
except ImportError:  # an environment without the development tools
    sync_playwright = None  # type: ignore[assignment]

FOUND = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

needs_browser = pytest.mark.skipif(
    FOUND is None or sync_playwright is None, reason="no Chromium (Debian: chromium) or no playwright"
)


class Watched:
    """`page`, and what it did: `asked` are the addresses that it asked for, `complaints` its console's errors."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.asked.append(f"{request.method} {request.url}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type != "log" else None)


@contextmanager
def chromium() -> Iterator[Browser]:
    assert FOUND is not None
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=FOUND, timeout=1000 * PATIENCE)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def looking(browser: Browser, **options: Any) -> Iterator[Watched]:
    """A page in a profile of its own."""
    context = browser.new_context(**options)
    context.set_default_timeout(1000 * PATIENCE)
    try:
        yield Watched(context.new_page())
    finally:
        context.close()
