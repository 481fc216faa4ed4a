"""Headless Chromium, where this machine has one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

_CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
# The sandbox of Chromium does not start as root, and its own services have no network here.
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NEEDS_BROWSER = [
    pytest.mark.slow,
    pytest.mark.skipif(
        _CHROMIUM is None, reason="no Chromium on PATH; on Debian: apt install chromium"
    ),
]


@contextmanager
def started_browser() -> Iterator[Browser]:
    """Start a browser for as long as the block runs."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=_CHROMIUM, args=_FLAGS)
        yield started
        started.close()


class Visit:
    """Opens pages, and keeps what they complain of, and what they ask of other servers.

    Attributes:
        complaints: Messages of the console, errors, and addresses elsewhere that were asked for.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []

    def __call__(self, address: str, width: int = 1280, height: int = 800, **options: Any) -> Page:
        """Open an address in a window of its own; options are those of a context."""
        context = self._browser.new_context(viewport={"width": width, "height": height}, **options)
        self._contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        server = "/".join(address.split("/")[:3])
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._check(request.url, server))
        page.goto(address)
        return page

    def close(self) -> None:
        """Close all windows."""
        for context in self._contexts:
            context.close()

    def _check(self, asked: str, server: str) -> None:
        if not asked.startswith(f"{server}/"):
            self.complaints.append(f"asked {asked}")


@contextmanager
def visiting(browser: Browser, kind: type[Visit] = Visit) -> Iterator[Visit]:
    """Open pages for as long as the block runs; fail if one of them complained."""
    opened = kind(browser)
    yield opened
    opened.close()
    assert opened.complaints == []


def violations(page: Page) -> list[str]:
    """Return what axe-core finds against the rules of accessible pages."""
    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {node['html'][:120]}" for v in found for node in v["nodes"]]
