"""What one training run is made of; JSON-able, so that a run can be made again. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from xai_core.errors import BadInput, BadParameter, NotFound
from xai_core.label_maps import ORIGINAL
from xai_core.models.architectures import ARCHITECTURES, check_task
from xai_core.models.preprocess import LARGEST_RESIZE
from xai_core.needs import NEEDS
from xai_core.params import LATER, build, param, specs
from xai_core.task import SEGMENTATION, TaskKey
from xai_core.training.augmentations import chosen
from xai_core.training.losses import LOSSES
from xai_core.types import Card

FINE_TUNING, HEAD_FACTOR = 3e-4, 10.0
"""Default peak learning rate with weights to start from (an architecture says its own for fresh ones); while the head
alone is trained, the rate is ten times that."""


@dataclass(frozen=True)
class TrainParams:
    """The numbers of a training run, as a form or flags ask for them."""

    epochs: int = param(4, help="passes over the training split", low=1, high=1000)
    batch_size: int = param(
        0, help="pictures per step; 0 chooses: 128 from scratch, 32 fine-tuning, 8 of a segmenter", low=0, high=4096
    )
    learning_rate: float = param(
        0.0, help="peak rate; 0 chooses: the architecture's from scratch, 0.0003 fine-tuning", low=0.0, high=1.0
    )
    weight_decay: float = param(0.01, help="pull of weights towards zero (AdamW)", low=0.0, high=1.0)
    head_epochs: int = param(1, help="with --init: epochs in which only the new head is trained", low=0, high=1000)
    head_learning_rate: float = param(
        0.0, help="peak rate of those epochs; 0: ten times the learning rate", low=0.0, high=1.0, later=True
    )
    class_weights: bool = param(True, help="rare classes weigh more, by the inverse of their frequency")
    precision: str = param(
        "float32", help="bfloat16 may be twice as fast and is a little less exact", choices=("float32", "bfloat16")
    )
    seed: int = param(0, help="the same seed gives the same run", low=0, high=2**31 - 1)
    random_labels: bool = param(
        False, help="labels of training pictures are shuffled: a model that only memorises, to hold heatmaps against"
    )
    tiles_of: int = param(
        0,
        help="of a segmenter: the longer side of pictures becomes so many pixels, and it sees tiles of the input size "
        "of them; 0: it sees pictures whole",
        low=0,
        high=LARGEST_RESIZE,
        later=True,
    )


@dataclass(frozen=True)
class TrainConfig(TrainParams):
    """Everything that decides the weights, besides data, classes and preprocessing.

    Attributes:
        architecture: key of a registered architecture.
        init: weights file that training starts from; "" for fresh weights.
        loss, loss_params: key of a loss and its parameters.
        augmentations: parameters by key of augmentation.
        annotations: of segmentation, the version of the annotation that is learned from; "" for the original.
    """

    architecture: str = "small_resnet"
    init: str = ""
    loss: str = "cross_entropy"
    loss_params: Mapping[str, Any] = field(default_factory=dict)
    augmentations: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"flip": {}})
    annotations: str = field(default="", metadata={LATER: True})

    @property
    def needs(self) -> frozenset[str]:
        """What the loss and the augmentations need of model and data. Raises NotFound for one that is unknown."""
        return frozenset(need for _, card in self._cards() for need in card.needs)

    def _cards(self) -> list[tuple[str, Card]]:
        """With the name of their family."""
        members = chosen(self.augmentations)
        return [("losses", LOSSES[self.loss].card), *(("augmentations", member.card) for member, _ in members)]

    def resolved(self) -> TrainConfig:
        """The same with every default filled in; two configurations that mean the same are then equal.

        Raises:
            NotFound: an unknown architecture, loss, augmentation or parameter.
            BadParameter: a value that does not fit.
        """
        scalars = build(TrainParams, {spec.name: getattr(self, spec.name) for spec in specs(TrainParams)})
        tuned = bool(self.init)
        if tuned and scalars.head_epochs > scalars.epochs:
            remedy = "Give at least as many epochs as head epochs."
            raise BadParameter("more head epochs than epochs", value=scalars.head_epochs, remedy=remedy)
        loss, architecture = LOSSES[self.loss], ARCHITECTURES[self.architecture]
        for family, card in self._cards():
            for need in sorted(card.needs):
                if need not in NEEDS or family not in NEEDS[need].providers:
                    remedy = f"Train without {card.key}."
                    raise BadParameter("training does not provide what this needs", value=need, remedy=remedy)
        values = asdict(scalars) | {
            "architecture": architecture.card.key,
            "batch_size": scalars.batch_size or _batch_size(architecture.task, tuned),
            "learning_rate": scalars.learning_rate or (FINE_TUNING if tuned else architecture.learning_rate),
            "head_epochs": scalars.head_epochs if tuned else 0,
            "head_learning_rate": scalars.head_learning_rate if tuned and scalars.head_epochs else 0.0,
            "loss_params": asdict(build(loss.params, self.loss_params)),
            "annotations": "" if self.annotations == ORIGINAL else self.annotations,
            "augmentations": {member.card.key: asdict(params) for member, params in chosen(self.augmentations)},
        }
        return replace(self, **values)

    def check_task(self, task: TaskKey) -> None:
        """Raise BadParameter where the architecture, the loss or an augmentation is of another task than the study."""
        check_task(self.architecture, task)
        if self.tiles_of and task != SEGMENTATION:
            remedy = "Leave tiles_of out: a classifier says one thing of a picture, and has to see all of it."
            raise BadParameter("only segmenters see pictures in tiles", value=self.tiles_of, remedy=remedy)
        parts = [("loss", self.loss, LOSSES[self.loss].tasks)]
        parts += [("augmentation", one.card.key, one.tasks) for one, _ in chosen(self.augmentations)]
        for what, key, tasks in parts:
            if task not in tasks:
                remedy = f"Choose another: xai list {'losses' if what == 'loss' else what + 's'}."
                raise BadParameter(f"this {what} is not for {task}", value=key, remedy=remedy)
        if self.annotations and task != SEGMENTATION:
            remedy = "Leave --annotations out."
            raise BadParameter("only label maps have versions", value=self.annotations, remedy=remedy)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """From the JSON form.

        Raises:
            NotFound: a name that it does not have.
            BadInput: a member that is not named by a text, or has no table of parameters.
        """
        known = [f.name for f in fields(cls)]
        for name in values:
            if name not in known:
                raise NotFound.among("training option", name, known)
        made = cls(**values)
        texts = (made.architecture, made.init, made.loss, made.annotations)
        tables = [made.loss_params, made.augmentations]
        if isinstance(made.augmentations, Mapping):
            tables += made.augmentations.values()
        if not all(isinstance(text, str) for text in texts) or not all(isinstance(t, Mapping) for t in tables):
            remedy = "Restore run.json from a copy, or give the whole configuration by flags."
            raise BadInput("not a training configuration", value=dict(values), remedy=remedy)
        return made


def _batch_size(task: TaskKey, tuned: bool) -> int:
    """A segmenter keeps its grids large to the end: 8 pictures take the room of some hundred."""
    if task == SEGMENTATION:
        return 8
    return 32 if tuned else 128
