"""A table of explanation quality in a real browser: nothing there, started as a job, and then to be read."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.serving import Watch, ready
from xai_core.jobs.manage import Jobs
from xai_core.store.study import Study

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


def done(page: Page, study: Study, operation: str) -> None:
    """Wait for the job that was begun just now, as long as it takes: it yields to all that a busy machine does."""
    while True:
        found = [job for job in Jobs(study.path).all() if job.what and job.what.operation == operation]
        if found and not found[0].open:
            assert found[0].state == "done", (found[0].error, Jobs(study.path).log(found[0].id))
            return
        page.wait_for_timeout(500)


def test_a_table_is_started_and_stands_there_when_the_job_has_ended(
    address: str, demo: Study, person: BrowserContext
) -> None:
    page = person.new_page()
    watch = Watch(page, address)
    chosen = "study=garments&run=baseline&split=validation&methods=gradcam&metrics=sparseness&count=6"
    page.goto(f"{address}/quality?{chosen}")
    ready(page)
    where = page.locator(".st-key-quality")
    expect(where.get_by_text("Nothing is scored yet")).to_be_visible()
    expect(where.get_by_text("6 of 300 validation samples, drawn by the study's seed")).to_be_visible()
    begin = where.get_by_role("button", name="Score in the background")
    begin.press("Enter")
    done(page, demo, "score")
    expect(begin).to_have_count(0, timeout=60_000)
    table = where.get_by_role("region", name="Table of explanation quality")
    row = table.get_by_role("row", name="Grad-CAM")
    expect(row).to_contain_text("n = 6", timeout=60_000)
    expect(table.get_by_role("columnheader", name="Sparseness")).to_be_visible()
    expect(table.get_by_role("row", name="Random")).to_contain_text("mean 0.4")
    assert not watch.problems
