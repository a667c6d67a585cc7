"""Does a metric of heatmaps put methods into the order of the truth? What each part of a picture counts is known.

`python -m benchmarks.metrics_truth --json [--full] [SETTING…]`. In every setting the maps of several methods are scored
by every metric that applies, and by the truth (`part-ranking`: does the evidence rank the parts as their importance
does). Of each metric Kendall's τ of the methods' means with those of the truth is given: 1 the same order, 0 none, −1
the reverse, with what 95 % of samples drawn again lie between. Methods alone are ranked; with controls, which know
nothing of the model, it is told beside it.

Settings are the two runs of the demo, where importances are what the model loses when a part alone is drawn away
(`docs/adr/0037-what-a-part-truly-counts.md`), and the models of `xai_core.truth`, where they follow from how the model
was built. Keys: `settings`, by name `samples`, `means` (by metric and method), `truth` (means of the truth with
intervals) and `agreement` (by metric `tau`, `low`, `high`, `methods`, `tau_with_controls`); and `tau_by_metric`: over
the settings in which a metric orders methods, the mean, the lowest and the highest, and how many.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import run
from xai_core.answers.metric_agreement import MetricPair, metric_pairs
from xai_core.answers.quality_choice import usual_metrics
from xai_core.answers.scored import Named, Scored, scored
from xai_core.demo.bundle import BUNDLE
from xai_core.errors import NotApplicable
from xai_core.explainers import EXPLAINERS
from xai_core.metrics import METRICS, score
from xai_core.pipeline.load import Bench
from xai_core.pipeline.score import ScoreRequest, score_steps
from xai_core.store.study import Study
from xai_core.triage.intervals import bootstrap_mean
from xai_core.triage.ordering import drawn
from xai_core.truth.asked import given
from xai_core.truth.constructed import MODELS, case

TRUTH = "part-ranking"
SEED = 0
TARGET = "predicted"
METHODS = (
    "gradcam", "gradcam++", "layercam", "eigencam", "scorecam", "lrp", "deeplift", "ig", "shap", "input_x_gradient",
    "saliency", "smoothgrad", "occlusion",
)  # fmt: skip
"""One of each kind: HiResCAM and XGrad-CAM of these nets are Grad-CAM."""
RUNS = {"garments, baseline": "baseline", "garments, top-biased crop": "top-biased-crop"}
SETTINGS = (*RUNS, *MODELS)


def controls() -> list[str]:
    return [each.card.key for each in EXPLAINERS if each.card.control and "region" not in each.card.needs]


def of_the_demo(run_name: str, folder: Path, args: argparse.Namespace) -> list[Scored]:
    """Scores of test samples, through the store: what was computed before is there."""
    if not (folder / BUNDLE.name).is_dir():
        shutil.copytree(BUNDLE, folder / BUNDLE.name)
    study = Study.open(folder / BUNDLE.name)
    one = study.run(run_name)
    rows = drawn(study.rows("test"), args.samples, SEED)
    methods: list[Named] = [(key, {}) for key in (*args.methods, *controls())]
    metrics: list[Named] = [(key, {}) for key in args.metrics or usual_metrics(one)]
    for _ in score_steps(Bench("cpu"), ScoreRequest(one, rows.tolist(), TARGET, methods, metrics)):
        pass
    return scored(one, rows, TARGET, methods, metrics)


def of_a_case(key: str, args: argparse.Namespace) -> Iterator[Scored]:
    """Scores of pictures for a model whose truth is known; methods that cannot be used with it are left out."""
    made = case(key, args.samples, SEED)
    for method in (*args.methods, *controls()):
        try:
            maps = given(made, method)
        except NotApplicable:
            continue
        for metric in METRICS:
            if not args.metrics or metric.card.key in args.metrics:
                found = score(metric, maps)
                yield Scored(metric.card, maps.explainer, found.values.astype(np.float64), {}, 0, found.beside)


def told(found: Sequence[Scored]) -> Mapping[str, Any]:
    """What a setting says of methods and of metrics."""
    means: dict[str, dict[str, float]] = {}
    for each in found:
        if each.there.any():
            mean = round(float(each.values[each.there].mean()), 4)
            means.setdefault(each.metric.key, {})[each.method.key] = mean
    truth = {each.method.key: interval(each) for each in found if each.metric.key == TRUTH and each.there.any()}
    alone = with_truth([each for each in found if not each.method.control])
    every = with_truth(found)
    agreement = {
        key: {
            "tau": rounded(pair.tau),
            "low": rounded(pair.low),
            "high": rounded(pair.high),
            "methods": pair.methods,
            "tau_with_controls": rounded(every[key].tau),
        }
        for key, pair in alone.items()
    }
    return {"samples": len(found[0].values), "truth": truth, "means": means, "agreement": agreement}


def with_truth(found: Sequence[Scored]) -> dict[str, MetricPair]:
    """By metric how it orders methods, against the truth."""
    pairs = [(pair, [card.key for card in pair.metrics]) for pair in metric_pairs(found, {}, SEED)]
    return {next(key for key in keys if key != TRUTH): pair for pair, keys in pairs if TRUTH in keys}


def interval(each: Scored) -> Mapping[str, Any]:
    estimate = bootstrap_mean(each.values[each.there], seed=SEED)
    numbers = {name: round(float(getattr(estimate, name)), 4) for name in ("value", "low", "high")}
    return {**numbers, "n": estimate.n}


def rounded(value: float) -> float | None:
    return round(value, 3) if np.isfinite(value) else None


def by_metric(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Over settings: a metric that is right in one and wrong in another has no good mean to hide behind."""
    found: dict[str, list[float]] = {}
    for setting in settings.values():
        for key, pair in setting["agreement"].items():
            if pair["tau"] is not None:
                found.setdefault(key, []).append(pair["tau"])
    return {
        key: {"mean": round(float(np.mean(taus)), 3), "lowest": min(taus), "highest": max(taus), "settings": len(taus)}
        for key, taus in found.items()
    }


def measure(args: argparse.Namespace) -> Mapping[str, Any]:
    settings = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        for name in args.settings or SETTINGS:
            settings[name] = told(
                of_the_demo(RUNS[name], folder, args) if name in RUNS else list(of_a_case(name, args))
            )
    return {"settings": settings, "tau_by_metric": by_metric(settings)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How metrics order methods, against the truth.")
    parser.add_argument("settings", nargs="*", choices=[[], *SETTINGS], help="all by default")
    parser.add_argument("--samples", type=int, default=12, help="in each setting; 100 with --full")
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--metrics", nargs="+", help="all that apply by default")
    parser.add_argument("--keep", type=Path, help="folder that the demo's scores are kept in, to go on from there")
    run(measure, parser, {"samples": 100})
