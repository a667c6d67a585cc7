"""Which heatmaps can be believed for a network on some data: a model is trained, and methods and controls compared,
and held against models with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xai_core.errors import BadParameter, NotFound
from xai_core.params import param
from xai_core.recipes.base import RECIPES, Asked, Recipe, Step, test_share
from xai_core.task import CLASSIFICATION
from xai_core.types import Card

if TYPE_CHECKING:
    from xai_core.jobs.training import TrainArguments
    from xai_core.recipes.making.report import Report


@dataclass(frozen=True)
class QualityParams:
    """Of the comparison."""

    dataset: str = param("", help="xai list datasets; by default the one that fits the data")
    masks: str = param("", help="folder of object masks named like the pictures, where the dataset takes one")
    test: float = test_share()
    architecture: str = param("small_resnet", help="xai list architectures; the run is called by it")
    init: str = param("", help="file of weights that training starts from")
    size: int = param(0, help="input side; 0 takes the pictures' own, else the architecture's", low=0, high=1024)
    epochs: int = param(8, help="passes over the training split", low=1, high=1000)
    seed: int = param(0, help="of the training", low=0, high=2**31 - 1)
    samples: int = param(200, help="test samples that methods are compared on", low=3, high=100_000)
    pictures: int = param(24, help="test samples of the check against random weights", low=2, high=1000)
    methods: str = param(
        "gradcam,gradcam++,lrp,ig,shap,saliency", help="methods that are compared; controls stand beside them"
    )
    metrics: str = param("", help="xai list metrics; by default all that the data allow")
    checked: str = param("", help="methods that are held against random weights; by default those that are compared")

    @property
    def held(self) -> str:
        """Methods of the check: a map that takes long is made hundreds of times in it."""
        return self.checked or self.methods


def _steps(asked: Asked) -> Sequence[Step]:
    from xai_core.recipes.making import anew, quality, steps

    params: QualityParams = asked.params
    _check(params)
    run, into = params.architecture, asked.into
    values = {"masks": str(Path(params.masks).resolve())} if params.masks else {}
    return [
        anew.new(into, asked.data, params.test, dataset=params.dataset, values=values),
        steps.train(into, run, lambda _: _training(params)),
        steps.predict(into, run),
        *quality.steps(into, run, params.methods, params.metrics, params.samples),
        quality.cascade(into, run, params.held, params.pictures),
    ]


def _check(params: QualityParams) -> None:
    """What cannot be is told before anything begins."""
    from xai_core.datasets import DATASETS
    from xai_core.models.architectures import check_task
    from xai_core.recipes.making import quality

    quality.check(f"{params.methods},{params.checked}", params.metrics)
    check_task(params.architecture, CLASSIFICATION)
    if params.dataset:
        _ = DATASETS[params.dataset]
    if params.init and not Path(params.init).is_file():
        raise NotFound("no such file of weights", value=params.init, remedy="Check the path.")
    if params.test and (params.masks or params.dataset):
        given = params.masks or params.dataset
        remedy = "Leave --test, or leave --masks and --dataset."
        raise BadParameter("only pictures in folders of classes are split anew", value=given, remedy=remedy)
    if params.masks and not Path(params.masks).is_dir():
        raise NotFound("no such folder of masks", value=params.masks, remedy="Check the path.")


def _training(params: QualityParams) -> TrainArguments:
    from xai_core.recipes.making.steps import training

    run = params.architecture
    return training(run, run, init=params.init, epochs=params.epochs, seed=params.seed, size=params.size)


def _report(asked: Asked) -> Report:
    from xai_core.answers.scope import Scope
    from xai_core.recipes.making import parts, quality
    from xai_core.recipes.making.report import Report
    from xai_core.store.study import Study

    params: QualityParams = asked.params
    study = Study.open(asked.into)
    scope = Scope(study.run(params.architecture), "test")
    return Report(
        [
            parts.data_part(study),
            parts.training_part(scope.run),
            parts.accuracy_part(scope.run, []),
            parts.leak_part(scope),
            *quality.parts(scope, params.methods, params.metrics, params.samples),
            quality.verdicts(scope, params.held, params.pictures),
        ]
    )


RECIPES.add(
    Recipe(
        card=Card(
            key="explanation-quality",
            title="Explanation quality: which heatmaps can be believed",
            summary="A network is trained on your pictures, and methods are compared with each other and with controls "
            "that know nothing of it, by every metric that the data allow, and with models whose weights are random.",
            blind_spot="One training run: another one of the same recipe may rank methods otherwise.",
            paper="Hedström et al. 2023, Quantus, for the metrics; each has its own source",
        ),
        steps=_steps,
        report=_report,
        data="pictures as xai new takes them, such as the four files of Fashion-MNIST",
        takes="an hour on two CPU cores for 200 small pictures, minutes on a GPU",
        params=QualityParams,
    )
)
