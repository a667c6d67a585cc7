"""Pictures from somebody's own disk, dropped on the page: what the model says of them, and its heatmaps."""

from __future__ import annotations

import io

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.serving import Watch, ready
from xai_core.store.study import Study

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


def test_dropped_pictures_are_predicted_and_explained(address: str, demo: Study, person: BrowserContext) -> None:
    page, buffer = person.new_page(), io.BytesIO()
    watch = Watch(page, address)
    page.goto(f"{address}/new-pictures?study=garments&run=baseline&methods=gradcam,lrp")
    ready(page)
    demo.picture(int(demo.rows("test")[0])).save(buffer, "PNG")
    files = {"mine & yours.png": buffer.getvalue(), "broken.png": b"\x89PNG\r\n\x1a\n123"}
    page.locator("input[type=file]").set_input_files(
        [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files.items()]
    )
    row = page.locator("table.new-pictures tbody tr")
    expect(row).to_have_count(1, timeout=120_000)
    expect(row).to_contain_text("mine & yours.png")
    expect(page.locator(".problem").first).to_contain_text("broken.png")
    heat = page.locator(".st-key-new-pictures button.frame img.heat")
    expect(heat).to_have_count(2, timeout=120_000)
    for shown in (row.locator("img").first, heat.first):
        shown.scroll_into_view_if_needed()
        expect(shown).not_to_have_js_property("naturalWidth", 0, timeout=60_000)  # looked up anew at each try
    page.get_by_role("link", name="Sample").click()
    expect(page.locator(".st-key-sample .portrait").first).to_be_visible(timeout=60_000)
    page.get_by_role("link", name="New pictures").click()
    expect(row).to_have_count(1, timeout=60_000)
    expect(page.get_by_text("Dropped before").first).to_be_visible()
    assert not watch.problems
