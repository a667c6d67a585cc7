"""Paper 5: cross-entropy, segment overlap, and mixtures of both, as arms of several seeds and networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_core.errors import BadParameter, NotFound
from xai_core.params import param
from xai_core.recipes.base import RECIPES, Asked, Recipe, Step
from xai_core.task import CLASSIFICATION
from xai_core.text import comma_list
from xai_core.types import Card

if TYPE_CHECKING:
    from xai_core.answers.scope import Scope
    from xai_core.jobs.operations import ScoreArguments
    from xai_core.jobs.training import TrainArguments
    from xai_core.recipes.making.report import Report

BLUR = 23
"""Pixels at 224, as in the paper."""

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class OverlapParams:
    """Of the comparison."""

    masks: str = param("", help="folder of object masks named like the pictures, where the dataset takes one")
    architectures: str = param("squeezenet1_1,mobilenet_v2", help="xai list architectures; ablations are of the first")
    init: str = param("", help="files of weights that training starts from, one for each architecture, or none")
    size: int = param(64, help="input side; the paper's is 224", low=28, high=1024, unit="px")
    epochs: int = param(4, help="passes over the training split", low=1, high=1000)
    seeds: int = param(6, help="runs of each arm; a claim needs 6, the paper has 5", low=2, high=50)
    views: int = param(2, help="views of the overlap; the paper's is 8", choices=(1, 2, 4, 8))
    ablations: bool = param(True, help="also other shares of cross-entropy, and other numbers of views")


def arms_of(params: OverlapParams) -> dict[str, Settings | None]:
    """The paper's five losses, by the end of their arms' names: settings of segment overlap, None for cross-entropy."""
    views = {"views": params.views}
    return {
        "ce": None,
        "so": views | {"beta": 0.0, "blur": 0},
        "so-blur": views | {"beta": 0.0, "blur": BLUR},
        "ce-so": views | {"beta": 0.5, "blur": 0},
        "ce-so-blur": views | {"beta": 0.5, "blur": BLUR},
    }


def ablations_of(params: OverlapParams) -> dict[str, Settings | None]:
    """The blurred mixture at other shares of cross-entropy, and with other numbers of views."""
    if not params.ablations:
        return {}
    other = {"beta": 0.5, "blur": BLUR, "views": params.views}
    shares: dict[str, Settings | None] = {f"beta-{round(100 * beta)}": other | {"beta": beta} for beta in (0.25, 0.75)}
    views = {f"views-{count}": other | {"views": count} for count in (1, 4) if count != params.views}
    return shares | views


def _named(params: OverlapParams) -> dict[str, tuple[str, Settings | None]]:
    """Every arm by its name: architecture, and settings."""
    networks = comma_list(params.architectures)
    found = {f"{net}-{end}": (net, given) for net in networks for end, given in arms_of(params).items()}
    return found | {f"{networks[0]}-{end}": (networks[0], given) for end, given in ablations_of(params).items()}


def _steps(asked: Asked) -> Sequence[Step]:
    from xai_core.recipes.making import steps

    params: OverlapParams = asked.params
    _check(params)
    values = {"masks": str(Path(params.masks).resolve())} if params.masks else {}
    found = [steps.new(asked.into, asked.data, values=values)]
    for arm, (network, settings) in _named(params).items():
        found.append(steps.train(asked.into, arm, _training(params, arm, network, settings)))
        runs = [f"{arm}-seed{seed}" for seed in range(params.seeds)]
        found += [steps.score(asked.into, run, f"score {run}", f"score {run}", _scores) for run in runs]
    return found


def _check(params: OverlapParams) -> None:
    """What cannot be is told before anything begins."""
    from xai_core.models.architectures import check_task

    networks, weights = comma_list(params.architectures), comma_list(params.init)
    for key in networks:
        check_task(key, CLASSIFICATION)
    if not networks:
        raise BadParameter("nothing to train", value=params.architectures, remedy="Give one architecture at least.")
    if weights and len(weights) != len(networks):
        remedy = f"Give one for each of {len(networks)} architectures, or none."
        raise BadParameter("files of weights and architectures differ in number", value=params.init, remedy=remedy)
    for file in weights:
        if not Path(file).is_file():
            raise NotFound("no such file of weights", value=file, remedy="Check the path.")
    if params.masks and not Path(params.masks).is_dir():
        raise NotFound("no such folder of masks", value=params.masks, remedy="Check the path.")


def _training(params: OverlapParams, arm: str, network: str, settings: Settings | None) -> Any:
    weights = dict(zip(comma_list(params.architectures), comma_list(params.init), strict=False))

    def arguments(_: Any) -> TrainArguments:
        from xai_core.jobs.training import TrainArguments
        from xai_core.training.config import TrainConfig

        config = TrainConfig(
            architecture=network,
            init=str(Path(weights[network]).resolve()) if network in weights else "",
            epochs=params.epochs,
            loss="so" if settings is not None else "cross_entropy",
            loss_params=dict(settings or {}),
            augmentations={"flip": {}, "affine": {}},
        )
        return TrainArguments(arm, config.as_dict(), size=params.size, seeds=params.seeds)

    return arguments


def _scores(scope: Scope) -> ScoreArguments:
    from xai_core.jobs.operations import ScoreArguments
    from xai_core.recipes.making.guided import METHOD, METRIC, TARGET

    return ScoreArguments(scope.run.name, ((METHOD, {}),), TARGET, scope.split, metrics=((METRIC, {}),))


def _report(asked: Asked) -> Report:
    from xai_core.recipes.making import guided, parts
    from xai_core.recipes.making.report import Report
    from xai_core.store.study import Study

    params: OverlapParams = asked.params
    study = Study.open(asked.into)
    networks = comma_list(params.architectures)
    found = [parts.data_part(study)]
    for network in networks:
        ends = [end for end in arms_of(params) if end != "ce"]
        names = [f"{network}-{end}" for end in ends]
        found.append(guided.arms_part(study, f"{network}-ce", names, f"Against cross-entropy: {network}"))
    if others := [f"{networks[0]}-{end}" for end in ablations_of(params)]:
        title = f"Ablations of {networks[0]}: share of cross-entropy, and views"
        found.append(guided.arms_part(study, f"{networks[0]}-ce-so-blur", others, title))
    return Report(found)


RECIPES.add(
    Recipe(
        card=Card(
            key="segment-overlap",
            title="Segment overlap: does a loss that sees masks help?",
            summary="Cross-entropy, segment overlap with and without blur, and mixtures of both, each with several "
            "seeds and on two networks: accuracy, and how much evidence lies on the object.",
            blind_spot="Smaller pictures and fewer views than the paper's; the evidence is measured by the method that "
            "the loss trains. Seeds share one split.",
            paper="Employing Explanations for Effective Image Classification (anonymous), section III and table I",
        ),
        steps=_steps,
        report=_report,
        data="pictures with masks of their objects: folders of classes and masks, CUB-200, Oxford-IIIT Pet or VOC",
        takes="an hour or two on two CPU cores for 1,300 pictures at 64 pixels",
        params=OverlapParams,
    )
)
