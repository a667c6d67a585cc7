"""Try a fix: a training that varies a run, as it can be started, said as a command, and estimated."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from xai_core.answers.arms import all_arms
from xai_core.answers.scope import Scope
from xai_core.errors import BadInput, BadParameter
from xai_core.label_maps import ORIGINAL
from xai_core.models.architectures import ARCHITECTURES
from xai_core.params import as_dict, build, specs
from xai_core.store.readable import readable_runs
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.task import CLASSIFICATION, SEGMENTATION, TaskKey
from xai_core.text import counted
from xai_core.training.augmentations import AUGMENTATIONS, Augmentation
from xai_core.training.config import TrainConfig, TrainParams
from xai_core.training.history import frame
from xai_core.training.losses import LOSSES, Loss
from xai_core.training.standing import read_history
from xai_core.triage.confusion import Cell
from xai_core.words import cell_name, duration

Values = Mapping[str, Any]


def configuration_of(run: Run | None) -> dict[str, Any]:
    """The configuration that a run was trained with, JSON form; empty without one. Raises BadInput for damage."""
    values = dict(run.info.training) if run else {}
    values.pop("best_epoch", None)
    TrainConfig.from_dict(values)
    return values


def is_parent(run: Run) -> bool:
    """Whether it was trained here as a network, so that it can be varied."""
    try:
        return bool(run.info.training) and run.info.architecture in ARCHITECTURES
    except BadInput:  # damaged: told on Overview
        return False


def going_on(parent: Run) -> dict[str, Any]:
    """What starts from a parent's weights: its head knows the classes, and its rates may be those of new weights.

    Raises:
        BadParameter: it has no weights.
    """
    if not parent.has_model:
        remedy = "Choose a run that has a model."
        raise BadParameter("the parent has no weights to start from", value=parent.name, remedy=remedy)
    return {"init": str(parent.weights), "head_epochs": 0, "head_learning_rate": 0.0, "learning_rate": 0.0}


def input_of(parent: Run | None) -> dict[str, Any]:
    """Size, mean and std of a run's input; each None where there is none."""
    known = (parent.info.preprocess if parent else None) or {}
    return {"size": known.get("width"), "mean": known.get("mean"), "std": known.get("std")}


@dataclass(frozen=True)
class Plan:
    """A training that is about to begin.

    Attributes:
        study: where its run will lie.
        name: of the run, or of the arm.
        config: what is trained.
        parent: the run that it varies.
        from_parent: whether it starts from that run's weights.
        seeds: how many runs.
        check: whether heatmaps are checked afterwards.
    """

    study: Study
    name: str
    config: TrainConfig
    parent: Run | None = None
    from_parent: bool = False
    seeds: int = 1
    check: bool = False

    @property
    def arguments(self) -> dict[str, Any]:
        """As a job takes them. It predicts once it is trained: whoever tries a fix wants to compare."""
        about = {"run": self.name, "config": self.config.as_dict(), "parent": self.parent.name if self.parent else None}
        return about | input_of(self.parent) | {"check": self.check, "seeds": self.seeds, "predict": True}

    @property
    def line(self) -> str:
        """The same as a command, quoted for a shell."""
        words = ["xai", "train", str(self.study.path), "--run", self.name]
        words += ["--parent", self.parent.name] if self.parent else []
        words += ["--from-parent"] if self.from_parent else []
        words += _flags(self.config, self._before())
        words += ["--seeds", str(self.seeds)] if self.seeds > 1 else ["--predict"]
        return shlex.join([*words, *(["--check"] if self.check else []), "--background"])

    def _before(self) -> dict[str, Any]:
        """What the command would take without flags."""
        values = configuration_of(self.parent)
        values |= going_on(self.parent) if self.parent and self.from_parent else {}
        return TrainConfig().as_dict() | {"architecture": ""} | values

    @property
    def seconds(self) -> float | None:
        """About how long it takes, going by the parent: per epoch, and by what the losses cost; None where unknown."""
        run = self.parent
        before = configuration_of(run) if run else {}
        if not run or not run.info.seconds or self.config.architecture != before.get("architecture"):
            return None
        cost = LOSSES[self.config.loss].card.cost / LOSSES[str(before.get("loss", "cross_entropy"))].card.cost
        return run.info.seconds / max(1, int(before.get("epochs", 1))) * self.config.epochs * cost * self.seeds

    @property
    def estimate(self) -> str:
        """How long it takes, in a sentence."""
        if self.seconds is None:
            return "How long it takes is not known before the first epoch: no run of this kind was trained here."
        return f"About {duration(self.seconds)}, by how long {self.parent.name if self.parent else ''} took."


def _flags(config: TrainConfig, before: Values) -> list[str]:
    """Flags that make `config` out of what is there without them."""
    after = config.as_dict()
    words = ["--arch", config.architecture] if config.architecture != before["architecture"] else []
    for spec in specs(TrainParams):
        if after[spec.name] != before.get(spec.name, spec.default):
            words += [f"--{spec.name.replace('_', '-')}", _text(after[spec.name])]
    same = config.loss == before["loss"]
    words += [] if same else ["--loss", config.loss]
    if config.annotations != before["annotations"]:
        words += ["--annotations", config.annotations or ORIGINAL]
    words += sets(config.loss, LOSSES[config.loss].params, config.loss_params, before["loss_params"] if same else {})
    there = before["augmentations"]
    same = set(there) == set(config.augmentations)
    words += [] if same else ["--augment", ",".join(["none", *config.augmentations])]
    for key, values in config.augmentations.items():
        words += sets(key, AUGMENTATIONS[key].params, values, there[key] if same else {})
    return words


def sets(key: str, params: type, values: Values, before: Values) -> list[str]:
    """`--set` for what differs of a member's parameters."""
    known, wanted = (as_dict(build(params, each)) for each in (before, values))
    changed = [f"{key}.{name}={_text(value)}" for name, value in wanted.items() if value != known[name]]
    return [word for each in changed for word in ("--set", each)]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class Suggestion:
    """What the evidence of a cell suggests to try: augmentations with parameters, and why, in a sentence."""

    augmentations: Mapping[str, Values] = field(default_factory=dict)
    sentence: str = ""


SWAP = (
    "If what misleads lies outside of the objects, add background_swap for every picture: these have masks, and on "
    "planted shortcuts it did more than anything that goes by heatmaps."
)
"""What `benchmarks.repair` found, for studies with masks."""


def suggestion(run: Run, cell: Cell | None) -> Suggestion:
    """For a cell of mistakes: crops away from where their mean heatmap lies, from mistakes that are not the test's."""
    of_pixels = run.study.info.task == SEGMENTATION  # what is for cells of samples is not for those of pixels
    if cell is None or cell[0] == cell[1] or not run.info.fingerprint or of_pixels:
        return Suggestion()
    names = run.study.class_names
    what = cell_name(*(names[index] for index in cell))
    for split in ("validation", "train"):
        count = len(Scope(run, split).members.cell(*cell))
        if count:
            values = {"run": run.name, "true": names[cell[0]], "predicted": names[cell[1]], "split": split}
            where = f"where the mean heatmap of {counted(count, f'{split} sample')} so mistaken lies"
            twin = "Train its random twin too (place: anywhere): cropping alone may do as much."
            other = f" {SWAP}" if masked(run.study) else ""
            return Suggestion({"attention_crop": values}, f"{what}: crops away from {where}. {twin}{other}")
    return Suggestion({}, f"{what}: no such mistake outside the test split, which must not decide about a fix.")


def free_name(study: Study, wished: str) -> str:
    """A name that no run and no arm of the study has: as wished, or with a number."""
    taken = {*study.runs(), *(arm.name for arm in all_arms(readable_runs(study, predictions=False)))}
    names = [wished[:50], *(f"{wished[:50]}-{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


def masked(study: Study) -> bool:
    """Whether any picture of the training split has a mask."""
    return bool(study.samples["has_mask"].to_numpy()[study.rows("train")].any())


def usable_members(study: Study) -> tuple[list[str], list[str]]:
    """Keys of the losses and augmentations that are for the study's task, and that its data can provide for."""
    lacking = set() if masked(study) else {"mask"}

    def usable(family: Iterable[Loss | Augmentation]) -> list[str]:
        fitting = [member for member in family if study.task.key in member.tasks]
        return [member.card.key for member in fitting if not member.card.needs & lacking]

    return usable(LOSSES), usable(AUGMENTATIONS)


IN_FRONT = ("epochs", "learning_rate", "seed")
_OF_TASK = {CLASSIFICATION: ("random_labels",), SEGMENTATION: ("tiles_of",)}
"""Numbers of a training that only one task has."""


def numbers_asked(task: TaskKey) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the numbers of a training that a form for this task asks for: first, and among more."""
    others = {name for other, names in _OF_TASK.items() if other != task for name in names}
    front = (*IN_FRONT, *(_OF_TASK[task] if task == SEGMENTATION else ()))
    return front, tuple(spec.name for spec in specs(TrainParams) if spec.name not in others | set(front))


def curves_of(study: Study, name: str) -> pd.DataFrame:
    """The history of a run, or of its training as far as it is; empty where there is none."""
    if name in study.runs():
        history = study.run(name).history
        return frame([]) if history is None else history
    return frame(read_history(study.path / "training" / name))
