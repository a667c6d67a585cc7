"""A study of a million samples, made up in a temporary folder: what opening it costs, and how small predictions are.

`python -m benchmarks.scale --json`. Keys: `open_1m_cpu_seconds` (processor time of opening the study and a run's
predictions, imports left out), `overview_1m_cpu_seconds` and `cell_1m_cpu_seconds` (what Overview and a clicked cell
ask of them, after opening), `bytes_per_prediction` of `--classes` classes (all of them were 4 each), and
`predict_cpu_seconds_per_100k` (storing alone, as for a model that costs nothing; of some and of twice as many).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.report import run
from xai_core.datasets.base import Scan
from xai_core.pipeline.predict import SAVE_EVERY
from xai_core.store.run import RunInfo
from xai_core.store.study import Study
from xai_core.triage.confusion import confusion_counts
from xai_core.triage.ordering import order_by, sort_scores
from xai_core.triage.quality import quality, reliability


def made_up(folder: Path, count: int, classes: int) -> Study:
    """A study of so many samples of as many classes; its pictures do not exist."""
    numbers = np.arange(count)
    samples = pd.DataFrame(
        {
            "id": [f"class/{i:07d}.jpg" for i in range(count)],
            "split": np.where(numbers % 10 < 8, "train", np.where(numbers % 10 == 8, "validation", "test")),
            "label": numbers % classes,
            "path": [f"class/{i:07d}.jpg" for i in range(count)],
            "index": -1,
            "width": 64,
            "height": 64,
            "has_mask": False,
            "sha256": [f"{i:064x}" for i in range(count)],
        }
    )
    scan = Scan(samples, tuple(f"class {i}" for i in range(classes)))
    return Study.create(folder, dataset="image-folder", params={}, data=folder, seed=0, scan=scan)


def chances(rows: int, classes: int, seed: int = 0) -> NDArray[np.float32]:
    """Made-up probabilities, with one large one each."""
    found = np.random.default_rng(seed).random((rows, classes), dtype=np.float32) ** 8
    found /= found.sum(axis=1, keepdims=True)
    return found


def cpu(work: Callable[[], Any]) -> float:
    """Processor seconds of some work."""
    start = time.process_time()
    work()
    return time.process_time() - start


def opened(path: Path) -> float:
    """CPU seconds of opening a study with the predictions of its run."""

    def work() -> None:
        found = Study.open(path).run("run")
        assert found.predictions is not None

    return cpu(work)


def asked(path: Path) -> dict[str, float]:
    """CPU seconds of what two pages ask of the open study."""
    study = Study.open(path)
    predictions = study.run("run").predictions
    assert predictions is not None
    classes = len(study.class_names)

    def overview() -> None:
        rows = study.rows("train")
        said = predictions.at(rows)
        quality(study.labels[rows], said.predicted, said.confidence, classes)
        reliability(study.labels[rows], said.predicted, said.confidence)
        study.duplicates()

    def cell() -> None:
        rows = study.rows("train")
        labels, predicted = study.labels[rows], predictions.at(rows).predicted
        confusion_counts(labels, predicted, classes)
        members = rows[(labels == 1) & (predicted == 2)]
        shown = members[order_by(sort_scores("margin", predictions.at(members)), descending=False)][:24]
        study.annotations.of(shown.tolist())
        _ = study.samples["id"].iloc[shown].tolist()

    return {"overview_1m_cpu_seconds": round(cpu(overview), 2), "cell_1m_cpu_seconds": round(cpu(cell), 2)}


def stored(folder: Path, count: int, classes: int) -> float:
    """CPU seconds that storing so many predictions takes as `xai predict` stores them, brought together at the end."""
    made = made_up(folder, count, classes).add_run("run", RunInfo())
    seconds = 0.0
    for first in range(0, count, SAVE_EVERY):
        rows = np.arange(first, min(first + SAVE_EVERY, count))
        some = chances(len(rows), classes, first)
        start = time.process_time()
        made.add_predictions(rows, some)
        seconds += time.process_time() - start
    start = time.process_time()
    made.settle_predictions()
    return seconds + time.process_time() - start


def measure(args: argparse.Namespace) -> Mapping[str, Any]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        study = made_up(folder / "large", args.samples, 10)
        study.add_run("run", RunInfo()).write_predictions(np.arange(args.samples), chances(args.samples, 10))
        found: dict[str, Any] = {"open_1m_cpu_seconds": round(opened(folder / "large"), 2), **asked(folder / "large")}
        few = args.samples // 10
        seconds = stored(folder / "one", few, args.classes), stored(folder / "two", 2 * few, args.classes)
        size = (folder / "two" / "runs" / "run" / "predictions.parquet").stat().st_size
        each = [round(s * 1e5 / n, 2) for s, n in zip(seconds, (few, 2 * few), strict=True)]
        found |= {"bytes_per_prediction": round(size / (2 * few), 1), "predict_cpu_seconds_per_100k": each}
    return {**found, "samples": args.samples, "classes": args.classes}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1_000_000, help="of the study")
    parser.add_argument("--classes", type=int, default=1000, help="of the predictions that are stored")
    run(measure, parser)
