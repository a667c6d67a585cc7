"""A segmenter in a real browser: a region is clicked, a box drawn by mouse and by keys, and both are explained; a cell
of its confusion leads to its pictures; a picture of one's own is dropped."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.driving import click_cell, gallery_shows, title_of
from tests.browser.serving import Watch, dashboard, ready
from tests.core.segmentation_trees import coco
from xai_core.answers.segments import segments
from xai_core.pipeline.asked import Given
from xai_core.pipeline.load import load_classifier
from xai_core.pipeline.make import make_study
from xai_core.pipeline.predict import predict
from xai_core.pipeline.train import train_run
from xai_core.store.study import Study
from xai_core.training.config import TrainConfig

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

SHOWN_MS = 90_000
"""A busy machine starts the model's process slowly."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    root = tmp_path_factory.mktemp("segmenter")
    coco(root / "data")
    made = make_study(root / "squares", root / "data")
    run = train_run(made, "unet", TrainConfig(architecture="small_unet", epochs=1), Given(size=32, device="cpu"))
    predict(run, load_classifier(run, device="cpu"), ["test"])
    return made


@pytest.fixture(scope="module")
def address(study: Study, chromium: str) -> Iterator[str]:
    with dashboard([study.path]) as running:
        yield running


def settled(page: Page, region: str) -> None:
    """Wait until the address names a region of this kind and its heatmap is drawn."""
    page.wait_for_url(lambda url: region in url, timeout=SHOWN_MS)
    ready(page)
    expect(page.locator('.frame[data-state="ready"], .frame[data-state="refused"]').first).to_be_visible(
        timeout=SHOWN_MS
    )


def test_a_region_is_clicked_and_a_box_is_drawn(address: str, study: Study, person: BrowserContext) -> None:
    page = person.new_page()
    watch = Watch(page, address)
    page.goto(f"{address}/segmentation?study=squares&run=unet&split=test")
    ready(page)
    page.get_by_role("button", name="Open sample").first.click()
    page.wait_for_url("**/sample?**")
    page.goto(f"{page.url}&methods=gradcam")
    ready(page)
    stage = page.locator(".picker .stage")
    stage.click(position={"x": 60, "y": 60})
    settled(page, "%40part%3D")
    area = stage.bounding_box()
    assert area is not None
    page.mouse.move(area["x"] + 0.2 * area["width"], area["y"] + 0.2 * area["height"])
    page.mouse.down()
    page.mouse.move(area["x"] + 0.8 * area["width"], area["y"] + 0.7 * area["height"], steps=4)
    page.mouse.up()
    settled(page, "%40box%3D")
    drawn = page.url
    stage.focus()
    for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowRight", "Shift+ArrowDown", "Shift+ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: url != drawn, timeout=SHOWN_MS)
    settled(page, "%40box%3D")
    expect(page.get_by_text("in the box").first).to_be_visible()
    page.get_by_role("radio", name="Annotation").click()
    expect(page.get_by_role("radio", name="Annotation")).to_have_attribute("aria-checked", "true")
    assert not watch.problems


def test_a_cell_leads_to_its_pictures_and_one_of_them_to_the_same_region(
    address: str, study: Study, person: BrowserContext
) -> None:
    page = person.new_page()
    watch = Watch(page, address)
    counts = segments(study.run("unet"), "test").counts
    true, predicted = map(int, np.unravel_index((counts - np.diag(np.diag(counts))).argmax(), counts.shape))
    page.goto(f"{address}/confusion?study=squares&run=unet&split=test&methods=gradcam")
    ready(page)
    click_cell(page, true, predicted)
    gallery_shows(page, title_of(list(study.class_names), true, predicted), seconds=SHOWN_MS / 1000)
    assert "target=difference" in page.url
    outline = page.locator(".st-key-gallery article img.mask").first
    expect(outline).not_to_have_js_property("naturalWidth", 0, timeout=SHOWN_MS)
    page.get_by_role("button", name="Open sample").first.click()
    page.wait_for_url(lambda url: "/sample?" in url and f"{predicted}-{true}%40confused" in url, timeout=SHOWN_MS)
    settled(page, "confused")
    assert not watch.problems


def test_a_dropped_picture_shows_its_regions_and_why(address: str, study: Study, person: BrowserContext) -> None:
    page, buffer, row = person.new_page(), io.BytesIO(), int(study.rows("test")[0])
    watch, store = Watch(page, address), study.run("unet").label_maps()
    said = store.get(row) if store is not None else None
    assert said is not None
    most = int(np.bincount(said.label_map.ravel()).argmax())
    page.goto(f"{address}/new-pictures?study=squares&run=unet&methods=gradcam&target={most}")
    ready(page)
    study.picture(row).save(buffer, "PNG")
    mine = {"name": "mine & yours.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    page.locator("input[type=file]").set_input_files([mine])
    section = page.locator(".new-regions section")
    expect(section).to_have_count(1, timeout=SHOWN_MS)
    expect(section).to_contain_text("mine & yours.png")
    expect(section).to_contain_text(study.class_names[most])
    heat = page.locator(".st-key-new-pictures button.frame img.heat")
    expect(heat).to_have_count(1, timeout=SHOWN_MS)
    for shown in (section.locator("img.mask"), heat):
        shown.scroll_into_view_if_needed()
        expect(shown).not_to_have_js_property("naturalWidth", 0, timeout=SHOWN_MS)
    assert not watch.problems
