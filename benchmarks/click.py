"""From a click on a cell of the confusion matrix to its gallery, in a real browser, with stored maps.

`python -m benchmarks.click --json [STUDY…]`: the bundled demo, and any other study folder given (its largest
confusions are explained first where they are not). Keys: `click_ms_median`, `click_ms_p95`, by study.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks.report import Clock, run
from tests.browser.driving import click_cell, gallery_shows, timed_click, title_of
from tests.browser.serving import dashboard, launch, ready
from xai_core.demo.bundle import working_copy
from xai_core.store.study import Study
from xai_core.triage.confusion import confusion_counts, worst_pairs

METHODS = "gradcam,gradcam++,lrp,ig,shap"
CELLS = 6


def cells(study: Study, run_name: str) -> list[tuple[int, int]]:
    """The largest confusions of the test split."""
    predictions = study.run(run_name).predictions
    assert predictions is not None, "a run that is measured has predictions"
    inside = np.isin(predictions.rows, study.rows("test"))
    labels = study.labels[predictions.rows[inside]]
    counts = confusion_counts(labels, predictions.predicted[inside], len(study.class_names))
    pairs = worst_pairs(counts, study.class_names, CELLS)
    return list(zip(pairs["true"].tolist(), pairs["predicted"].tolist(), strict=True))


def explain(study: Study, run_name: str, wanted: list[tuple[int, int]]) -> None:
    """Store the maps of these cells."""
    for true, predicted in wanted:
        words = ["explain", str(study.path), "--run", run_name, "--methods", METHODS, "--cell", f"{true}:{predicted}"]
        subprocess.run([sys.executable, "-m", "xai_core", *words], check=True, stdout=subprocess.DEVNULL)


def clicks(page: Page, address: str, study: Study, run_name: str, count: int, clock: Clock) -> list[float]:
    """Milliseconds of up to `count` clicks on different cells in turn; the first round warms tiles and the cache up."""
    wanted, names = cells(study, run_name), list(study.class_names)
    page.goto(f"{address}/confusion?study={study.name}&run={run_name}&split=test")
    ready(page)
    for true, predicted in wanted:
        click_cell(page, true, predicted)
        gallery_shows(page, title_of(names, true, predicted))
        page.wait_for_timeout(700)
    times, before, chance = [], wanted[-1], random.Random(0)
    for _ in clock.rounds(count):
        cell = chance.choice([one for one in wanted if one != before])
        times.append(timed_click(page, *cell, title_of(names, *cell)))
        before = cell
        page.wait_for_timeout(700)
    return times


def measure(args: argparse.Namespace) -> Mapping[str, Any]:
    """Click through each study."""
    studies = [Study.open(path) for path in (working_copy(), *args.studies)]
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("benchmarks.click needs Chromium on the path")
    result: dict[str, dict[str, float]] = {"click_ms_median": {}, "click_ms_p95": {}, "clicks": {}}
    for study in studies:
        explain(study, args.run, cells(study, args.run))
    with dashboard([study.path for study in studies]) as address, sync_playwright() as playwright:
        browser = launch(playwright, chromium)
        for left, study in zip(range(len(studies), 0, -1), studies, strict=True):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            times = clicks(page, address, study, args.run, args.clicks, args.clock.part(left))
            result["click_ms_median"][study.name] = round(float(np.median(times)), 1)
            result["click_ms_p95"][study.name] = round(float(np.percentile(times, 95)), 1)
            result["clicks"][study.name] = len(times)
            page.close()
        browser.close()
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="*", type=Path, help="other study folders")
    parser.add_argument("--run", default="baseline", help="name of the run, the same in all studies")
    parser.add_argument("--clicks", type=int, default=30, help="at most, per study")
    run(measure, parser)
