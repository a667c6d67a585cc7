"""Five class activation maps of every Fashion-MNIST test picture, into the store, by the steps of `xai explain`.

`python -m benchmarks.dataset --json [STUDY]`: a temporary study with a fresh small_resnet, or the given study and its
run (its weights do not matter here; what it has stored of these maps is not made again, so give one without).
Keys:
`images_per_second`, `share_outside_model` (the part of the time that is neither the model's forward nor the cut
backward), `peak_mb` (the process's memory at its largest), `bytes_per_image` on disk, `speedup_vs_pytorch_grad_cam`
(the same methods on `pictures_of_pytorch_grad_cam` of the pictures, read alike and stored nowhere).
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.cams import METHODS, theirs
from benchmarks.report import run
from xai_core.models.build import fresh_module
from xai_core.models.classifier import Classifier
from xai_core.models.preprocess import Preprocess
from xai_core.models.weights import save_weights
from xai_core.pipeline.explain import Request, explain_steps
from xai_core.pipeline.imports import Model, import_model
from xai_core.pipeline.load import Bench, inputs
from xai_core.store.run import Run
from xai_core.store.study import Study

BATCH = 32
MEAN, STD = (0.286,), (0.353,)


class Stopwatch:
    """Sums up the seconds that wrapped calls take."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""

        def timed(*args: Any, **words: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **words)
            finally:
                self.seconds += time.perf_counter() - start

        return timed


@contextmanager
def time_in_model(classifier: Classifier) -> Iterator[Stopwatch]:
    """Of the model's forwards, and of all backwards."""
    watch, forward = Stopwatch(), classifier.module.forward
    classifier.module.forward = watch.wrap(forward)  # type: ignore[method-assign]
    try:
        with patch.object(torch.autograd, "grad", watch.wrap(torch.autograd.grad)):
            yield watch
    finally:
        classifier.module.forward = forward  # type: ignore[method-assign]


def temporary_run(folder: Path, data: Path) -> Run:
    """A study of Fashion-MNIST with a fresh model."""
    path = folder / "study"
    words = ["new", str(path), "--dataset", "fashion-mnist", "--data", str(data)]
    subprocess.run([sys.executable, "-m", "xai_core", *words], check=True, capture_output=True)
    study, weights = Study.open(path), folder / "weights.safetensors"
    save_weights(fresh_module("small_resnet", len(study.class_names), Preprocess(28, 28, 1, MEAN, STD)), weights)
    return import_model(study, "fresh", Model("small_resnet", weights, study.class_names, None, 28, MEAN, STD))


def predict(bench: Bench, made: Run, rows: NDArray[np.int64]) -> None:
    """Of these rows alone."""
    classifier, found = bench.classifier(made), []
    with torch.inference_mode():
        for first in range(0, len(rows), 64):
            logits = classifier.logits(inputs(made.study, classifier, rows[first : first + 64].tolist()))
            found.append(logits.softmax(1).numpy())
    made.write_predictions(rows, np.concatenate(found))


def explained(bench: Bench, made: Run, rows: NDArray[np.int64]) -> dict[str, float]:
    """Store all maps and tell what it took, after the first picture has warmed up."""
    folder = made.path / "explanations"
    methods: list[tuple[str, dict[str, Any]]] = [(key, {}) for key in METHODS]
    list(explain_steps(bench, Request(made, rows[:1].tolist(), "predicted", methods)))
    before, rows = size_of(folder), rows[1:]
    with time_in_model(bench.classifier(made)) as watch:
        start = time.perf_counter()
        list(explain_steps(bench, Request(made, rows.tolist(), "predicted", methods)))
        seconds = time.perf_counter() - start
    return {
        "images_per_second": round(len(rows) / seconds, 1),
        "share_outside_model": round(1 - watch.seconds / seconds, 3),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "bytes_per_image": round((size_of(folder) - before) / len(rows), 1),
    }


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def peers_per_second(bench: Bench, made: Run, rows: NDArray[np.int64]) -> float:
    classifier = bench.classifier(made)
    classifier.module.requires_grad_(True)
    start = time.perf_counter()
    for first in range(0, len(rows), BATCH):
        theirs(classifier, inputs(made.study, classifier, rows[first : first + BATCH].tolist()))
    return len(rows) / (time.perf_counter() - start)


def measure(args: argparse.Namespace) -> Mapping[str, Any]:
    """Ours on all pictures, then the peer on some."""
    with TemporaryDirectory() as folder:
        if args.study is None:
            made = temporary_run(Path(folder), args.data)
        else:
            study = Study.open(args.study)
            made = study.run(args.run or study.runs()[0])
        bench, rows = Bench("cpu"), made.study.rows("test")[: args.pictures]
        if args.study is None:
            predict(bench, made, rows)
        found = explained(bench, made, rows)
        few = rows[: args.peer_pictures]
        speedup = found["images_per_second"] / peers_per_second(bench, made, few)
    peer = {"speedup_vs_pytorch_grad_cam": round(speedup, 2), "pictures_of_pytorch_grad_cam": len(few)}
    return {**found, **peer, "pictures": len(rows), "threads": torch.get_num_threads()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", nargs="?", type=Path, help="a study of Fashion-MNIST with a run")
    parser.add_argument("--run", help="its run; the first without")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/fashion-mnist"), help="the four files")
    parser.add_argument("--pictures", type=int, default=2_000, help="so many of the test split")
    parser.add_argument("--peer-pictures", type=int, default=320, help="so many for pytorch-grad-cam")
    run(measure, parser, full={"pictures": 10_000, "peer_pictures": 640})
