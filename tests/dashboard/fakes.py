"""A small study on disk and a worker that computes nothing but fills the store."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from xai_core.datasets.base import SAMPLE_COLUMNS, Scan
from xai_core.errors import XaiError
from xai_core.explainers import EXPLAINERS
from xai_core.params import build
from xai_core.store.run import Run, RunInfo
from xai_core.store.study import Study
from xai_core.types import several
from xai_core.worker.client import Worker
from xai_core.worker.jobs import Job, WorkerStatus
from xai_core.worker.requests import Explain, Request

CLASSES = ("cat", "<b>dog</b>", "T-shirt/top")
PREPROCESS = {"height": 16, "width": 16, "channels": 3, "mean": [0.5] * 3, "std": [0.5] * 3, "fit": "crop"}


def make_study(path: Path, *, samples: int = 30, classes: Sequence[str] = CLASSES) -> Study:
    """Pictures of one colour each, 24 × 16 pixels; every third sample belongs to one class; all of the test split."""
    data = path.parent / f"{path.name}-data"
    rows = []
    for i in range(samples):
        label = i % len(classes)
        file = data / f"{label}" / f"{i:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (24, 16), (8 * i % 256, 40, 90)).save(file)
        rows.append((f"s{i:03d}", "test", label, f"{label}/{i:03d}.png", -1, 24, 16, False, f"{i:064x}"))
    table = pd.DataFrame(rows, columns=list(SAMPLE_COLUMNS))
    scan = Scan(table, tuple(classes))
    return Study.create(path, dataset="image-folder", params={}, data=data, seed=0, scan=scan)


def add_run(
    study: Study,
    name: str,
    *,
    model: bool = True,
    wrong_every: int = 4,
    predictions: bool = True,
    fingerprint: str = "f" * 64,
    arm: str = "",
) -> Run:
    """A run that is wrong on every `wrong_every`-th sample, where it takes a class for the next one."""
    info = RunInfo("fake", PREPROCESS, "layer", fingerprint, arm=arm) if model else RunInfo()
    run = study.add_run(name, info)
    if not predictions:
        return run
    labels, classes = study.labels, len(study.class_names)
    wrong = np.arange(len(labels)) % wrong_every == 0
    predicted = np.where(wrong, (labels + 1) % classes, labels)
    chances = np.full((len(labels), classes), 0.3 / (classes - 1), np.float32)
    chances[np.arange(len(labels)), predicted] = 0.7
    run.write_predictions(np.arange(len(labels)), chances)
    return run


@dataclass
class FakeWorker:
    """Notes what it is asked; `finish` fills the store with blobs, all at once or map by map.

    With `joins` the same request while one is open is that one's job, as the real worker has it.
    """

    asked: dict[str, dict[str, Any]] = field(default_factory=dict)
    known: dict[str, Job] = field(default_factory=dict)
    seconds_per_map: float | None = None
    started: bool = False
    error: str | None = None
    joins: bool = False
    owners: dict[str, set[str]] = field(default_factory=dict)

    def start(self) -> None:
        self.started = True

    def stop(self) -> None:
        self.started = False

    def ask(self, request: Request, *, owner: str = "") -> str:
        about = dict(vars(request))
        same = (job for job, asked in self.asked.items() if asked == about and self.known[job].open)
        if self.joins and (job := next(same, None)):
            self.owners[job].add(owner)
            return job
        name = f"job{len(self.asked)}"
        self.asked[name] = about
        self.owners[name] = {owner}
        self.known[name] = Job(name, request.title, total=request.total)
        if self.seconds_per_map is not None and isinstance(request, Explain):
            threading.Thread(target=self.finish, args=(name,), daemon=True).start()
        return name

    def looked(self, name: str) -> None:
        """Do a job of `look` as the real worker does."""
        from xai_core.pipeline.load import Bench
        from xai_core.worker.operations import look

        try:
            for done, total in look(Bench("cpu"), self.asked[name]):
                self.known[name] = replace(self.known[name], state="running", done=done, total=total)
        except XaiError as error:
            self.fail(name, str(error))
        else:
            self.known[name] = replace(self.known[name], state="done")

    def finish(self, name: str) -> None:
        """Do the job."""
        asked = self.asked[name]
        run = Study.open(asked["study"]).run(asked["run"])
        for key, values in asked["methods"]:
            for row in asked["rows"]:
                if not self.known[name].open:
                    return
                for spec in several(asked["target"]):
                    _put_blob(run, key, values, row, spec, asked["weights"])
                job = self.known[name]
                left = (job.total - job.done) * (self.seconds_per_map or 0)
                self.known[name] = replace(job, state="running", done=job.done + 1, seconds_left=left)
                time.sleep(self.seconds_per_map or 0)
        self.known[name] = replace(self.known[name], state="done")

    def fail(self, name: str, error: str) -> None:
        """End the job with an error."""
        self.known[name] = replace(self.known[name], state="failed", error=error)

    def cancel(self, name: str) -> None:
        self.known[name] = replace(self.known[name], state="cancelled")

    def job(self, name: str) -> Job | None:
        return self.known.get(name)

    def jobs(self) -> list[Job]:
        return list(self.known.values())[::-1]

    def status(self) -> WorkerStatus:
        return WorkerStatus(self.started, "cpu" if self.started else "", None)


def _as_the_pages_see_it() -> Worker:
    """Types are checked for this file: what it repeats of the real worker's signatures is the same."""
    return FakeWorker()


def _put_blob(run: Run, key: str, values: Mapping[str, Any], row: int, target: str, weights: str) -> None:
    """A spot that lies elsewhere for another picture and, but for the control, for another model."""
    explainer = EXPLAINERS[key]
    maps = run.maps(key, build(explainer.params, values), weights=weights, create=True)
    assert maps is not None
    resolved = run.targets([row], target)[0].key
    side = 7 if explainer.formula else 28
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    turn = (row + 3 * (weights != "trained" and key != "edges")) % 7 / 7 * 2 * np.pi
    blob = np.exp(-((x - 0.4 * np.cos(turn)) ** 2 + (y - 0.4 * np.sin(turn)) ** 2) * 5) - 0.2
    maps.put([row], [resolved], blob[None].astype(np.float32), {}, [None])
