"""What can be run as a job: one entry each, which a command with `--background` and a page start alike.

`check` is torch-free and says at once what would only be found out in the background. `run` does the work; the store
keeps what is finished, so the same arguments again go on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadInput, BadParameter, NotApplicable, NotFound
from xai_core.jobs import baselines, checking, repairing, training
from xai_core.jobs.training import TrainArguments
from xai_core.params import build
from xai_core.pipeline.baseline import BaselineWanted
from xai_core.pipeline.repair import RepairWanted
from xai_core.sanity.orders import DEFAULT, ORDERS, SEEDS, SPEC
from xai_core.settings import Settings
from xai_core.store.targets import predicted_rows
from xai_core.text import counted
from xai_core.triage.ordering import at_most
from xai_core.types import SPLITS, CancelToken, Progress, silent
from xai_core.words import of_split

if TYPE_CHECKING:
    from xai_core.pipeline.cascade import CascadeRequest
    from xai_core.store.run import Run
    from xai_core.store.study import Study

MOST_SEEDS = 100
"""Random models of one check."""

P = TypeVar("P")


@dataclass(frozen=True)
class Work:
    """What an operation gets besides its arguments."""

    settings: Settings = field(default_factory=Settings)
    progress: Progress = silent
    cancel: CancelToken = field(default_factory=CancelToken)


@dataclass(frozen=True)
class Operation(Generic[P]):
    """One kind of long work.

    Attributes:
        key: its name.
        params: dataclass of its arguments, see `values.record`.
        title: what is being done, for people.
        check: raises XaiError where the work cannot begin.
        run: does it; returns a small JSON-able table of what came of it. Raises Cancelled where it was stopped.
        alone: whether its jobs wait for each other: two trainings at once take longer than one after the other.
    """

    key: str
    params: type[P]
    title: Callable[[P], str]
    check: Callable[[Study, P], None]
    run: Callable[[Study, P, Work], dict[str, Any]]
    alone: bool = False


@dataclass(frozen=True)
class PredictArguments:
    """Which splits a run's model is asked for, and how many of their samples at most."""

    run: str
    splits: tuple[str, ...] = ("test", "validation", "train")
    limit: int | None = None


@dataclass(frozen=True)
class ExplainArguments:
    """Which heatmaps are wanted.

    Attributes:
        methods: keys of explainers with their parameters.
        target: one of TARGET_SPECS or a class index as text.
        split, cell: the samples: a split (`all` for all), or a cell (true, predicted) within it.
        rows: row numbers instead of these.
        limit: only so many of them, drawn by the study's seed.
        where: of split and cell only the samples of which these facts hold, as `camera=A`.
    """

    run: str
    methods: tuple[tuple[str, Mapping[str, Any]], ...]
    target: str = "predicted"
    split: str = "test"
    cell: tuple[int, int] | None = None
    rows: tuple[int, ...] = ()
    limit: int | None = None
    weights: str = "trained"
    where: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScoreArguments(ExplainArguments):
    """Which scores are wanted: every metric on the maps of every method.

    Attributes:
        metrics: keys of metrics with their parameters.
    """

    metrics: tuple[tuple[str, Mapping[str, Any]], ...] = ()


@dataclass(frozen=True)
class SanityArguments(ExplainArguments):
    """Which cascades are wanted: of every method, whose maps explain the predicted class.

    Attributes:
        orders: in which layers become random, see `sanity.orders`.
        seeds: how many random models, counted from `seed`.
        statistics: what becomes of BatchNorm's, `reset` or `kept`.
    """

    orders: tuple[str, ...] = DEFAULT
    seeds: int = SEEDS
    seed: int = 0
    statistics: str = "reset"


def rows_of(run: Run, wanted: ExplainArguments) -> NDArray[np.int64]:
    """The samples that are meant, of those that the run has predictions for.

    Raises:
        NotFound, BadParameter: a split, class or row that the study does not have.
        BadInput: the run has no predictions at all.
    """
    from xai_core.answers.scope import Scope

    scope = Scope(run, wanted.split, tuple(run.study.facts.condition(text) for text in wanted.where))
    for index in wanted.cell or ():
        if not 0 <= index < len(scope.names):
            raise NotFound.among("class", str(index), map(str, range(len(scope.names))))
    if not wanted.rows:
        if not run.has_predictions:
            raise BadInput("this run has no predictions yet", value=run.name, remedy="xai predict makes them.")
        found = scope.cell(*wanted.cell) if wanted.cell else scope.predicted
        return at_most(found, wanted.limit, run.study.info.seed)
    rows = np.array(wanted.rows, np.int64)
    if rows.min() < 0 or rows.max() >= len(run.study.labels):
        remedy = f"Rows go from 0 to {len(run.study.labels) - 1}."
        raise BadParameter("no such row", value=int(rows.max()), remedy=remedy)
    return at_most(predicted_rows(run, rows), wanted.limit, run.study.info.seed)


def _run_with_model(study: Study, name: str) -> Run:
    run = study.run(name)
    if not run.info.fingerprint:
        raise NotApplicable("a run without a model", value=name, remedy="Choose a run that has a model.")
    return run


def _check_predict(study: Study, wanted: PredictArguments) -> None:
    _run_with_model(study, wanted.run)
    for split in wanted.splits:
        if split not in SPLITS:
            raise NotFound.among("split", split, SPLITS)


def _predict(study: Study, wanted: PredictArguments, work: Work) -> dict[str, Any]:
    from xai_core.pipeline.load import load_classifier
    from xai_core.pipeline.predict import predict

    run = study.run(wanted.run)
    classifier = load_classifier(run, device=work.settings.device)
    made = predict(
        run,
        classifier,
        wanted.splits,
        limit=wanted.limit,
        batch_size=work.settings.batch_size,
        progress=work.progress,
        cancel=work.cancel,
    )
    return {"new": made.new} | _said(made.left_out)


def _said(left_out: Mapping[str, str]) -> dict[str, Any]:
    """How many samples could not be read, and why the first few could not."""
    return {"left_out": len(left_out), "such_as": dict(list(left_out.items())[:3])}


def _check_explain(study: Study, wanted: ExplainArguments) -> None:
    from xai_core.explainers import EXPLAINERS

    run = _run_with_model(study, wanted.run)
    if not wanted.methods:
        raise BadParameter("no method is named", remedy="xai list explainers names them.")
    for key, values in wanted.methods:
        build(EXPLAINERS[key].params, values)
    rows = rows_of(run, wanted)
    if not len(rows):
        raise BadInput("no samples to explain", value=wanted.run, remedy="Choose another cell, split or run.")
    run.targets(rows[:1], wanted.target)


def _explain(study: Study, wanted: ExplainArguments, work: Work) -> dict[str, Any]:
    from xai_core.pipeline.explain import Request, check_methods, explain_steps
    from xai_core.pipeline.load import Bench
    from xai_core.pipeline.steps import noted
    from xai_core.store.obstacles import usable

    run = study.run(wanted.run)
    rows = rows_of(run, wanted)
    bench = Bench(work.settings.device)
    methods, without = usable(run, wanted.methods)
    request = Request(run, rows.tolist(), wanted.target, methods, wanted.weights)
    check_methods(bench, request)
    total, left_out = 0, dict[str, str]()
    for done, total in noted(explain_steps(bench, request), len(rows), left_out):
        work.progress(done, total, "maps")
        work.cancel.check()
    return {"samples": len(rows), "maps": total} | _said(left_out | without)


def _check_score(study: Study, wanted: ScoreArguments) -> None:
    from xai_core.metrics import METRICS

    if not wanted.metrics:
        raise BadParameter("no metric is named", remedy="xai list metrics names them.")
    for key, values in wanted.metrics:
        build(METRICS[key].params, values)
    _check_explain(study, wanted)


def _score(study: Study, wanted: ScoreArguments, work: Work) -> dict[str, Any]:
    from xai_core.pipeline.load import Bench
    from xai_core.pipeline.score import ScoreRequest, score_steps
    from xai_core.pipeline.steps import noted

    run = study.run(wanted.run)
    rows = rows_of(run, wanted)
    request = ScoreRequest(run, rows.tolist(), wanted.target, wanted.methods, wanted.metrics, wanted.weights)
    left_out: dict[str, str] = {}
    for done, total in noted(score_steps(Bench(work.settings.device), request), len(rows), left_out):
        work.progress(done, total, "maps and scores")
        work.cancel.check()
    scores = len(rows) * len(wanted.methods) * len(wanted.metrics)
    return {"samples": len(rows), "scores": scores} | _said(left_out)


def _check_sanity(study: Study, wanted: SanityArguments) -> None:
    for order in wanted.orders:
        if order not in ORDERS:
            raise NotFound.among("order", order, ORDERS)
    if not wanted.orders or not 1 <= wanted.seeds <= MOST_SEEDS:
        raise BadParameter(
            "how many random models?", value=wanted.seeds, remedy=f"Give 1 to {MOST_SEEDS}, and an order."
        )
    if wanted.statistics not in ("reset", "kept"):
        raise NotFound.among("statistics", wanted.statistics, ("reset", "kept"))
    if wanted.target != SPEC:
        raise BadParameter("a check explains the predicted class", value=wanted.target, remedy="Leave the target out.")
    _check_explain(study, wanted)
    if (count := len(rows_of(study.run(wanted.run), wanted))) < 2:
        remedy = "The comparison needs at least 2. Choose another cell or split."
        raise BadInput("too few samples", value=count, remedy=remedy)


def _sanity(study: Study, wanted: SanityArguments, work: Work) -> dict[str, Any]:
    from xai_core.pipeline.cascade import cascade_steps
    from xai_core.pipeline.load import Bench
    from xai_core.pipeline.steps import noted

    request, left_out = cascade_request(study.run(wanted.run), wanted), dict[str, str]()
    for done, total in noted(cascade_steps(Bench(work.settings.device), request), len(request.rows), left_out):
        work.progress(done, total, "maps")
        work.cancel.check()
    return {"samples": len(request.rows), "maps": total} | _said(left_out)


def cascade_request(run: Run, wanted: SanityArguments) -> CascadeRequest:
    """What the pipeline is asked for."""
    from xai_core.pipeline.cascade import CascadeRequest
    from xai_core.store.obstacles import usable

    rows, (methods, _) = rows_of(run, wanted), usable(run, wanted.methods)
    orders = [order for order in ORDERS if order in wanted.orders]
    statistics: Literal["reset", "kept"] = "kept" if wanted.statistics == "kept" else "reset"
    seeds = range(wanted.seed, wanted.seed + wanted.seeds)
    return CascadeRequest(run, rows.tolist(), methods, orders, tuple(seeds), statistics)


def _explaining(wanted: ExplainArguments) -> str:
    methods = ", ".join(key for key, _ in wanted.methods)
    return f"Heatmaps of {wanted.run}: {methods} ({_samples(wanted)})"


def _scoring(wanted: ScoreArguments) -> str:
    metrics, methods = (", ".join(key for key, _ in named) for named in (wanted.metrics, wanted.methods))
    return f"Scores of {wanted.run}: {metrics} of {methods} ({_samples(wanted)})"


def _checking(wanted: SanityArguments) -> str:
    methods = ", ".join(key for key, _ in wanted.methods)
    return f"Sanity check of {wanted.run}: {methods} ({_samples(wanted)}, {counted(wanted.seeds, 'seed')})"


def _samples(wanted: ExplainArguments) -> str:
    """Tells jobs apart that differ in nothing else."""
    if wanted.rows:
        return counted(len(wanted.rows), "sample")
    where = f"{'a cell of ' if wanted.cell else ''}{'all samples' if wanted.split == 'all' else of_split(wanted.split)}"
    return where if wanted.limit is None else f"{wanted.limit:,} of {where}"


PREDICT = Operation("predict", PredictArguments, lambda a: f"Predictions of {a.run}", _check_predict, _predict)
EXPLAIN = Operation("explain", ExplainArguments, _explaining, _check_explain, _explain)
SCORE = Operation("score", ScoreArguments, _scoring, _check_score, _score)
SANITY = Operation("sanity", SanityArguments, _checking, _check_sanity, _sanity)
TRAIN = Operation("train", TrainArguments, training.title, training.check, training.work, alone=True)

CHECK = Operation("check", checking.CheckArguments, checking.title, checking.check, checking.work)

REPAIR = Operation("repair", RepairWanted, repairing.title, repairing.check, repairing.work)

BASELINE = Operation("baseline", BaselineWanted, baselines.title, baselines.check, baselines.work)

OPERATIONS: dict[str, Operation[Any]] = {
    each.key: each for each in (TRAIN, PREDICT, EXPLAIN, SCORE, SANITY, CHECK, REPAIR, BASELINE)
}
