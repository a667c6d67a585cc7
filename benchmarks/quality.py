"""Metrics of maps against those of torchcam, pytorch-grad-cam, Captum and Quantus; and a whole table of them.

`python -m benchmarks.quality --json`: on 64 test pictures of Fashion-MNIST, a fresh small_resnet and its Grad-CAMs,
each metric and the peer's of the same setting (steps, pictures that go through the model, fill) take turns; figures are
medians of the ratio. What a peer makes in one go ours do too, and have one ratio. Keys: `speedup_vs_peer` (by metric),
`peers` (whose it is, and where it is wrong; Quantus only where it is installed), `seconds_for_table`:
`metrics_of_table` × `methods_of_table` on `pictures_of_table` pictures by the steps of `xai score`, the maps included;
null where three quarters of the time were up before that: then `done` of `total` maps and scores took `seconds_so_far`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import peers
from benchmarks.dataset import predict, temporary_run
from benchmarks.report import Clock, run
from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.engine.output import weights_of
from xai_core.explainers.engine.plan import explain
from xai_core.metrics import METRICS, MetricInput, ModelInput, score
from xai_core.metrics.grids import on_grid
from xai_core.models.classifier import Classifier
from xai_core.params import build
from xai_core.pipeline.load import Bench, inputs
from xai_core.pipeline.score import ScoreRequest, score_steps
from xai_core.store.run import Run
from xai_core.types import Explanation, Target

PICTURES, PATCHES, STEPS = 64, 20, 28
TABLES_PART = 4 / 3
"""The table has three quarters of the time, if it takes so long."""
TABLE = ("average-drop", "increase", "deletion", "insertion", "road", "infidelity", "sparseness", "complexity")
METHODS = ("gradcam", "layercam", "lrp", "saliency", "random", "edges")


class Taken(NamedTuple):
    """As the peers take it: maps brought to the input's size beforehand, which ours do themselves."""

    module: nn.Module
    x: Tensor
    maps: Any
    classes: list[int]

    @classmethod
    def of(cls, given: MetricInput) -> Taken:
        """Of 0 to 1, float32."""
        maps = on_grid(np.maximum(given.maps, 0), given.size).astype(np.float32)
        maps /= maps.max(axis=(1, 2), keepdims=True).clip(1e-9)
        return cls(given.model.classifier.module, given.model.x, maps, [each.positive for each in given.targets])


@dataclass(frozen=True)
class Pair:
    """Metrics of ours, with parameters, and what a peer makes of the same setting in one go."""

    ours: Mapping[str, Mapping[str, Any]]
    peer: str
    theirs: Callable[[Taken, Any], object]

    def score(self, asked: MetricInput) -> None:
        """Ours, of samples of which nothing is known yet."""
        fresh = replace(asked, asked=replace(asked.model))
        for key, values in self.ours.items():
            params: Any = build(METRICS[key].params, values)
            score(METRICS[key], fresh, params)


PAIRS = (
    Pair(
        {"deletion": {"steps": STEPS}, "insertion": {"steps": STEPS, "fill": "mean"}},
        "torchcam 0.5: sound; it makes deletion and insertion together, and so do ours",
        lambda taken, _: peers.torchcam_areas(*taken, steps=STEPS),
    ),
    Pair(
        {"average-drop": {"fill": "mean"}},
        "pytorch-grad-cam 1.5: wrong, it does not divide by the probability",
        lambda taken, _: peers.gradcam_drop(*taken),
    ),
    Pair(
        {"road": {"steps": 5}},
        "pytorch-grad-cam 1.5: wrong for rectified maps, whose zeros it removes all at once",
        lambda taken, _: peers.gradcam_road(*taken, percentiles=[20, 40, 60, 80]),
    ),
    Pair(
        {"infidelity": {"patches": PATCHES}},
        "Captum 0.9: the best scale may be negative",
        lambda taken, _: peers.captum_infidelity(*taken, patches=PATCHES, side=0.25),
    ),
)


def of_quantus(key: str, name: str, note: str = "sound") -> Pair:
    return Pair({key: {}}, f"Quantus 0.6: {note}", lambda taken, masks: peers.quantus(name, *taken, masks))


QUANTUS = (
    of_quantus("bbox", "RelevanceRankAccuracy"),
    of_quantus("energy-pointing-game", "RelevanceMassAccuracy"),
    of_quantus("pointing-game", "PointingGame", "wrong for empty masks, which count as hits"),
    of_quantus("sparseness", "Sparseness"),
    of_quantus("complexity", "Complexity"),
)


def given(classifier: Classifier, x: Tensor) -> MetricInput:
    """Grad-CAMs of the predicted classes, and boxes as masks."""
    count, size = len(x), tuple(x.shape[-2:])
    with torch.no_grad():
        targets = [Target(each) for each in classifier.logits(x).argmax(1).tolist()]
    seeds = np.arange(count, dtype=np.int64)

    def again(model: Classifier, x: Tensor, rows: Any) -> Explanation:
        some = ExplainerInput(model, x, [targets[row] for row in rows], seeds[rows])
        return explain(some, [("gradcam", None)])[0]

    masks = np.zeros((count, *size), dtype=bool)
    masks[:, 6:22, 8:20] = True
    asked = ModelInput(classifier, x, weights_of(classifier, targets), again)
    maps = again(classifier, x, np.arange(count)).maps
    card = EXPLAINERS["gradcam"].card
    return MetricInput(maps, card, targets, seeds, masks, np.ones(count, dtype=bool), asked=asked)


def speedups(asked: MetricInput, pairs: Sequence[Pair], repetitions: int, clock: Clock) -> dict[str, float]:
    """Medians over repetitions, in which ours and theirs take turns, of the time of theirs over that of ours."""
    found, few = dict[str, float](), asked.take(np.arange(2))
    for left, pair in zip(range(len(pairs), 0, -1), pairs, strict=True):
        ratios, part, taken = list[float](), clock.part(left), Taken.of(asked)
        pair.score(few)  # warm
        pair.theirs(Taken.of(few), few.masks)
        for _ in part.rounds(repetitions):
            began = time.perf_counter()
            pair.score(asked)
            between = time.perf_counter()
            pair.theirs(taken, asked.masks)
            ratios.append((time.perf_counter() - between) / (between - began))
        found |= dict.fromkeys(pair.ours, round(float(np.median(ratios)), 2))
    return found


def table(bench: Bench, made: Run, rows: list[int], clock: Clock) -> dict[str, float | int | None]:
    """Seconds until all scores are stored, maps included; None where the time is up before that."""
    metrics: list[tuple[str, dict[str, Any]]] = [(key, {}) for key in TABLE]
    methods: list[tuple[str, dict[str, Any]]] = [(key, {}) for key in METHODS]
    began, so_far = time.perf_counter(), (0, 1)
    for step in score_steps(bench, ScoreRequest(made, rows, "predicted", methods, metrics)):
        so_far = step
        if time.monotonic() > clock.until:
            break
    seconds, (done, total) = round(time.perf_counter() - began, 1), so_far
    finished = seconds if done == total else None
    return {"seconds_for_table": finished, "seconds_so_far": seconds, "done": done, "total": total}


def measure(args: argparse.Namespace) -> Mapping[str, Any]:
    """The table first, then metric by metric."""
    with TemporaryDirectory() as folder:
        made, bench = temporary_run(Path(folder), args.data), Bench("cpu")
        rows = made.study.rows("test")[: args.pictures]
        predict(bench, made, rows)
        whole = table(bench, made, rows.tolist(), args.clock.part(TABLES_PART))
        classifier = bench.classifier(made)
        asked = given(classifier, inputs(made.study, classifier, rows[:PICTURES].tolist()))
        pairs = PAIRS + (QUANTUS if find_spec("quantus") and args.quantus else ())
        found = speedups(asked, pairs, args.repetitions, args.clock)
    return {
        "speedup_vs_peer": found,
        "peers": {key: pair.peer for pair in pairs for key in pair.ours},
        **whole,
        "metrics_of_table": TABLE,
        "methods_of_table": METHODS,
        "pictures_of_table": len(rows),
        "threads": torch.get_num_threads(),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/fashion-mnist"), help="the four files")
    parser.add_argument("--pictures", type=int, default=200, help="so many in the table")
    parser.add_argument("--repetitions", type=int, default=5, help="of each pair, at most")
    parser.add_argument("--no-quantus", dest="quantus", action="store_false", help="though it is installed")
    run(measure, parser, full={"repetitions": 15})
