"""Can these heatmaps be believed? The comparison of methods that several recipes end with, and the cascade beside it:
their steps and their tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from xai_core.answers import sanity
from xai_core.answers.method_quality import Cell, MethodQuality, method_quality
from xai_core.answers.quality_choice import samples as drawn_samples
from xai_core.answers.quality_choice import usual_metrics, with_controls
from xai_core.answers.quality_words import as_json, beaten, rank_words, sentences, shown
from xai_core.answers.scope import Scope
from xai_core.answers.scored import Named
from xai_core.explainers import EXPLAINERS
from xai_core.jobs.operations import SanityArguments, ScoreArguments
from xai_core.metrics import METRICS
from xai_core.recipes.base import Step
from xai_core.recipes.making import steps as making
from xai_core.recipes.making.parts import columns
from xai_core.recipes.making.report import Part
from xai_core.similarities import SIMILARITIES
from xai_core.store.obstacles import obstacle
from xai_core.store.run import Run
from xai_core.text import comma_list, counted
from xai_core.words import NO_NUMBER, reading

TARGET = "predicted"
COMPARISON = "Comparison of methods"


def check(methods: str, metrics: str) -> None:
    """Raises NotFound for a method or metric that there is not."""
    for key in comma_list(methods):
        _ = EXPLAINERS[key]
    for key in comma_list(metrics):
        _ = METRICS[key]


def steps(folder: Path, run: str, methods: str, metrics: str, samples: int) -> list[Step]:
    """Score the methods and the controls on test samples."""

    def scored(scope: Scope) -> ScoreArguments:
        named, measured = methods_of(scope.run, methods), metrics_of(scope.run, metrics)
        return ScoreArguments(run, tuple(named), TARGET, scope.split, limit=samples, metrics=tuple(measured))

    return [making.score(folder, run, f"score {run}", f"compare methods on {samples} samples", scored)]


def cascade(folder: Path, run: str, methods: str, pictures: int) -> Step:
    """Compare maps of test samples with those of models whose weights are random."""

    def wanted(scope: Scope) -> SanityArguments:
        return SanityArguments(run, tuple(checked_of(scope.run, methods)), TARGET, scope.split, limit=pictures)

    return making.sanity(
        folder, run, f"check {run}", f"check methods against random weights, {pictures} samples", wanted
    )


def checked_of(run: Run, named: str) -> list[Named]:
    """Those of the methods that can be used on the run, and the yardsticks of a check."""
    keys = [key for key in comma_list(named) if obstacle(run, EXPLAINERS[key]) is None]
    return [(key, {}) for key in sanity.with_controls(keys)]


def methods_of(run: Run, named: str) -> list[Named]:
    """Those of the methods that can be used on the run, and the controls."""
    keys = [key for key in comma_list(named) if obstacle(run, EXPLAINERS[key]) is None]
    return [(key, {}) for key in with_controls(run, keys)]


def metrics_of(run: Run, named: str) -> list[Named]:
    """The metrics that are named; by default all that the study has the data for and that know a better end."""
    return [(key, {}) for key in comma_list(named) or usual_metrics(run)]


def parts(scope: Scope, methods: str, metrics: str, samples: int) -> list[Part]:
    """The table, a column for each metric, and what follows from it."""
    chosen = drawn_samples(scope, limit=samples)
    named, measured = methods_of(scope.run, methods), metrics_of(scope.run, metrics)
    return tables(method_quality(scope, chosen.rows, TARGET, named, measured), chosen.sentence)


def tables(found: MethodQuality, counted_as: str, *, title: str = COMPARISON, timed: bool = False) -> list[Part]:
    """The same of a comparison that somebody made; with the seconds that a map took where that is wanted."""
    heads = ("method", *(card.title for card in found.metrics), *(["seconds per map"] if timed else []))
    rows = tuple(
        (
            method.title,
            *(_cell(found, method.key, metric.key) for metric in found.metrics),
            *([_seconds(found, method.key)] if timed else []),
        )
        for method in found.methods
    )
    readings = "; ".join(f"{card.title}: {reading(card.unit, card.direction)}" for card in found.metrics)
    said = (
        f"{counted_as}: means with 95 % bootstrap intervals, in brackets the ranks that a method may have among "
        "those that are no controls.",
        f"{readings}.",
        *sentences(found),
    )
    return [Part(title, heads, rows, said, as_json(found)), _behind(found), _conflicts(found)]


def verdicts(scope: Scope, methods: str, pictures: int) -> Part:
    """Whether each method depends on what was learned."""
    chosen = sanity.samples(scope, count=pictures)
    found = sanity.checked(scope.run, columns(scope.run, checked_of(scope.run, methods)), chosen.rows)
    values = sanity.as_json(scope, chosen, found)
    rows, said = [], []
    for one, numbers in zip(found, values["methods"].values(), strict=True):
        alike = (_alike(numbers["measures"].get(measure)) for measure in sanity.MEASURES)
        rows.append((one.title, one.verdict.words, *alike, f"{numbers['n']} × {numbers['seeds']}"))
        said.append(f"{one.title}. {one.verdict.sentence}")
    titles = (f"{SIMILARITIES[measure].card.title}, random weights" for measure in sanity.MEASURES)
    heads = ("method", "verdict", *titles, "samples × seeds")
    return Part(
        "Do maps depend on what was learned?", heads, tuple(rows), (values["about"], *said, sanity.NO_RANKING), values
    )


def _alike(numbers: Mapping[str, Any] | None) -> str:
    """`0.12 (0.05 to 0.19; other pictures 0.03)`: how alike maps of random models are to the trained model's."""
    if numbers is None or numbers["random"]["mean"] is None:
        return NO_NUMBER
    mean, low, high = (shown(numbers["random"][name]) for name in ("mean", "low", "high"))
    other = numbers["yardsticks"].get("maps of other pictures", {}).get("mean")
    beside = "" if other is None else f"; other pictures {shown(other)}"
    return f"{mean} ({low} to {high}{beside})"


def _cell(found: MethodQuality, method: str, metric: str) -> str:
    cell: Cell = found.cells[metric, method]
    if not cell.n:
        return NO_NUMBER
    few = f", n = {cell.n}" if cell.not_scored or cell.missing else ""
    rank = f" [{rank_words(cell.rank)}]" if cell.rank else ""
    return f"{shown(cell.mean)} ({shown(cell.low)} to {shown(cell.high)}{few}){rank}"


def _seconds(found: MethodQuality, method: str) -> str:
    taken = found.seconds.get(method)
    return NO_NUMBER if taken is None else f"{taken:.2g}"


def _behind(found: MethodQuality) -> Part:
    """By which metrics a method is no better than maps that know nothing of the model."""
    said = [f"{card.title}. {line}" for card in found.believable for line in beaten(found, card)]
    title = "Not better than maps that know nothing of the model"
    shown_methods = {card.key for card in found.believable}
    untold = sum(not np.isfinite(one.low) for one in found.against if one.method.key in shown_methods)
    if untold:
        said.append(f"Of {counted(untold, 'pair')} of a method and a control nothing is said: too few samples differ.")
    better = "Every method is better than every control by every metric."
    nothing = "No sample is scored for a method and a control: nothing is said."
    return Part(title, said=tuple(said or [better if found.against else nothing]))


def _conflicts(found: MethodQuality) -> Part:
    """Which metrics put methods into another order."""
    pairs = found.metrics_agree
    against = [pair.sentence for pair in pairs if pair.conflict]
    lead = (
        f"{len(against)} of {len(pairs)} pairs of metrics contradict each other. Kendall's rank correlation of the "
        "methods' means, controls left out:"
    )
    return Part("Where metrics contradict each other", said=(lead, *against))
