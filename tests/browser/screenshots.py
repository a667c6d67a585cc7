"""`python -m tests.browser.screenshots FOLDER`: the README's pictures, taken from the running demo."""

from __future__ import annotations

import argparse
import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.browser.driving import gallery_shows, title_of
from tests.browser.serving import dashboard, launch, ready
from xai_core.demo.bundle import working_copy
from xai_core.store.study import Study

SETTLED_MS = 2500


def main() -> None:
    """Write confusion.png and compare.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("needs Chromium on the path")
    study = Study.open(working_copy())
    names = list(study.class_names)
    dress, skirt = names.index("Dress"), names.index("Skirt")
    cell = f"study=garments&split=test&true={dress}&predicted={skirt}"
    with dashboard([study.path]) as address, sync_playwright() as playwright:
        browser = launch(playwright, chromium)
        page = browser.new_page(viewport={"width": 1440, "height": 1400})
        page.goto(f"{address}/confusion?{cell}&run=baseline")
        ready(page)
        gallery_shows(page, title_of(names, dress, skirt))
        page.wait_for_timeout(SETTLED_MS)
        save(page.screenshot(), folder / "confusion.png")
        page.goto(f"{address}/compare?{cell}&run=top-biased-crop&other=baseline")
        ready(page)
        page.wait_for_timeout(SETTLED_MS)
        save(page.screenshot(), folder / "compare.png")
        browser.close()


def save(content: bytes, path: Path) -> None:
    """As a PNG of 256 colours: a third of the size, and nothing that one would see."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.open(io.BytesIO(content)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
