"""A training from the page: begun, followed, outliving the server, stopped and resumed."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, TimeoutError, expect

from tests.browser.serving import Watch, dashboard, ready
from tests.tiny_study import write_pictures, xai
from xai_core.jobs.manage import Jobs
from xai_core.store.study import Study

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
PATIENCE = 120_000
ENDLESS = 1000
"""Epochs of a residual net: nothing here waits for the last one."""
CURVES = "[class*='st-key-training'] .js-plotly-plot"


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


def seen(what: Locator) -> None:
    """Wait until it is there: while a page is drawn again, what was and what comes may stand there together."""
    expect(what.first).to_be_visible(timeout=PATIENCE)


def choose(page: Page, label: str, option: str) -> None:
    """Choose an option. A list that was open while the page was drawn again is closed by it: it is opened anew."""
    entry = page.get_by_role("option", name=option)
    for _ in range(10):
        page.get_by_role("combobox", name=label).first.click(timeout=PATIENCE)
        try:
            entry.wait_for(timeout=3000)
        except TimeoutError:
            continue
        break
    entry.click(timeout=PATIENCE)


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
            seen(page.locator("code", has_text=f"--epochs {ENDLESS}"))
            page.get_by_role("button", name="Train", exact=True).click()
            seen(page.get_by_text("Being trained: baseline"))
            seen(page.locator(CURVES))
            assert not watch.problems
            page.context.close()
        [job] = jobs.all()
        assert job.open, "it goes on without the server"
        with dashboard([study]) as address:
            page, watch = opened(browser, address)
            seen(page.get_by_text("Being trained: baseline"))
            seen(page.locator(CURVES))
            page.locator("[class*='st-key-training-stop']").get_by_role("button").first.click()
            resume = page.get_by_role("button", name="Resume").first
            seen(resume)
            assert not jobs.all()[0].open
            resume.click()
            seen(page.get_by_text("Being trained: baseline"))
            assert not watch.problems
            page.context.close()
        assert jobs.all()[0].open
    finally:
        for job in jobs.all():
            if job.open:
                jobs.stop(job.id, kill=True)


def test_a_repair_is_chosen_begun_and_followed_to_its_end_and_compared(study: Path, browser: Browser) -> None:
    words = ["--arch", "small_cnn", "--epochs", "1", "--batch-size", "8", "--size", "28", "--predict"]
    xai("train", study, "--run", "base", *words)
    with dashboard([study]) as address:
        page, watch = opened(browser, address)
        choose(page, "Method", "Just train twice")
        seen(page.locator("code", has_text="--method jtt --into base-jtt"))
        page.get_by_role("button", name="Repair the last layer").click()
        seen(page.get_by_text("base-jtt, which varies base."))
        [job] = Jobs(study).all()
        assert job.state == "done"
        repaired = Study.open(study).run("base-jtt")
        assert repaired.info.parent == "base"
        assert repaired.predictions is not None
        page.get_by_role("button", name="Did it work?").click()
        page.wait_for_url("**/compare?**", timeout=PATIENCE)
        assert "run=base-jtt" in page.url
        assert "other=base" in page.url
        seen(page.locator(".st-key-compare").get_by_text("base-jtt"))
        assert not page.locator(".st-key-compare [role='alert']").count()
        assert not watch.problems
        page.context.close()
