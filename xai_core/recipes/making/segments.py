"""Recipes of segmentation: which class is looked at, how good a segmenter is, whether a way of training helped."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.arms import CAVEATS, arm_of
from xai_core.answers.method_quality import method_quality
from xai_core.answers.quality_choice import Samples
from xai_core.answers.scope import Scope
from xai_core.answers.segments import segments
from xai_core.answers.segments_arms import one_of_each, originals, segments_arms, together
from xai_core.errors import NotFound
from xai_core.label_maps import mean_width
from xai_core.recipes.making.quality import methods_of, metrics_of, tables
from xai_core.recipes.making.report import Part
from xai_core.regions import region_words, spec_name
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.store.targets import confusion_of
from xai_core.text import counted, plain_name
from xai_core.triage.intervals import MIN_BOOTSTRAP
from xai_core.triage.ordering import drawn
from xai_core.triage.segments import segmented, sums_of
from xai_core.types import Target
from xai_core.words import NO_NUMBER, percent, percent_range

MEASURED_ON = 32
"""Training pictures on which it is measured how wide objects are."""

Widths = dict[int, float]
"""By class index how wide its objects are, as a share of the picture's shorter side."""


def category_of(study: Study, named: str) -> int:
    """The index of a class of objects by its name; without one the thinnest. Raises NotFound."""
    names = list(study.class_names)
    first = int(study.has_background)
    if named:
        plain = [plain_name(name).casefold() for name in names]
        wanted = plain_name(named).casefold()
        if wanted not in plain[first:]:
            raise NotFound.among("class of objects", named, names[first:])
        return plain.index(wanted)
    widths = widths_of(study)
    return min(widths, key=lambda index: widths[index]) if widths else first


def widths_of(study: Study) -> Widths:
    """The mean width (see `label_maps.mean_width`) of the objects of each class on some training pictures."""
    return dict(_widths(str(study.path), study.info.samples_digest))


@lru_cache(maxsize=8)
def _widths(path: str, _: str) -> tuple[tuple[int, float], ...]:
    from pathlib import Path

    study = Study.open(Path(path))
    rows = drawn(study.rows("train"), MEASURED_ON, study.info.seed)
    sums = np.zeros((2, len(study.class_names)))
    for row in rows.tolist():
        label_map = study.label_map(row)
        for index in range(int(study.has_background), len(study.class_names)):
            there = label_map == index
            if there.any():
                pixels = there.sum()
                sums[:, index] += mean_width(there) / min(there.shape) * pixels, pixels
    return tuple((index, float(total / pixels)) for index, (total, pixels) in enumerate(sums.T) if pixels)


def asked(scope: Scope, category: int, region: str, limit: int) -> tuple[str, Samples]:
    """The target, and which pictures of a scope a comparison of methods is about: one copy of each original, drawn of
    those that have a pixel of the region; where there is none no map is."""
    originals = one_of_each(scope.study, scope.predicted)
    there = [_has(confusion_of(scope.run, row), category, region) for row in originals.tolist()]
    rows = originals[np.array(there, bool)]
    what = scope.of("pictures") + ("" if len(originals) == len(scope.predicted) else ", one copy of each original")
    what += "" if len(rows) == len(originals) else f", of {len(originals):,} those with a pixel of the region"
    return Target(category, region=region).key, Samples(drawn(rows, limit, scope.study.info.seed), len(rows), what)


def _has(matrix: NDArray[np.int64] | None, category: int, region: str) -> bool:
    """Whether `(K, K)` pixels of a picture, truth in rows, have any of a class where it is annotated or predicted."""
    return matrix is not None and bool(matrix.sum(1 if region == "true" else 0)[category])


def methods_part(
    scope: Scope, category: int, region: str, limit: int, methods: str, metrics: str, title: str
) -> list[Part]:
    """Every metric on every method and control, with seconds per map, of a class at a region."""
    target, chosen = asked(scope, category, region, limit)
    named, measured = methods_of(scope.run, methods), metrics_of(scope.run, metrics)
    found = method_quality(scope, chosen.rows, target, named, measured)
    where = region_words(Target.parse(target))
    about = f"{spec_name(target, scope.names)} ({where}) under {scope.run.name}. {chosen.sentence}"
    return tables(found, about, title=title, timed=True)


def best_of(study: Study, runs: Sequence[str]) -> Run:
    """The run of the best mean IoU on the validation pictures, of equals the first."""
    return max((study.run(name) for name in runs), key=_validated)


def _validated(run: Run) -> float:
    history = run.history
    if history is None:
        return float("-inf")
    there = (history["measure"] == "mean_iou") & (history["split"] == "validation")
    return float(history.loc[there, "value"].max())


def goodness_part(run: Run, runs: Sequence[str], category: int) -> Part:
    """IoU of each class, of a run with its interval, and of all runs beside it; and what the run misses."""
    study, first = run.study, segments(run, "test")
    answers = [segments(study.run(name), "test") for name in runs]
    groups = originals(study, first.rows)
    found = segmented(sums_of(together(first.matrices, groups)), study.info.seed)
    every = np.array([answer.found.iou.value for answer in answers])
    widths, truth = widths_of(study), first.counts.sum(1)
    rows = []
    for at, name in enumerate(study.class_names):
        missed = 1 - first.counts[at, at] / truth[at] if truth[at] else float("nan")
        known = every[:, at][np.isfinite(every[:, at])]
        rows.append(
            (
                name,
                percent(found.iou.value[at]),
                percent_range(found.iou.low[at], found.iou.high[at]),
                percent_range(known.min(), known.max()) if len(known) else "",
                percent(missed),
                percent(widths[at]) if at in widths else NO_NUMBER,
                f"{first.found.pictures[at]:,}",
            )
        )
    heads = ("class", f"IoU, {first.run}", "95 % interval", f"{len(answers)} seeds", "missed", "width", "pictures")
    mean, right = found.mean_iou, found.accuracy
    said = (
        f"Mean IoU {percent(float(mean.value))} ({percent_range(float(mean.low), float(mean.high))}), "
        f"{percent(float(right.value))} of all pixels right, on {counted(len(first.rows), 'test picture')}"
        f"{_copies(groups)}. Pixels of one picture are no independent samples, and intervals are over pictures.",
        f"{run.name} is the seed of the best mean IoU on the validation pictures, and the one that is explained.",
        "Missed: of the pixels that are annotated so, the share that is said to be something else. Width: of objects, "
        f"as a share of the picture's shorter side, on {MEASURED_ON} training pictures.",
        f"What is looked at below is {study.class_names[category]}.",
    )
    return Part("How good is the segmenter?", heads, tuple(rows), said, [answer.as_json() for answer in answers])


def _copies(groups: np.ndarray) -> str:
    many = len(np.unique(groups))
    few = "" if many >= MIN_BOOTSTRAP else ", too few for an interval"
    return (f", copies of {counted(many, 'original')}" if many < len(groups) else "") + few


def arms_part(study: Study, arms: Sequence[str], pairs: Sequence[tuple[str, str]], category: int, title: str) -> Part:
    """IoU of each class under every arm, and what may be said of each pair of them."""
    found = segments_arms(study, [arm_of(study, name) for name in arms], pairs, "test")
    seeds = ", ".join(f"{arm.name} {len(arm.runs)}" for arm in found.arms)
    changes = len(pairs) * (len(found.lines))
    said = (
        f"{found.counted} Seeds: {seeds}. IoU on the test's annotation as it is, whatever was learned from.",
        f"{changes} changes are looked at: each interval and test is stricter for it (Bonferroni).",
        *found.sentences([category, len(study.class_names)]),
        *CAVEATS[:2],
    )
    return Part(title, found.heads, tuple(found.lines), said, found.as_json())
