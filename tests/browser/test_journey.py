"""What people do, in a real browser: click a cell, see the pictures, pass the link on, visit every page."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from dashboard.app import found_views
from tests.browser.driving import click_cell, gallery_shows, title_of
from tests.browser.serving import Watch, ready
from xai_core.answers.methods import DEFAULT_METHODS
from xai_core.explainers import EXPLAINERS
from xai_core.store.study import Study
from xai_core.triage.confusion import confusion_counts

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
URLS = [view.URL for view in found_views()]


def names(study: Study) -> list[str]:
    return list(study.class_names)


def counts(study: Study, run: str) -> np.ndarray[Any, Any]:
    predictions = study.run(run).predictions
    assert predictions is not None
    inside = np.isin(predictions.rows, study.rows("test"))
    rows = predictions.rows[inside]
    return confusion_counts(study.labels[rows], predictions.predicted[inside], len(study.class_names))


def largest(study: Study, run: str) -> tuple[int, int]:
    found = counts(study, run)
    np.fill_diagonal(found, 0)
    true, predicted = np.unravel_index(found.argmax(), found.shape)
    return int(true), int(predicted)


def opened(person: BrowserContext, address: str, where: str = "") -> tuple[Page, Watch]:
    page = person.new_page()
    watch = Watch(page, address)
    page.goto(f"{address}/{where}")
    ready(page)
    return page, watch


def test_a_clicked_cell_shows_its_pictures_and_the_link_shows_them_to_a_colleague(
    address: str, demo: Study, person: BrowserContext, browser: Any
) -> None:
    cell = largest(demo, "baseline")
    page, watch = opened(person, address, "confusion?study=garments&run=baseline&split=test")
    click_cell(page, *cell)
    title = title_of(names(demo), *cell)
    gallery_shows(page, title)
    cards = page.locator(".st-key-gallery .cards article")
    assert cards.count() == min(24, counts(demo, "baseline")[cell])
    shown = cards.first.locator("figcaption").all_text_contents()
    assert shown == ["Original", *(EXPLAINERS[key].card.title for key in DEFAULT_METHODS)]
    expect(page).to_have_url(re.compile(rf"true={cell[0]}.*predicted={cell[1]}|predicted={cell[1]}.*true={cell[0]}"))
    assert not watch.problems
    link = page.url
    colleague = browser.new_context(viewport={"width": 1440, "height": 900})
    there, watched = opened(colleague, address, link.removeprefix(f"{address}/"))
    gallery_shows(there, title)
    first = [p.locator(".st-key-gallery .cards article .id").first.text_content() for p in (page, there)]
    assert first[0] == first[1]
    assert not watched.problems
    colleague.close()


def test_the_keyboard_chooses_a_cell_and_back_leaves_it(address: str, demo: Study, person: BrowserContext) -> None:
    page, watch = opened(person, address, "confusion?study=garments&run=baseline&split=test")
    canvas = page.locator(".st-key-confusion-matrix canvas")
    canvas.focus()
    canvas.press("ArrowDown")
    canvas.press("ArrowRight")
    canvas.press("Enter")
    gallery_shows(page, title_of(names(demo), 1, 1), computed=False)
    page.wait_for_timeout(800)
    page.go_back()
    expect(page.locator(".st-key-gallery .cell-title")).to_have_count(0, timeout=20_000)
    assert not watch.problems


def test_what_is_not_there_is_computed_while_one_looks(address: str, demo: Study, person: BrowserContext) -> None:
    true = names(demo).index("Graphic tee")
    where = f"confusion?study=garments&run=baseline&split=validation&methods=gradcam,lrp&true={true}&predicted={true}"
    page, watch = opened(person, address, where)
    gallery_shows(page, title_of(names(demo), true, true), seconds=240)
    expect(page.locator('.st-key-gallery figure[data-state="ready"]').first).to_be_visible()
    assert not watch.problems


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("url", URLS)
def test_every_page_stands_in_both_schemes(
    url: str, scheme: Any, address: str, demo: Study, person: BrowserContext
) -> None:
    true, predicted = largest(demo, "baseline")
    page = person.new_page()
    page.emulate_media(color_scheme=scheme)
    watch = Watch(page, address)
    page.goto(f"{address}/{url}?study=garments&run=baseline&split=test&true={true}&predicted={predicted}")
    ready(page, seconds=120)
    expect(page.locator(f".st-key-{url}")).to_be_visible()
    expect(page.locator("[data-testid='stException']")).to_have_count(0)
    expect(page.get_by_text("Something went wrong")).to_have_count(0)
    dark = page.evaluate("() => getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", dark)[:3])) < 200) == (scheme == "dark"), dark
    assert not watch.problems


def test_a_tile_opens_large_by_key_and_the_way_of_drawing_goes_along(
    address: str, demo: Study, person: BrowserContext
) -> None:
    true, predicted = largest(demo, "baseline")
    where = f"confusion?study=garments&run=baseline&split=test&methods=gradcam&true={true}&predicted={predicted}"
    page, watch = opened(person, address, f"{where}&look=cells")
    gallery_shows(page, title_of(names(demo), true, predicted))
    tile, large = (
        page.locator(".st-key-gallery button.frame[aria-label$='Enlarge']").first,
        page.locator("dialog[open]"),
    )
    tile.focus()
    for key in ("Enter", "Space"):
        page.keyboard.press(key)
        expect(large).to_contain_text("8 by 8 cells")
        expect(large).to_contain_text("Full colour:")
        page.keyboard.press("Escape")
        expect(large).to_have_count(0)
        expect(tile).to_be_focused()
    page.get_by_role("link", name="Sample").click()
    expect(page).to_have_url(re.compile("/sample.*look=cells"))
    assert not watch.problems


def test_a_hostile_link_is_answered_with_a_note(address: str, person: BrowserContext) -> None:
    where = "confusion?study=../../etc&run=%3Cscript%3Ealert(1)%3C/script%3E&true=99&predicted=-1&methods=;DROP"
    page, watch = opened(person, address, where)
    expect(page.locator("[data-testid='stAlert']").first).to_be_visible()
    expect(page.locator(".st-key-confusion-matrix canvas")).to_be_visible()
    assert not watch.problems


def test_pictures_have_no_guessable_names(address: str, person: BrowserContext) -> None:
    page = person.new_page()
    for name in ("0", "baseline", "..%2Fstudy.json", "a" * 32):
        assert page.request.get(f"{address}/tiles/{name}").status in (400, 404)
    reply = page.request.get(f"{address}/_stcore/health")
    assert "default-src 'self'" in reply.headers["content-security-policy"]
