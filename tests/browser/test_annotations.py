"""A person looks through proposals: accepts one, edits one with keys, takes it back; what is kept goes out as COCO."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.serving import Watch, dashboard, ready
from tests.core.annotation_scenes import METHOD, squares, with_proposals
from xai_core.answers.annotations import Question, proposed
from xai_core.store.coco_exchange import read_changes, write_coco
from xai_core.store.study import Study
from xai_core.store.versions import Version

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = squares(tmp_path_factory.mktemp("annotations"))
    with_proposals(made)
    return made


@pytest.fixture(scope="module")
def served(study: Study, chromium: str) -> Iterator[str]:
    with dashboard([study.path], seconds=240) as running:
        yield running


def questions(study: Study) -> tuple[Question, ...]:
    return proposed(study.run("unet"), METHOD, "reviewed").questions


def pressed(page: Page, study: Study, changes: int) -> None:
    """Wait until so many changes are written."""
    for _ in range(200):
        if len(Version(study, "reviewed").changes) == changes:
            page.wait_for_timeout(500)
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{len(Version(study, 'reviewed').changes)} changes, not {changes}")


def test_accept_edit_undo_and_round_trip(study: Study, served: str, person: BrowserContext, tmp_path: Path) -> None:
    first, second = (one.proposal for one in questions(study)[:2])
    page = person.new_page()
    watch = Watch(page, served)
    page.goto(f"{served}/annotations?run=unet")
    ready(page)
    accept = page.locator(f'article[data-id="{first.id}"] button.main')
    accept.wait_for()
    assert accept.is_disabled()
    page.get_by_role("textbox", name="You").fill("Ada")
    page.get_by_role("textbox", name="You").press("Enter")
    page.wait_for_function("() => !document.body.innerText.includes('Give your name to decide')", timeout=30_000)
    accept.click()
    pressed(page, study, 1)
    assert (Version(study, "reviewed").label_map(first.row)[0:4, 18:23] == 1).all()

    box = page.locator(f'article[data-id="{second.id}"]')
    box.get_by_text("Edit outline").click()
    canvas = box.locator("canvas")
    for key in ("ArrowDown", "n", "ArrowLeft", "+", "Delete", "Enter"):
        canvas.press(key)
    pressed(page, study, 2)
    (change,) = Version(study, "reviewed").changes[1:]
    assert (change.what, change.by, change.proposal) == ("edit", "Ada", second.id)
    assert not np.array_equal(Version(study, "reviewed").label_map(second.row), study.label_map(second.row))

    write_coco(study, "reviewed", tmp_path / "out.json")
    assert read_changes(study, "back", tmp_path / "out.json", "Bo").changed == 2
    for row in (first.row, second.row):
        np.testing.assert_array_equal(Version(study, "back").label_map(row), Version(study, "reviewed").label_map(row))

    page.get_by_role("button", name="Undo").click()
    pressed(page, study, 3)
    np.testing.assert_array_equal(Version(study, "reviewed").label_map(second.row), study.label_map(second.row))
    page.locator(f'article[data-id="{second.id}"]').wait_for()
    assert watch.problems == []
