"""One server on the bundled demo for all browser tests, and a fresh browser context for each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browser.serving import dashboard, launch
from xai_core.demo.bundle import BUNDLE, CHECKS, add_checks
from xai_core.store.study import Study


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A copy of the demo study, so that what tests compute leaves the bundle as it is."""
    copy = tmp_path_factory.mktemp("demo") / BUNDLE.name
    shutil.copytree(BUNDLE, copy)
    add_checks(BUNDLE / CHECKS, copy)
    return Study.open(copy)


@pytest.fixture(scope="session")
def address(demo: Study, chromium: str) -> Iterator[str]:
    """Of a running dashboard on the demo; without a browser it is not started."""
    with dashboard([demo.path]) as running:
        yield running


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A headless Chromium. Ended with the module: while it lives, an event loop runs in this thread."""
    with sync_playwright() as playwright:
        found = launch(playwright, chromium)
        yield found
        found.close()


@pytest.fixture
def person(browser: Browser) -> Iterator[BrowserContext]:
    """Somebody with no cookies and nothing cached, at a screen of 1280 × 900."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context
    context.close()


def saved(folder: Path, name: str) -> str:
    """Where a screenshot goes."""
    return str(folder / f"{name}.png")
