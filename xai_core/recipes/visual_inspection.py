"""Paper 4: a segmenter of thin objects, five class activation maps of it scored, and annotation made wider where
objects are thin, with a twin that grows as much at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_core.errors import BadInput, BadParameter, NotFound
from xai_core.params import param
from xai_core.recipes.base import RECIPES, Asked, Recipe, Step
from xai_core.task import SEGMENTATION
from xai_core.text import comma_list, comma_text
from xai_core.types import Card

if TYPE_CHECKING:
    from xai_core.answers.scope import Scope
    from xai_core.jobs.operations import ScoreArguments
    from xai_core.jobs.training import TrainArguments
    from xai_core.recipes.making.report import Part, Report
    from xai_core.store.study import Study

BASELINE, RULE, TWIN = "baseline", "enlarged", "enlarged-random"
ENLARGEMENT = "annotation_enlargement"
WHERE = {RULE: "edges", TWIN: "random"}
"""By arm, where annotation grows."""

PAIRS = ((BASELINE, RULE), (BASELINE, TWIN), (TWIN, RULE))

CAMS = "gradcam,gradcam++,hirescam,xgradcam,scorecam"
METRICS = "energy-pointing-game,bbox,iou,average-drop,increase"

TABLE_1: Mapping[str, tuple[float, ...]] = {
    "Grad-CAM": (50.49, 48.39, 47.94, 5.21, 52.57, 3.21),
    "Grad-CAM++": (58.13, 52.24, 53.22, 5.17, 54.66, 4.20),
    "HiResCAM": (60.81, 41.69, 52.19, 5.01, 55.93, 3.13),
    "XGrad-CAM": (57.94, 47.81, 53.09, 5.94, 55.01, 4.43),
    "Score-CAM": (54.01, 43.95, 51.94, 7.34, 47.19, 52.50),
}
"""The paper's table I: EPBG, BBox, IoU, Drop, Inc in per cent, and seconds."""

TABLE_2: Mapping[str, tuple[float, float]] = {
    "cable": (55.06, 58.11),
    "tower_wooden": (94.75, 94.78),
    "tower_lattice": (95.31, 95.32),
    "tower_tucohy": (90.63, 90.65),
    "overall": (83.94, 84.715),
}
"""The paper's table II: IoU in per cent before and after."""


@dataclass(frozen=True)
class InspectionParams:
    """Of the inspection."""

    dataset: str = param("", help="xai list datasets: coco or mask-folder; by default the one that fits the data")
    masks: str = param("", help="folder of label PNGs named like the pictures, where they do not lie beside them")
    test: float = param(0.0, help="share of all pictures drawn anew for the test; 0 keeps the data's", high=0.8)
    architecture: str = param("unet_mobilenet_v2", help="xai list architectures; the paper's: deeplabv3_resnet101")
    init: str = param("", help="file of weights that training starts from, such as ImageNet's")
    mean: str = param("", help='of those weights, per channel on the 0…1 scale: "0.5,0.5,0.5"; ImageNet\'s by default')
    std: str = param("", help="the same")
    size: int = param(256, help="input side; the paper's is 500", low=32, high=1024, unit="px")
    epochs: int = param(8, help="passes over the training split", low=1, high=1000)
    head_epochs: int = param(1, help="with --init: epochs in which only the new head is trained", low=0, high=1000)
    batch_size: int = param(0, help="pictures per step; 0 chooses, as xai train does", low=0, high=4096)
    learning_rate: float = param(0.0, help="peak rate; 0 chooses, as xai train does", low=0.0, high=1.0)
    loss: str = param("dice_cross_entropy", help="xai list losses; the paper's: dice")
    seeds: int = param(3, help="runs of each arm; a claim needs 6, the paper has 1", low=2, high=50)
    category: str = param("", help="class of objects that is looked at and made wider; by default the thinnest")
    region: str = param(
        "predicted",
        help="heatmaps explain it where it is predicted, or annotated",
        choices=("predicted", "true"),
    )
    pixels: int = param(1, help="by how many pixels of the input its annotation grows", low=1, high=50, unit="px")
    methods: str = param(CAMS, help="methods that are compared; controls stand beside them")
    metrics: str = param(METRICS, help="xai list metrics")
    samples: int = param(100, help="test pictures that methods are compared on", low=3, high=100_000)


def _steps(asked: Asked) -> Sequence[Step]:
    from xai_core.recipes.making import steps

    params: InspectionParams = asked.params
    _check(asked)
    return [
        steps.new(asked.into, asked.data, dataset=_dataset(asked), values=_values(params)),
        steps.train(asked.into, BASELINE, partial(_training, asked, BASELINE)),
        _scoring(asked),
        *(steps.train(asked.into, arm, partial(_training, asked, arm)) for arm in (RULE, TWIN)),
    ]


def _check(asked: Asked) -> None:
    """What cannot be is told before anything begins."""
    from xai_core.answers.segments import need_segmentation
    from xai_core.models.architectures import check_task
    from xai_core.models.preprocess import check_scale
    from xai_core.recipes.making import quality, segments, steps
    from xai_core.training.losses import LOSSES

    params: InspectionParams = asked.params
    quality.check(params.methods, params.metrics)
    check_task(params.architecture, SEGMENTATION)
    if SEGMENTATION not in LOSSES[params.loss].tasks:
        raise BadParameter(
            "this loss is not for segmentation", value=params.loss, remedy="Choose another: xai list losses."
        )
    if params.init and not Path(params.init).is_file():
        raise NotFound("no such file of weights", value=params.init, remedy="Check the path.")
    if params.masks and not Path(params.masks).is_dir():
        raise NotFound("no such folder of label maps", value=params.masks, remedy="Check the path.")
    mean, std = _channels("mean", params.mean), _channels("std", params.std)
    if mean or std:
        check_scale(mean or (0.0,), std or (1.0,))
    study = steps.opened(asked.into)
    if study is not None:
        need_segmentation(study)
        begun = study.info.dataset_params
        if params.test != (begun["test"] if begun.get("anew") else 0.0):
            remedy = "Choose another --into, or give the --test that it was begun with."
            raise BadInput("this study is split otherwise", value=asked.into, remedy=remedy)
        segments.category_of(study, params.category)


def _dataset(asked: Asked) -> str:
    """Which dataset reads the data. Raises BadInput where it says nothing of pixels."""
    from xai_core.datasets import DATASETS, dataset_of
    from xai_core.recipes.making import steps

    study = steps.opened(asked.into)
    if study is not None:
        return study.info.dataset
    params: InspectionParams = asked.params
    key = params.dataset or ("mask-folder" if params.masks else dataset_of(asked.data))
    if DATASETS[key].task != SEGMENTATION:
        remedy = "Give a folder with a file of COCO, or with label PNGs: --dataset mask-folder --masks FOLDER."
        raise BadInput(
            "these data do not say of pixels what they are", value=f"{asked.data}, read as {key}", remedy=remedy
        )
    return key


def _values(params: InspectionParams) -> dict[str, Any]:
    """Parameters of the dataset."""
    masks = {"masks": str(Path(params.masks).resolve())} if params.masks else {}
    return masks | ({"anew": True, "test": params.test} if params.test else {})


def _channels(name: str, text: str) -> tuple[float, ...] | None:
    try:
        found = tuple(float(part) for part in comma_list(text))
    except ValueError:
        raise BadParameter(f"{name} is no list of numbers", value=text, remedy="Write A,B,C.") from None
    if len(found) not in (0, 1, 3):
        raise BadParameter(f"{name} is of 1 or 3 channels", value=text, remedy="Write A,B,C.")
    return found or None


def _training(asked: Asked, arm: str, study: Study) -> TrainArguments:
    from xai_core.jobs.training import TrainArguments
    from xai_core.recipes.making.segments import category_of
    from xai_core.training.config import TrainConfig

    params: InspectionParams = asked.params
    augmentations: dict[str, Mapping[str, Any]] = {"flip": {}, "affine": {}}
    if arm in WHERE:
        grown = comma_text([study.class_names[category_of(study, params.category)]])
        augmentations[ENLARGEMENT] = {"pixels": params.pixels, "categories": grown, "where": WHERE[arm]}
    config = TrainConfig(
        architecture=params.architecture,
        init=str(Path(params.init).resolve()) if params.init else "",
        epochs=params.epochs,
        head_epochs=params.head_epochs,
        batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        loss=params.loss,
        augmentations=augmentations,
    )
    mean, std = _channels("mean", params.mean), _channels("std", params.std)
    given: dict[str, Any] = {"size": params.size, "mean": mean, "std": std, "seeds": params.seeds}
    return TrainArguments(arm, config.as_dict(), splits=("test",), **given)


def _scoring(asked: Asked) -> Step:
    """Scores of the baseline's best seed, which is known once all are trained."""
    from xai_core.recipes.making import segments, steps
    from xai_core.store.study import Study

    name, runs = f"score {BASELINE}", [f"{BASELINE}-seed{seed}" for seed in range(asked.params.seeds)]

    def step(study: Study) -> Step:
        best = segments.best_of(study, runs).name
        return steps.score(asked.into, best, name, name, lambda scope: _scores(asked, scope))

    def done() -> bool:
        study = steps.opened(asked.into)
        return study is not None and set(runs) <= set(study.runs()) and step(study).done()

    return Step(name, f"score heatmaps of {BASELINE}", done, lambda work: step(Study.open(asked.into)).run(work))


def _scores(asked: Asked, scope: Scope) -> ScoreArguments:
    from xai_core.jobs.operations import ScoreArguments
    from xai_core.recipes.making import quality, segments

    params: InspectionParams = asked.params
    category = segments.category_of(scope.study, params.category)
    target, chosen = segments.asked(scope, category, params.region, params.samples)
    named = tuple(quality.methods_of(scope.run, params.methods))
    measured = tuple(quality.metrics_of(scope.run, params.metrics))
    return ScoreArguments(scope.run.name, named, target, rows=tuple(chosen.rows.tolist()), metrics=measured)


def _report(asked: Asked) -> Report:
    from xai_core.answers.scope import Scope
    from xai_core.recipes.making import parts, segments
    from xai_core.recipes.making.report import Report
    from xai_core.store.study import Study

    params: InspectionParams = asked.params
    study = Study.open(asked.into)
    category = segments.category_of(study, params.category)
    runs = [f"{BASELINE}-seed{seed}" for seed in range(params.seeds)]
    scope = Scope(segments.best_of(study, runs), "test")
    return Report(
        [
            parts.data_part(study),
            parts.training_part(scope.run, [_stand_in(params)]),
            segments.goodness_part(scope.run, runs, category),
            *segments.methods_part(
                scope, category, params.region, params.samples, params.methods, params.metrics, "Table I: methods"
            ),
            _table_1(),
            segments.arms_part(study, (BASELINE, RULE, TWIN), PAIRS, category, "Table II: annotation made wider"),
            _table_2(),
        ]
    )


def _stand_in(params: InspectionParams) -> str:
    return (
        f"The paper trains deeplabv3_resnet101 at 500 × 500 px with the Dice loss, one run of each; here {params.loss} "
        f"trains {params.seeds} runs of each arm."
    )


NOT_STATED = "The paper's own figures, on TTPLA, of one run, without interval, n or null: a source, set beside ours."


def _table_1() -> Part:
    from xai_core.recipes.making.report import Part

    rows = tuple((name, *(f"{value:.2f}" for value in values)) for name, values in TABLE_1.items())
    heads = ("method", "EPBG, %", "BBox, %", "IoU, %", "Drop, %", "Increase, %", "seconds")
    return Part(
        "The paper's table I", heads, rows, (NOT_STATED,), {key: list(values) for key, values in TABLE_1.items()}
    )


def _table_2() -> Part:
    from xai_core.recipes.making.report import Part

    rows = tuple(
        (name, f"{before:g}", f"{after:g}", f"{after - before:+.2f}") for name, (before, after) in TABLE_2.items()
    )
    heads = ("class", "IoU before, %", "after, %", "points")
    said = (
        NOT_STATED,
        "There an expert changed the annotation by what maps showed; here a rule does, without anybody.",
    )
    return Part("The paper's table II", heads, rows, said, {key: list(values) for key, values in TABLE_2.items()})


RECIPES.add(
    Recipe(
        card=Card(
            key="visual-inspection",
            title="Visual inspection: thin objects, heatmaps of them, and annotation made wider",
            summary="A segmenter is trained; five class activation maps of its thinnest class are scored beside "
            "controls; and it is trained anew on annotation made wider, by a rule and, as much of it, at random.",
            blind_spot="A small network and small pictures stand in for the paper's; a rule stands in for its expert. "
            "Seeds share one split.",
            paper="Clement, Nguyen and others, XAI-Enhanced Semantic Segmentation Models for Visual Quality Inspection",
        ),
        steps=_steps,
        report=_report,
        data="pictures with a file of COCO, or with label PNGs beside them",
        takes="an hour on one CPU core for 285 pictures at 256 pixels, without Score-CAM",
        params=InspectionParams,
    )
)
