"""Paper 1: dresses taken for skirts. Crops against a baseline, as arms of several seeds, and the paper's figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_core.errors import BadParameter, NotFound
from xai_core.params import param
from xai_core.recipes.base import RECIPES, Asked, Recipe, Step, test_share
from xai_core.task import CLASSIFICATION
from xai_core.types import Card

if TYPE_CHECKING:
    from xai_core.answers.scope import Scope
    from xai_core.jobs.operations import ExplainArguments
    from xai_core.jobs.training import TrainArguments
    from xai_core.recipes.making.report import Report

BASELINE, TOP, AWAY, TWIN = "baseline", "top-biased-crop", "attention-crop", "attention-crop-random"
PAPERS = ("flip", "color_jitter", "affine", "random_erasing")
"""The paper's augmentations, which every arm has."""

EXPLAINED = ("gradcam++", "gradcam")


@dataclass(frozen=True)
class FashionParams:
    """Of the case study."""

    architecture: str = param("squeezenet1_1", help="xai list architectures; the paper has resnet18")
    init: str = param("", help="file of weights that training starts from, such as ImageNet's")
    size: int = param(96, help="input side; the paper's is not stated", low=28, high=1024, unit="px")
    epochs: int = param(6, help="passes over the training split", low=1, high=1000)
    seeds: int = param(6, help="runs of each arm; a claim needs 6", low=2, high=50)
    test: float = test_share()
    true: str = param("dress", help="true class of the confusion")
    predicted: str = param("skirt", help="class that it is taken for")
    pictures: int = param(12, help="test samples of the check against random weights", low=2, high=1000)


def _steps(asked: Asked) -> Sequence[Step]:
    from xai_core.recipes.making import anew, fashion, quality, steps

    params: FashionParams = asked.params
    _check(params)
    into, first = asked.into, fashion.first_of(BASELINE)
    return [
        anew.new(into, asked.data, params.test),
        *(steps.train(into, arm, _training(params, arm)) for arm in (BASELINE, TOP, AWAY, TWIN)),
        *(
            steps.explain(into, run, f"explain {run}", f"explain what {run} confused and recognised", _maps(params))
            for run in (first, fashion.first_of(TOP))
        ),
        quality.cascade(into, first, EXPLAINED[0], params.pictures),
    ]


def _check(params: FashionParams) -> None:
    """What cannot be is told before anything begins."""
    from xai_core.models.architectures import check_task

    check_task(params.architecture, CLASSIFICATION)
    if params.init and not Path(params.init).is_file():
        raise NotFound("no such file of weights", value=params.init, remedy="Check the path.")
    if params.true == params.predicted:
        raise BadParameter("a confusion is of two classes", value=params.true, remedy="Give --true and --predicted.")


def _training(params: FashionParams, arm: str) -> Any:
    """Of an arm, asked with the study: an augmentation goes by the heatmaps of mistakes on training pictures."""

    def arguments(_: Any) -> TrainArguments:
        from xai_core.jobs.training import TrainArguments
        from xai_core.training.config import TrainConfig

        config = TrainConfig(
            architecture=params.architecture,
            init=str(Path(params.init).resolve()) if params.init else "",
            epochs=params.epochs,
            augmentations={name: {} for name in PAPERS} | _added(params, arm),
        )
        return TrainArguments(arm, config.as_dict(), size=params.size, seeds=params.seeds)

    return arguments


def _added(params: FashionParams, arm: str) -> dict[str, Mapping[str, Any]]:
    from xai_core.recipes.making.fashion import first_of

    cell = {"run": first_of(BASELINE), "true": params.true, "predicted": params.predicted, "split": "train"}
    added: dict[str, dict[str, Mapping[str, Any]]] = {
        TOP: {"top_biased_crop": {}},
        AWAY: {"attention_crop": cell},
        TWIN: {"attention_crop": cell | {"place": "anywhere"}},
    }
    return added.get(arm, {})


def _maps(params: FashionParams) -> Any:
    def arguments(scope: Scope) -> ExplainArguments:
        from xai_core.jobs.operations import ExplainArguments
        from xai_core.recipes.making import cells

        rows = cells.shown(scope, cells.cell_of(scope.study, params.true, params.predicted))
        return ExplainArguments(scope.run.name, tuple((key, {}) for key in EXPLAINED), "predicted", rows=tuple(rows))

    return arguments


def _report(asked: Asked) -> Report:
    from xai_core.answers.scope import Scope
    from xai_core.recipes.making import cells, fashion, parts, quality
    from xai_core.recipes.making.report import Report
    from xai_core.store.study import Study

    params: FashionParams = asked.params
    study = Study.open(asked.into)
    scope = Scope(study.run(fashion.first_of(BASELINE)), "test")
    cell = cells.cell_of(study, params.true, params.predicted)
    return Report(
        [
            parts.data_part(study),
            parts.training_part(scope.run, [f"The paper trains resnet18; here it is {scope.run.info.architecture}."]),
            fashion.claim_part(),
            fashion.arms_part(study, cell, BASELINE, (TOP, AWAY, TWIN), "Did a crop help?"),
            fashion.arms_part(study, cell, TWIN, (AWAY,), "Was it the heatmaps?"),
            fashion.mistakes_part(study, cell, (BASELINE, TOP, AWAY, TWIN)),
            cells.resemblance_part(scope, cell, EXPLAINED[0]),
            quality.verdicts(scope, EXPLAINED[0], params.pictures),
            fashion.figures_part(scope, cell, fashion.first_of(TOP), EXPLAINED[0]),
        ]
    )


RECIPES.add(
    Recipe(
        card=Card(
            key="fashion-case-study",
            title="Fashion case study: dresses taken for skirts",
            summary="A top-biased crop, a crop away from where heatmaps of a confusion lie and its random twin, "
            "each trained with several seeds against a baseline; the paper's figures as pages of the study.",
            blind_spot="The paper's pictures, split and number of dresses are not known. Seeds share one split.",
            paper="Rey Sánchez, XAI Case Study Applied to the Fashion Industry",
        ),
        steps=_steps,
        report=_report,
        data="photos of clothes in a folder for each class, or in such folders of train, validation and test",
        takes="about half an hour on two CPU cores for 2,000 photos at 96 pixels",
        params=FashionParams,
    )
)
