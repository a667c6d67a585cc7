"""Paper 2: classical baselines and networks on Fashion-MNIST in one table, and what the networks look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xai_core.errors import BadParameter
from xai_core.params import param
from xai_core.recipes.base import RECIPES, Asked, Recipe, Step
from xai_core.task import CLASSIFICATION
from xai_core.text import comma_list
from xai_core.types import Card

if TYPE_CHECKING:
    from xai_core.answers.scope import Scope
    from xai_core.jobs.operations import ExplainArguments
    from xai_core.jobs.training import TrainArguments
    from xai_core.pipeline.baseline import BaselineWanted
    from xai_core.recipes.making.report import Report

PAPER = {
    "logistic": "about 83 %",
    "svm": "about 87 %",
    "forest": "about 89 %",
    "mlp": "about 85 %",
    "small_cnn": "about 91 % (its CNN)",
    "small_resnet": "about 91 % (its ResNet)",
}
"""Test or validation accuracy as the paper gives it, without n or split; of nearest neighbours it gives none."""

EXPLAINED = "gradcam"


@dataclass(frozen=True)
class PipelineParams:
    """Of the comparison."""

    baselines: str = param("logistic,svm,forest,knn,mlp", help="xai list baselines; each run is called by its key")
    networks: str = param("small_cnn,small_resnet", help="xai list architectures; the last is explained")
    samples: int = param(
        0, help="training samples of each baseline at most; 0 takes what each has as its default", low=0, high=1_000_000
    )
    epochs: int = param(4, help="passes of a network over the training split", low=1, high=1000)
    seed: int = param(0, help="of every training and draw", low=0, high=2**31 - 1)
    true: str = param("T-shirt/top", help="true class of the confusion whose heatmaps are stored")
    predicted: str = param("Shirt", help="class that it is taken for")


def _steps(asked: Asked) -> Sequence[Step]:
    from xai_core.recipes.making import steps

    params: PipelineParams = asked.params
    _check(params)
    into, networks = asked.into, comma_list(params.networks)
    return [
        steps.new(into, asked.data),
        *(steps.baseline(into, _baseline(params, key)) for key in comma_list(params.baselines)),
        *(steps.train(into, key, _training(params, key)) for key in networks),
        steps.explain(into, networks[-1], f"explain {networks[-1]}", "explain the confusion", _maps(params)),
    ]


def _check(params: PipelineParams) -> None:
    """What cannot be is told before anything begins."""
    from xai_core.models.architectures import check_task
    from xai_core.training.baselines import BASELINES

    for key in comma_list(params.baselines):
        _ = BASELINES[key]
    for key in comma_list(params.networks):
        check_task(key, CLASSIFICATION)
    for what, given in (("--baselines", params.baselines), ("--networks", params.networks)):
        if not comma_list(given):
            raise BadParameter("nothing to compare", value=given, remedy=f"Give {what} one key at least.")
    if params.true == params.predicted:
        raise BadParameter("a confusion is of two classes", value=params.true, remedy="Give --true and --predicted.")


def _baseline(params: PipelineParams, key: str) -> BaselineWanted:
    from xai_core.pipeline.baseline import BaselineWanted

    return BaselineWanted(key, key, {"samples": params.samples} if params.samples else {}, seed=params.seed)


def _training(params: PipelineParams, key: str) -> Any:
    def arguments(_: Any) -> TrainArguments:
        from xai_core.jobs.training import TrainArguments
        from xai_core.training.config import TrainConfig

        config = TrainConfig(architecture=key, epochs=params.epochs, seed=params.seed, augmentations={"flip": {}})
        return TrainArguments(key, config.as_dict(), predict=True)

    return arguments


def _maps(params: PipelineParams) -> Any:
    def arguments(scope: Scope) -> ExplainArguments:
        from xai_core.jobs.operations import ExplainArguments
        from xai_core.recipes.making import cells

        rows = cells.shown(scope, cells.cell_of(scope.study, params.true, params.predicted))
        return ExplainArguments(scope.run.name, ((EXPLAINED, {}), ("lrp", {})), "predicted", rows=tuple(rows))

    return arguments


def _report(asked: Asked) -> Report:
    from xai_core.answers.scope import Scope
    from xai_core.recipes.making import cells, models, parts
    from xai_core.recipes.making.report import Report
    from xai_core.store.study import Study

    params: PipelineParams = asked.params
    study = Study.open(asked.into)
    classical, networks = comma_list(params.baselines), comma_list(params.networks)
    cell = cells.cell_of(study, params.true, params.predicted)
    scope = Scope(study.run(networks[-1]), "test")
    remarks = ("The paper states neither n nor which split.",)
    return Report(
        [
            parts.data_part(study),
            models.models_part(study, [*classical, *networks], PAPER, remarks),
            models.best_part(study, networks, classical),
            models.curves_part(study, networks),
            models.cells_part(study, [*classical, *networks], cell),
            cells.resemblance_part(scope, cell, EXPLAINED),
        ]
    )


RECIPES.add(
    Recipe(
        card=Card(
            key="fashion-mnist-pipeline",
            title="Fashion-MNIST: classical baselines and networks in one table",
            summary="Logistic regression, a support vector machine, a forest, nearest neighbours and a perceptron "
            "beside a small and a residual network: accuracy, cost, curves, and two classes that all confuse.",
            blind_spot="One seed of each; baselines may learn from fewer samples, and the table says from how many.",
            paper="Fashion-MNIST classification pipeline of baselines, CNN and ResNet with Grad-CAM",
        ),
        steps=_steps,
        report=_report,
        data="the four files of Fashion-MNIST, or any pictures as xai new takes them",
        takes="under an hour on two CPU cores",
        params=PipelineParams,
    )
)
