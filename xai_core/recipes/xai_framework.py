"""Paper 3: brain scans and pictures of ImageNet, explained by Grad-CAM, LRP and SHAP; and what these are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_core.errors import BadParameter, NotFound
from xai_core.params import param
from xai_core.recipes.base import RECIPES, Asked, Recipe, Step
from xai_core.task import CLASSIFICATION
from xai_core.types import Card

if TYPE_CHECKING:
    from xai_core.answers.scope import Scope
    from xai_core.jobs.operations import ExplainArguments
    from xai_core.jobs.training import TrainArguments
    from xai_core.recipes.making.report import Part, Report
    from xai_core.store.run import Run

PAPER = [("VGG-16, brain MRI", 0.789)]
PAPERS_NET, LIGHT, LIGHT_SIDE = "vgg16", "small_resnet", 96
"""What the paper trains, and what stands in for it on a CPU, with the side of its input in pixels."""

SEVENTH = 7
"""The convolution at which the paper shows SHAP."""

IMAGENET_NET, ELEPHANTS = "squeezenet1_1", "elephant"


@dataclass(frozen=True)
class FrameworkParams:
    """Of the case study."""

    architecture: str = param(
        "", help="xai list architectures; by default vgg16 with --init or on a GPU, else small_resnet, which is light"
    )
    init: str = param("", help="file of weights that training starts from, such as ImageNet's for VGG-16")
    size: int = param(0, help="input side; 0 chooses: 224 for vgg16, else 96", low=0, high=1024, unit="px")
    epochs: int = param(12, help="passes over the training split", low=1, high=1000)
    seed: int = param(0, help="of the training", low=0, high=2**31 - 1)
    cases: int = param(24, help="right cases, and as many wrong ones, that are explained", low=1, high=10_000)
    samples: int = param(100, help="test samples that methods are compared on", low=3, high=100_000)
    methods: str = param(
        "gradcam,gradcam++,lrp,ig,shap,saliency", help="methods that are compared; controls stand beside them"
    )
    metrics: str = param("", help="xai list metrics; by default all that the data allow")
    check: int = param(24, help="test samples of the check against random weights; 0 leaves it out", low=0, high=1000)
    imagenet: str = param("", help="folder of ImageNet pictures named by class, for the paper's second half")
    pictures: int = param(24, help="of ImageNet that are explained, elephants among them", low=1, high=10_000)
    weights: str = param("", help="torchvision's weights of squeezenet1_1, for the second half")


def _steps(asked: Asked) -> Sequence[Step]:
    from xai_core.recipes.making import quality, steps

    params: FrameworkParams = asked.params
    _check(params)
    run, into = _architecture(asked), asked.into
    found = [
        steps.new(into, asked.data),
        steps.train(into, run, lambda _: _training(asked)),
        steps.predict(into, run),
        steps.explain(
            into, run, f"explain {run}", "explain right and wrong cases", lambda scope: _cases(scope, params.cases)
        ),
        *quality.steps(into, run, params.methods, params.metrics, params.samples),
        *([quality.cascade(into, run, params.methods, params.check)] if params.check else []),
    ]
    return found + (_second_half(asked) if params.imagenet else [])


def _report(asked: Asked) -> Report:
    from xai_core.answers.scope import Scope
    from xai_core.recipes.making import parts, quality
    from xai_core.recipes.making.report import Report
    from xai_core.store.study import Study

    params: FrameworkParams = asked.params
    study = Study.open(asked.into)
    scope = Scope(study.run(_architecture(asked)), "test")
    three, groups = _three(scope.run), parts.right_and_wrong(scope, params.cases)
    found = [
        parts.data_part(study),
        parts.training_part(scope.run, _stand_in(scope.run)),
        parts.accuracy_part(scope.run, PAPER, [PAPERS_NUMBER]),
        parts.leak_part(scope),
        parts.cases_part(scope, three, groups, [_seventh(scope.run)]),
        parts.agreement_part(scope, three, groups),
        *quality.parts(scope, params.methods, params.metrics, params.samples),
        *([quality.verdicts(scope, params.methods, params.check)] if params.check else []),
    ]
    return Report([*found, *(_imagenet_parts(asked) if params.imagenet else [])])


def _check(params: FrameworkParams) -> None:
    """What cannot be is told before anything begins."""
    from xai_core.models.architectures import check_task
    from xai_core.recipes.making import imagenet, quality

    quality.check(params.methods, params.metrics)
    if params.architecture:
        check_task(params.architecture, CLASSIFICATION)
    if params.imagenet and not params.weights:
        remedy = "Give --weights FILE, or leave --imagenet out."
        raise BadParameter("the ImageNet pictures need a model", value=params.imagenet, remedy=remedy)
    for file in filter(None, (params.init, params.weights)):
        if not Path(file).is_file():
            raise NotFound("no such file of weights", value=file, remedy="Check the path.")
    if params.imagenet:
        imagenet.pictures(Path(params.imagenet))


def _architecture(asked: Asked) -> str:
    """The one that is asked for; else what the study was trained with, else the paper's where that is feasible.

    The run is called by it.
    """
    from xai_core.recipes.making import steps

    if asked.params.architecture:
        return str(asked.params.architecture)
    study = steps.opened(asked.into)
    known = [name for name in (study.runs() if study else []) if name in (PAPERS_NET, LIGHT)]
    if known:
        return known[0]
    return PAPERS_NET if asked.params.init or _has_gpu(asked.device) else LIGHT


def _has_gpu(device: str) -> bool:
    from xai_core.models.build import pick_device

    return pick_device(device).type == "cuda"


def _training(asked: Asked) -> TrainArguments:
    from xai_core.models.architectures import ARCHITECTURES
    from xai_core.recipes.making.steps import training

    params, name = asked.params, _architecture(asked)
    size = params.size or (ARCHITECTURES[PAPERS_NET].size if name == PAPERS_NET else LIGHT_SIDE)
    return training(name, name, init=params.init, epochs=params.epochs, seed=params.seed, size=size)


def _cases(scope: Scope, count: int) -> ExplainArguments:
    """Of right and wrong cases, the paper's three methods."""
    from xai_core.recipes.making import parts

    return _of(scope, [row for rows in parts.right_and_wrong(scope, count).values() for row in rows.tolist()])


def _of(scope: Scope, rows: Sequence[int]) -> ExplainArguments:
    from xai_core.jobs.operations import ExplainArguments

    return ExplainArguments(scope.run.name, tuple(_three(scope.run)), "predicted", rows=tuple(rows))


def _three(run: Run) -> list[tuple[str, dict[str, Any]]]:
    """Grad-CAM, LRP, and SHAP at the picture and at the seventh convolution."""
    from xai_core.recipes.making.layers import convolution

    _, layer = convolution(run, SEVENTH)
    at_layer = [("shap_layer", {"layer": layer})] if layer else []
    return [("gradcam", {}), ("lrp", {}), ("shap", {}), *at_layer]


def _beside(asked: Asked) -> Path:
    """The study of the second half: other pictures, other classes."""
    return asked.into.with_name(f"{asked.into.name}-imagenet")


def _second_half(asked: Asked) -> list[Step]:
    from xai_core.recipes.making import imagenet, steps

    folder, params = _beside(asked), asked.params
    found, title = imagenet.pictures(Path(params.imagenet)), "explain pictures of ImageNet"

    def some(scope: Scope) -> ExplainArguments:
        return _of(scope, imagenet.some(scope, ELEPHANTS, params.pictures))

    return [
        *imagenet.begin(folder, found, IMAGENET_NET, Path(params.weights)),
        steps.explain(folder, imagenet.RUN, "explain imagenet", title, some),
    ]


PAPERS_NUMBER = "The paper states neither how many pictures it tested on nor how they were split, and no interval."


def _stand_in(run: Run) -> list[str]:
    if run.info.architecture == PAPERS_NET:
        return []
    return [
        f"The paper trains VGG-16. Here {run.info.architecture} stands in for it, which a CPU trains in minutes; "
        f"--architecture {PAPERS_NET} trains the paper's."
    ]


def _seventh(run: Run) -> str:
    from xai_core.recipes.making.layers import convolution

    asked, layer = convolution(run, SEVENTH)
    if layer == asked:
        return f"The seventh convolution is {asked}."
    found = (
        f"the map is made at {layer}, the smallest part around it that nothing bypasses" if layer else "no map of it"
    )
    return f"The seventh convolution is {asked}, and paths of the model go around it: {found}."


def _imagenet_parts(asked: Asked) -> list[Part]:
    """The elephants one by one, and how exact and how alike the maps of all pictures are."""
    import numpy as np

    from xai_core.answers.scope import Scope
    from xai_core.recipes.making import imagenet, parts
    from xai_core.store.study import Study

    study = Study.open(_beside(asked))
    scope = Scope(study.run(imagenet.RUN), "test")
    three = _three(scope.run)
    groups = {"explained": np.array(imagenet.some(scope, ELEPHANTS, asked.params.pictures))}
    maps = parts.cases_part(scope, three, groups, [_seventh(scope.run)])
    alike = parts.agreement_part(scope, three, groups)
    return [
        imagenet.named_part(scope, ELEPHANTS),
        replace(maps, title="ImageNet: maps"),
        replace(alike, title="ImageNet: do the methods agree?"),
    ]


RECIPES.add(
    Recipe(
        card=Card(
            key="xai-framework",
            title="XAI framework: Grad-CAM, LRP and SHAP together",
            summary="Brain scans and ImageNet pictures explained by three methods on right and wrong cases, the "
            "methods compared with others and with controls, and the accuracy without leaked pictures.",
            blind_spot="The paper's own split, weights and number of pictures are not known. One training run.",
            paper="Kureshi, Selvamani, XAI Framework for Complete Understanding of Image Classification Models",
        ),
        steps=_steps,
        report=_report,
        data="the brain scans: folders Training and Testing with a folder for each class",
        takes="about 20 minutes on two CPU cores with a light network, or on a GPU with VGG-16",
        params=FrameworkParams,
    )
)
