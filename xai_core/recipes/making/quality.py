"""Can these heatmaps be believed? The comparison of methods that several recipes end with: steps and tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xai_core.answers import sanity, scores
from xai_core.answers.scope import Rows, Scope
from xai_core.explainers import EXPLAINERS
from xai_core.jobs.operations import ExplainArguments, ScoreArguments
from xai_core.metrics import METRICS
from xai_core.recipes.base import Step
from xai_core.recipes.making import steps as making
from xai_core.recipes.making.parts import column_of
from xai_core.recipes.making.report import Part
from xai_core.similarities import SIMILARITIES
from xai_core.store.obstacles import obstacle
from xai_core.store.run import Run
from xai_core.text import comma_list
from xai_core.triage.ordering import drawn
from xai_core.words import NO_NUMBER, reading

TARGET = "predicted"
Named = tuple[str, Mapping[str, Any]]


def check(methods: str, metrics: str) -> None:
    """Raises NotFound for a method or metric that there is not."""
    for key in comma_list(methods):
        _ = EXPLAINERS[key]
    for key in comma_list(metrics):
        _ = METRICS[key]


def steps(folder: Path, run: str, methods: str, metrics: str, samples: int) -> list[Step]:
    """Score the methods and the controls on test samples; compare them with a randomised model."""

    def scored(scope: Scope) -> ScoreArguments:
        names = tuple(methods_of(scope.run, methods)), tuple(metrics_of(scope.run, metrics))
        return ScoreArguments(run, names[0], TARGET, scope.split, limit=samples, metrics=names[1])

    def randomised(scope: Scope, weights: str) -> ExplainArguments:
        rows = tuple(sanity.samples(scope).rows.tolist())
        return ExplainArguments(run, tuple(methods_of(scope.run, methods)), sanity.SPEC, rows=rows, weights=weights)

    trained, random = sanity.TRAINED, sanity.randomised(0)
    return [
        making.score(folder, run, f"score {run}", f"compare methods on {samples} samples", scored),
        making.explain(folder, run, f"check {run}", "explain for the sanity check", lambda s: randomised(s, trained)),
        making.explain(
            folder, run, f"check {run} randomised", "explain a randomised model", lambda s: randomised(s, random)
        ),
    ]


def methods_of(run: Run, named: str) -> list[Named]:
    """The methods that can be used on the run, and the controls."""
    controls = [each.card.key for each in EXPLAINERS if each.card.control]
    keys = dict.fromkeys([*comma_list(named), *controls])
    return [(key, {}) for key in keys if obstacle(run, EXPLAINERS[key]) is None]


def metrics_of(run: Run, named: str) -> list[Named]:
    """The metrics that are named; by default all whose needs the study meets."""
    lacks = set() if run.study.samples["has_mask"].any() else {"mask"}
    return [(key, {}) for key in comma_list(named) or METRICS.keys() if not METRICS[key].card.needs & lacks]


def rows_of(scope: Scope, samples: int) -> Rows:
    """The samples that methods are compared on: as the step that scores draws them."""
    return drawn(scope.members.rows, samples, scope.study.info.seed)


def parts(scope: Scope, methods: str, metrics: str, samples: int) -> list[Part]:
    """The tables of both."""
    return [_scores(scope, methods, metrics, samples), _sanity(scope, methods)]


def _scores(scope: Scope, methods: str, metrics: str, samples: int) -> Part:
    rows, run = rows_of(scope, samples), scope.run
    named, measured = methods_of(run, methods), metrics_of(run, metrics)
    found = scores.summaries(run, rows, TARGET, named, measured)
    by_pair = {(each.method.key, each.metric.key): each for each in found}
    heads = ("method", *(METRICS[key].card.title for key, _ in measured))
    lines = [
        (EXPLAINERS[method].card.title, *(_cell(by_pair[method, metric]) for metric, _ in measured))
        for method, _ in named
    ]
    said = [
        f"{METRICS[key].card.title}: {reading(METRICS[key].card.unit, METRICS[key].card.direction)}."
        for key, _ in measured
    ]
    said.append(f"Means over {len(rows)} test samples with 95 % bootstrap intervals; n where fewer could be scored.")
    return Part("Comparison of methods", heads, tuple(lines), tuple(said), [scores.as_json(each) for each in found])


def _cell(each: scores.Summary) -> str:
    if not each.n:
        return NO_NUMBER
    few = f", n = {each.n}" if each.not_scored or each.missing else ""
    return f"{each.mean:.3f} ({each.low:.3f} to {each.high:.3f}{few})".replace("-", "−")


def _sanity(scope: Scope, methods: str) -> Part:
    named = methods_of(scope.run, methods)
    kinds = sanity.TRAINED, sanity.randomised(0)
    trained, random = ([column_of(scope.run, one, weights) for one in named] for weights in kinds)
    answer = sanity.sanity(scope, sanity.samples(scope), list(zip(trained, random, strict=True)), 0)
    heads = ("method", *(SIMILARITIES[name].card.title for name in sanity.MEASURES), "pictures")
    lines = [(one.title, *map(one.shown, sanity.MEASURES), f"{one.n}") for one in answer.methods]
    said = (answer.about, sanity.READ_AS, *(f"{one.title}: {one.sentence}" for one in answer.methods))
    return Part("Do the maps depend on what was learned?", heads, tuple(lines), said, answer.as_json())
