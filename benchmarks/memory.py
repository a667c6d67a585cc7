"""How much the server's memory grows while somebody leafs through galleries, in a real browser.

`python -m benchmarks.memory --json`: pages of 24 cards with three pixel methods at 224 px, whose maps are stored (as
noise: what is drawn does not matter here, what is kept does). Keys: `mb_per_100_pages`, `mb_after_first_pages` (what
caches fill once is in neither), `failed_tiles` (of all that were on a screen, and of the first page once more at the
end).
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from playwright.sync_api import Page, Response, sync_playwright

from benchmarks.report import Clock, run
from tests.browser.serving import dashboard, launch, ready
from xai_core.datasets.base import SAMPLE_COLUMNS, Scan
from xai_core.explainers import EXPLAINERS
from xai_core.store.run import RunInfo
from xai_core.store.study import Study

SIDE, CARDS, METHODS = 224, 24, ("saliency", "ig", "lrp")
FIRST = 20
"""Pages before the first look at memory: modules are imported and caches filled by then."""
PREPROCESS = {"height": SIDE, "width": SIDE, "channels": 3, "mean": [0.5] * 3, "std": [0.5] * 3, "fit": "crop"}


def made(folder: Path, samples: int) -> Study:
    """A study of noise with one class that is always taken for the other, and its maps."""
    chance = np.random.default_rng(0)
    data = folder / "data"
    data.mkdir()
    rows = []
    for i in range(samples):
        pixels = chance.integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((256, 256), Image.Resampling.BICUBIC).save(data / f"{i}.jpg")
        rows.append((f"s{i:05d}", "test", 0, f"{i}.jpg", -1, 256, 256, False, f"{i:064x}"))
    scan = Scan(pd.DataFrame(rows, columns=list(SAMPLE_COLUMNS)), ("a", "b"))
    study = Study.create(folder / "study", dataset="image-folder", params={}, data=data, seed=0, scan=scan)
    run_ = study.add_run("net", RunInfo("fake", PREPROCESS, "layer", "f" * 64))
    run_.write_predictions(np.arange(samples), np.tile(np.array([0.2, 0.8], np.float32), (samples, 1)))
    for method in METHODS:
        maps = run_.maps(method, EXPLAINERS[method].params(), create=True)
        assert maps is not None
        for start in range(0, samples, CARDS):
            at = np.arange(start, min(start + CARDS, samples))
            small = chance.standard_normal((len(at), SIDE // 4, SIDE // 4)).astype(np.float32)
            maps.put(at, ["1"] * len(at), small.repeat(4, 1).repeat(4, 2))
    return study


def server_of(address: str) -> int:
    """The process that listens there: a child of this one or of it."""
    port = address.rsplit(":", 1)[1]
    found = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    lines = [line.split(None, 1) for line in found.splitlines() if re.search(rf"\b{port}\b", line)]
    return max((int(pid) for pid, _ in lines), key=resident)


def resident(pid: int) -> float:
    """Resident memory in MB, of this process alone."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) * 1024 / 1e6  # type: ignore[index]


def turn_to(page: Page, number: int) -> None:
    """From the gallery's page before it to the page of this number, with all its tiles on the screen."""
    first = page.evaluate(f"() => ({_TILES})()[0].src")
    page.locator('[data-testid="stPaginationNext"]').click()
    page.locator('[data-testid="stPaginationPageActive"]', has_text=re.compile(f"^{number}$")).wait_for()
    page.wait_for_function(_SHOWN, arg=[CARDS * (1 + len(METHODS)), first], polling=100, timeout=60_000)


_TILES = """() => {
  const all = (root) => [...root.querySelectorAll('*')].flatMap((n) => n.shadowRoot ? [n, ...all(n.shadowRoot)] : [n]);
  return all(document).filter((n) => n.tagName === 'IMG' && n.src.includes('/tiles/'));
}"""
_SHOWN = f"""([count, before]) => {{
  const tiles = ({_TILES})();
  return tiles.length >= count && tiles[0].src !== before && tiles.every((tile) => tile.complete && tile.naturalWidth);
}}"""


def measure(args: argparse.Namespace) -> Mapping[str, Any]:
    """Leaf through a study."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("benchmarks.memory needs Chromium on the path")
    pages = args.pages + FIRST
    with tempfile.TemporaryDirectory() as folder:
        study = made(Path(folder), pages * CARDS)
        with dashboard([study.path]) as address, sync_playwright() as playwright:
            browser = launch(playwright, chromium)
            result = leafed(browser.new_page(viewport={"width": 1280, "height": 9000}), address, pages, args.clock)
            browser.close()
    return result


def leafed(page: Page, address: str, pages: int, clock: Clock) -> dict[str, Any]:
    """Memory of the server while the pages are turned."""
    tiles: dict[str, int] = {}

    def seen(response: Response) -> None:
        if "/tiles/" in response.url:
            tiles[response.url] = response.status

    page.on("response", seen)
    methods = f"methods={','.join(METHODS)}"
    page.goto(f"{address}/confusion?study=study&run=net&split=test&true=0&predicted=1&{methods}")
    ready(page)
    page.wait_for_function(_SHOWN, arg=[1, ""], polling=100, timeout=60_000)
    first = list(tiles)
    server, sizes = server_of(address), []
    for turned in clock.rounds(pages - 1, least=FIRST + 1):
        turn_to(page, turned + 2)
        sizes.append(resident(server))
    again = [page.request.get(url, timeout=30_000).status for url in first]
    grown = sizes[-1] - sizes[FIRST - 2]
    return {
        "mb_per_100_pages": round(100 * grown / (len(sizes) - FIRST + 1), 1),
        "mb_after_first_pages": round(sizes[FIRST - 2], 1),
        "mb_at_end": round(sizes[-1], 1),
        "pages": len(sizes) + 1,
        "tiles": len(tiles),
        "failed_tiles": sum(status >= 400 for status in [*tiles.values(), *again]),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=60, help="pages to turn after the first twenty, at most")
    run(measure, parser, full={"pages": 200})
