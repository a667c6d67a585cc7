"""What a person does on the pages: choosing a cell, waiting for the gallery."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

_SHADOWS = """
  const all = (selector, root = document) => {
    const found = [...root.querySelectorAll(selector)];
    for (const node of root.querySelectorAll('*')) if (node.shadowRoot) found.push(...all(selector, node.shadowRoot));
    return found;
  };
"""
_GALLERY_SHOWS = (
    """([title, ready]) => {"""
    + _SHADOWS
    + """
  const heading = document.querySelector('.st-key-gallery .cell-title h2');
  if (!heading || heading.textContent !== title) return false;
  const cards = all('.cards article', document.querySelector('.st-key-gallery'));
  if (!cards.length || heading.closest('[data-stale="true"]')) return false;
  const seen = cards.filter((card) => { const box = card.getBoundingClientRect();
    return box.height && box.top < innerHeight && box.bottom > 0; });
  const images = (seen.length ? seen : cards.slice(0, 1)).flatMap((card) => [...card.querySelectorAll('img')]);
  const waiting = ready ? cards.some((card) => card.querySelector('figure[data-state="waiting"]')) : false;
  return images.length > 0 && !waiting && images.every((image) => image.complete && image.naturalWidth > 0);
}"""
)
_CLOCK = """() => {
  addEventListener('pointerdown', () => { window.pressed = performance.now(); window.seen = null; }, true);
}"""
_WATCH = (
    """([title, ready]) => {
  const shows = """
    + _GALLERY_SHOWS
    + """;
  const look = () => { if (shows([title, ready])) window.seen = performance.now(); else requestAnimationFrame(look); };
  window.seen = null; requestAnimationFrame(look);
}"""
)


def title_of(names: list[str], true: int, predicted: int) -> str:
    """The heading of the gallery for a cell."""
    return f"{names[true]}, recognised" if true == predicted else f"{names[true]} taken for {names[predicted]}"


def click_cell(page: Page, true: int, predicted: int) -> None:
    """Click the middle of a cell of the confusion matrix (classes in the given order)."""
    canvas = page.locator(".st-key-confusion-matrix canvas")
    canvas.wait_for()
    page.wait_for_function("() => true")
    data: dict[str, Any] = canvas.evaluate("c => ({left: +c.dataset.left, cell: +c.dataset.cell})")
    middle = [data["left"] + (predicted + 0.5) * data["cell"], (true + 0.5) * data["cell"]]
    canvas.click(position={"x": middle[0], "y": middle[1]})


def gallery_shows(page: Page, title: str, *, seconds: float = 60, computed: bool = True) -> None:
    """Wait until the gallery has this heading and its visible pictures are there (and, if computed, all heatmaps)."""
    # Four times a second: in each frame, looking would take the core that the worker needs.
    page.wait_for_function(_GALLERY_SHOWS, arg=[title, computed], polling=250, timeout=seconds * 1000)


def timed_click(page: Page, true: int, predicted: int, title: str) -> float:
    """Milliseconds from pressing the mouse on a cell to the gallery with all its visible pictures, in the browser."""
    if not page.evaluate("() => window.clocked"):
        page.evaluate(_CLOCK)
        page.evaluate("() => { window.clocked = true; }")
    page.evaluate(_WATCH, [title, True])
    click_cell(page, true, predicted)
    page.wait_for_function("() => window.seen !== null", timeout=30_000)
    return float(page.evaluate("() => window.seen - window.pressed"))
