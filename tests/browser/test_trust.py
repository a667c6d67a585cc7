"""The mark beside a method's name by keyboard, and as who hears the page is told it; names of layers in a cascade."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.serving import Watch, ready
from xai_core.answers.badge import MARKS

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
CELL = "study=garments&run=baseline&split=test&true=0&predicted=4&methods=gradcam,lrp&method=gradcam"
SEEN_FOCUS = "e => ['outlineStyle', 'boxShadow'].some((name) => getComputedStyle(e)[name] !== 'none')"
LINES = """captions => captions.flatMap((caption) => {
  const texts = document.createTreeWalker(caption, NodeFilter.SHOW_TEXT), found = [];
  while (texts.nextNode()) {
    const range = document.createRange();
    for (const word of texts.currentNode.data.matchAll(/[^ ]+/g)) {
      range.setStart(texts.currentNode, word.index);
      range.setEnd(texts.currentNode, word.index + word[0].length);
      found.push([word[0], range.getClientRects().length]);
    }
  }
  return found;
})"""
"""Each word between the dots of captions, and on how many lines it stands."""


def tabbed_to(page: Page, wanted: Locator) -> int:
    """How many times Tab was pressed until this has the focus."""
    for times in range(1, 120):
        page.keyboard.press("Tab")
        if wanted.evaluate("e => e === document.activeElement"):
            return times
    raise AssertionError("Tab never comes there")


def test_a_mark_is_reached_opened_read_and_closed_without_a_mouse(address: str, person: BrowserContext) -> None:
    page = person.new_page()
    watch = Watch(page, address)
    page.goto(f"{address}/sample?{CELL}")
    ready(page)
    mark = page.locator(".st-key-badges").get_by_role("button", name=f"{MARKS['passes']} Grad-CAM: checked", exact=True)
    tabbed_to(page, mark)
    assert mark.evaluate(SEEN_FOCUS), "who tabs there sees where they are"
    said = page.get_by_role("dialog")
    for key in ("Enter", "Space", "Enter", "Space"):  # at once again: no answer of the server closes what is open
        expect(mark).to_have_attribute("aria-expanded", "false")
        page.keyboard.press(key)
        expect(mark).to_have_attribute("aria-expanded", "true")
        expect(said).to_contain_text("Random weights: Distinguishable from a method that ignores the model")
        expect(said).to_contain_text("Controls: better than Centre")
        page.keyboard.press("Escape")
        expect(said).to_have_count(0)
        expect(mark).to_be_focused()
    page.keyboard.press("Enter")
    evidence = said.get_by_role("button", name="See Sanity check")
    expect(evidence).to_be_visible()
    tabbed_to(page, evidence)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/sanity.*methods=gradcam"), timeout=30_000)
    assert not watch.problems


def test_names_of_layers_go_on_after_a_dot_and_not_within_a_word(address: str, person: BrowserContext) -> None:
    page = person.new_page()
    page.goto(f"{address}/sanity?{CELL}")
    ready(page)
    parts = page.locator(".board.flow figcaption").first
    expect(parts).to_contain_text("trained")
    lines = page.locator(".board.flow figcaption").evaluate_all(LINES)
    assert any(name.startswith("block") for name, _ in lines)
    assert [name for name, count in lines if count != 1] == []
