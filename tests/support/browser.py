"""Headless Chromium, where this machine has one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

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


def violations(page: Page) -> list[str]:
    """Return what axe-core finds against the rules of accessible pages."""
    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {node['html'][:120]}" for v in found for node in v["nodes"]]
