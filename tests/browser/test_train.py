"""A training from the page: begun, followed, outliving the server, stopped and resumed."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.serving import Watch, dashboard, ready
from tests.tiny_study import write_pictures, xai
from xai_core.jobs.manage import Jobs

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
PATIENCE = 120_000
ENDLESS = 1000
"""Epochs of a residual net: nothing here waits for the last one."""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "colours"
    xai("new", path, "--dataset", "image-folder", "--data", write_pictures(tmp_path / "pictures"))
    return path


def opened(browser: Browser, address: str) -> tuple[Page, Watch]:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    watch = Watch(page, address)
    page.goto(f"{address}/train")
    ready(page)
    return page, watch


def test_a_training_is_begun_followed_stopped_and_resumed_and_outlives_the_server(
    study: Path, browser: Browser
) -> None:
    jobs = Jobs(study)
    try:
        with dashboard([study]) as address:
            page, watch = opened(browser, address)
            epochs = page.get_by_label("Epochs", exact=True)
            epochs.fill(str(ENDLESS))
            epochs.press("Enter")
            expect(page.locator("code", has_text=f"--epochs {ENDLESS}")).to_be_visible(timeout=PATIENCE)
            page.get_by_role("button", name="Train", exact=True).click()
            expect(page.get_by_text("Being trained: baseline")).to_be_visible(timeout=PATIENCE)
            curves = page.locator("[class*='st-key-training'] .js-plotly-plot")
            expect(curves).to_be_visible(timeout=PATIENCE)
            assert not watch.problems
            page.context.close()
        [job] = jobs.all()
        assert job.open, "it goes on without the server"
        with dashboard([study]) as address:
            page, watch = opened(browser, address)
            expect(page.get_by_text("Being trained: baseline")).to_be_visible(timeout=PATIENCE)
            expect(page.locator("[class*='st-key-training'] .js-plotly-plot")).to_be_visible(timeout=PATIENCE)
            page.locator("[class*='st-key-training-stop']").get_by_role("button").click()
            resume = page.get_by_role("button", name="Resume")
            expect(resume).to_be_visible(timeout=PATIENCE)
            assert not jobs.all()[0].open
            resume.click()
            expect(page.get_by_text("Being trained: baseline")).to_be_visible(timeout=PATIENCE)
            assert not watch.problems
            page.context.close()
        assert jobs.all()[0].open
    finally:
        for job in jobs.all():
            if job.open:
                jobs.stop(job.id, kill=True)
