"""Steps that recipes are made of: each an operation of the library on a study, and whether its result is stored.

What a step is about may depend on what earlier steps stored (a cell has samples only when there are predictions), so
arguments are functions of the study, asked when the step's turn has come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from xai_core.answers import cascade
from xai_core.answers.scope import Scope
from xai_core.errors import BadInput
from xai_core.explainers import EXPLAINERS
from xai_core.jobs.operations import (
    BASELINE,
    EXPLAIN,
    PREDICT,
    SANITY,
    SCORE,
    TRAIN,
    ExplainArguments,
    Operation,
    PredictArguments,
    SanityArguments,
    ScoreArguments,
    Work,
    rows_of,
)
from xai_core.jobs.training import TrainArguments
from xai_core.metrics import METRICS
from xai_core.params import build
from xai_core.pipeline.asked import existing
from xai_core.pipeline.baseline import BaselineWanted, existing_baseline
from xai_core.recipes.base import Step
from xai_core.store.data_folder import is_of
from xai_core.store.maps import MISSING
from xai_core.store.obstacles import usable
from xai_core.store.study import Study
from xai_core.store.study_info import STUDY_FILE
from xai_core.store.targets import predicted_rows
from xai_core.training.config import TrainConfig

if TYPE_CHECKING:
    from xai_core.pipeline.imports import Model

P = TypeVar("P")
_OTHERWISE = "Choose another --into, or give the options that it was begun with."


def opened(folder: Path) -> Study | None:
    """The study in a folder; None where there is none yet."""
    return Study.open(folder) if (folder / STUDY_FILE).is_file() else None


def new(
    folder: Path, data: Path, *, dataset: str = "", values: Mapping[str, Any] | None = None, name: str = "new"
) -> Step:
    """Make the study of the data."""

    def done() -> bool:
        study = opened(folder)
        if study is not None and not is_of(study, data):
            remedy = "Choose another --into; if the pictures moved: xai move STUDY --data FOLDER."
            raise BadInput("another study is here", value=f"{folder}, of {study.data}", remedy=remedy)
        return study is not None

    def run(work: Work) -> dict[str, Any]:
        from xai_core.pipeline.make import make_study

        study = make_study(folder, data, dataset=dataset, values=values, progress=work.progress, cancel=work.cancel)
        return {"samples": len(study.labels), "unreadable": len(study.info.unreadable)}

    return Step(name, f"make the study {folder.name} of {data.name}", done, run)


def train(folder: Path, run: str, arguments: Callable[[Study], TrainArguments]) -> Step:
    """Train a run, or an arm of several seeds, whose runs predict as well."""

    def stored(study: Study, wanted: TrainArguments) -> bool:
        try:
            made = [existing(study, name, config, wanted.given()) is not None for name, config in wanted.runs()]
        except BadInput as error:
            raise BadInput(error.problem, value=error.value, remedy=_OTHERWISE) from None
        if wanted.seeds == 1 and not wanted.predict:
            return all(made)
        return all(made) and all(_predicted(study, PredictArguments(name, wanted.splits)) for name, _ in wanted.runs())

    return _step(f"train {run}", f"train {run}", folder, TRAIN, arguments, stored)


def baseline(folder: Path, wanted: BaselineWanted) -> Step:
    """Fit a classical baseline, which predicts as well."""

    def fitted(study: Study, wanted: BaselineWanted) -> bool:
        try:
            return existing_baseline(study, wanted) is not None
        except BadInput as error:
            raise BadInput(error.problem, value=error.value, remedy=_OTHERWISE) from None

    run = wanted.run
    return _step(f"fit {run}", f"fit the baseline {run}", folder, BASELINE, lambda _: wanted, fitted)


def training(
    run: str, architecture: str, *, init: str = "", epochs: int, seed: int = 0, size: int = 0
) -> TrainArguments:
    """What recipes usually say of a training; a size of 0 is chosen as `train_run` does."""
    config = TrainConfig(
        architecture=architecture,
        init=str(Path(init).resolve()) if init else "",
        epochs=epochs,
        seed=seed,
        augmentations={"flip": {}, "affine": {}},
    )
    return TrainArguments(run, config.as_dict(), size=size or None)


def import_model(folder: Path, run: str, model: Callable[[], Model]) -> Step:
    """Import a model as a run."""

    def done() -> bool:
        study = opened(folder)
        if study is None or run not in study.runs():
            return False
        from xai_core.pipeline.library import weights_of
        from xai_core.pipeline.said import as_said, check_same

        wanted = model()
        check_same(study.run(run), as_said(weights_of(wanted), vars(wanted)))
        return True

    def do(work: Work) -> dict[str, Any]:
        from xai_core.pipeline.imports import import_model

        made = import_model(Study.open(folder), run, model(), progress=work.progress, cancel=work.cancel)
        return {"architecture": made.info.architecture, "cam_layer": made.info.cam_layer}

    return Step(f"import {run}", f"import {run}", done, do)


def predict(folder: Path, run: str, splits: tuple[str, ...] = ("test", "validation", "train")) -> Step:
    """Predict the samples of some splits."""

    wanted = PredictArguments(run, splits)
    return _step(f"predict {run}", f"predict with {run}", folder, PREDICT, lambda _: wanted, _predicted)


def explain(
    folder: Path, run: str, name: str, title: str, arguments: Callable[[Scope], ExplainArguments], split: str = "test"
) -> Step:
    """Store heatmaps of a predicted run; `arguments` is asked about a split of it."""
    return _step(name, title, folder, EXPLAIN, lambda study: arguments(Scope(study.run(run), split)), _explained, run)


def score(
    folder: Path, run: str, name: str, title: str, arguments: Callable[[Scope], ScoreArguments], split: str = "test"
) -> Step:
    """Store scores of heatmaps, and the heatmaps that they need; `arguments` as of `explain`."""
    return _step(name, title, folder, SCORE, lambda study: arguments(Scope(study.run(run), split)), _scored, run)


def sanity(
    folder: Path, run: str, name: str, title: str, arguments: Callable[[Scope], SanityArguments], split: str = "test"
) -> Step:
    """Store how alike maps of models with random weights are to the run's; `arguments` as of `explain`."""
    return _step(name, title, folder, SANITY, lambda study: arguments(Scope(study.run(run), split)), _compared, run)


def _predicted(study: Study, wanted: PredictArguments) -> bool:
    if not has_predictions(study, wanted.run):
        return False
    run, rows = study.run(wanted.run), [study.rows(split) for split in wanted.splits]
    return all(len(predicted_rows(run, each)) == len(each) for each in rows)


def _explained(study: Study, wanted: ExplainArguments) -> bool:
    run = study.run(wanted.run)
    rows = rows_of(run, wanted)
    keys = [target.key for target in run.targets(rows, wanted.target)]
    for key, values in usable(run, wanted.methods)[0]:
        maps = run.maps(key, build(EXPLAINERS[key].params, values), weights=wanted.weights)
        if maps is None or (maps.state(rows, keys) == MISSING).any():
            return False
    return True


def _scored(study: Study, wanted: ScoreArguments) -> bool:
    run = study.run(wanted.run)
    rows = rows_of(run, wanted)
    keys = [target.key for target in run.targets(rows, wanted.target)]
    for method, settings in wanted.methods:
        of_method: tuple[str, Any] = method, build(EXPLAINERS[method].params, settings)
        for metric, values in wanted.metrics:
            scores = run.scores((metric, build(METRICS[metric].params, values)), of_method, weights=wanted.weights)
            if scores is None or (scores.state(rows, keys) == MISSING).any():
                return False
    return True


def _compared(study: Study, wanted: SanityArguments) -> bool:
    """Whether each method has a cascade of the samples, under every seed and in every order."""
    run = study.run(wanted.run)
    rows = rows_of(run, wanted)
    for method, values in usable(run, wanted.methods)[0]:
        params: Any = build(EXPLAINERS[method].params, values)
        found = cascade.stored(run, method, params, statistics=wanted.statistics, rows=rows)
        if found is None or len(found.rows) < len(rows) or len(found.evidence.repeat) < wanted.seeds:
            return False
        if not EXPLAINERS[method].card.control and not set(wanted.orders) <= set(cascade.orders_of(found)):
            return False
    return True


def _step(
    name: str,
    title: str,
    folder: Path,
    operation: Operation[P],
    arguments: Callable[[Study], P],
    stored: Callable[[Study, P], bool],
    predicted: str = "",
) -> Step:
    """An operation on the study in a folder; it is not done as long as the run that it is about is not `predicted`."""

    def done() -> bool:
        study = opened(folder)
        if study is None or (predicted and not has_predictions(study, predicted)):
            return False
        return stored(study, arguments(study))

    def run(work: Work) -> dict[str, Any]:
        study = Study.open(folder)
        wanted = arguments(study)
        operation.check(study, wanted)
        return operation.run(study, wanted, work)

    return Step(name, title, done, run)


def has_predictions(study: Study, run: str) -> bool:
    """Whether there is such a run, and it has predictions."""
    return run in study.runs() and study.run(run).has_predictions
