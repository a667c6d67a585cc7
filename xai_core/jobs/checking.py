"""Both checks that a badge weighs, one after the other: what `xai check` does, and `xai train --check` afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xai_core.answers.methods import DEFAULT_METHODS
from xai_core.errors import NotApplicable
from xai_core.params import build

if TYPE_CHECKING:
    from xai_core.jobs.operations import Operation, SanityArguments, ScoreArguments, Work
    from xai_core.store.run import Run
    from xai_core.store.study import Study


@dataclass(frozen=True)
class CheckArguments:
    """Whose heatmaps are checked.

    Attributes:
        methods: keys of explainers with their parameters; none for those that are looked at where nobody chose.
        samples, pictures: how many the metrics and the cascade take, drawn by the study's seed; 0 for as many as each
            takes by itself.
    """

    run: str
    methods: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    samples: int = 0
    pictures: int = 0


def title(wanted: CheckArguments) -> str:
    """For people."""
    methods = ", ".join(key for key, _ in wanted.methods)
    return f"Check of heatmaps of {wanted.run}{f': {methods}' if methods else ''}"


def check(study: Study, wanted: CheckArguments) -> None:
    """Raise now what would only be found out later."""
    from xai_core.explainers import EXPLAINERS

    run = study.run(wanted.run)
    if not run.info.fingerprint:
        raise NotApplicable("a run without a model", value=run.name, remedy="Choose a run that has a model.")
    for key, values in wanted.methods:
        build(EXPLAINERS[key].params, values)
    if run.has_predictions:
        for operation, arguments in _parts(run, wanted):
            operation.check(study, arguments)


def work(study: Study, wanted: CheckArguments, work: Work) -> dict[str, Any]:
    """Predictions of the test split where there are none, the cascade, the scores; gives each method's badge."""
    from xai_core.answers.badge import assessed
    from xai_core.jobs.operations import PREDICT, PredictArguments

    run = study.run(wanted.run)
    if not run.has_predictions:
        PREDICT.run(study, PredictArguments(wanted.run), work)
        run = study.run(wanted.run)
    parts = _parts(run, wanted)
    for operation, arguments in parts:
        operation.run(study, arguments, work)
    return {"badges": [assessed(run, method).as_json() for method in _methods(run, wanted)]}


def _parts(run: Run, wanted: CheckArguments) -> list[tuple[Operation[Any], SanityArguments | ScoreArguments]]:
    from xai_core.answers.badge import checked_scope, metrics_of
    from xai_core.answers.controls import control_keys
    from xai_core.answers.quality_choice import LIMIT
    from xai_core.jobs.operations import SANITY, SCORE, SanityArguments, ScoreArguments
    from xai_core.sanity.orders import SAMPLES

    chosen, split = _methods(run, wanted), checked_scope(run).split
    methods = (*chosen, *((key, {}) for key in control_keys(run) if key not in dict(chosen)))
    pictures, samples = wanted.pictures or SAMPLES, wanted.samples or LIMIT
    cascade = SanityArguments(run.name, methods, split=split, limit=pictures)
    scores = ScoreArguments(run.name, methods, split=split, limit=samples, metrics=tuple(metrics_of(run)))
    return [(SANITY, cascade), (SCORE, scores)]


def _methods(run: Run, wanted: CheckArguments) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    from xai_core.answers.controls import usable_methods

    usable = usable_methods(run)
    return wanted.methods or tuple((key, {}) for key in DEFAULT_METHODS if key in usable)
