"""What a task decides: the shape of a model's output, its probabilities, what it says, what an error is, and the loss
by which runs are compared. Everything else asks here, so that a second task is written down in one place.

A task speaks of the class axis, which is the first after the samples, and of what lies behind it: nothing for a
classifier, `(N, K)`, the picture's pixels for a segmenter, `(N, K, H, W)`. This module loads no torch: functions that
take tensors load it themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadInput, NotApplicable, NotFound
from xai_core.label_maps import IGNORE
from xai_core.types import Array

if TYPE_CHECKING:
    from torch import Tensor

TaskKey = Literal["classification", "segmentation"]
CLASSIFICATION: TaskKey = "classification"
SEGMENTATION: TaskKey = "segmentation"
SUM_TOLERANCE = 2e-3
"""By how much the probabilities of a sample may miss 1; tables from elsewhere are rounded."""

_TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True)
class Task:
    """One task. K classes; `*P` is nothing for classification, `H, W` for segmentation.

    Attributes:
        key: what `study.json` holds.
        dims: axes behind the class axis.
        chosen_by: measure of the validation split by which a training keeps its best epoch; higher is better.
    """

    key: TaskKey
    dims: int
    chosen_by: str

    def check_output(self, shape: tuple[int, ...], samples: int, classes: int) -> None:
        """Raise BadInput where a model's output is not `(samples, classes, *P)`."""
        if len(shape) != 2 + self.dims or shape[:2] != (samples, classes):
            wanted = ", ".join([str(samples), str(classes), *"HW"[: self.dims]])
            remedy = f"For {self.key} it must be ({wanted}): one number for each class."
            raise BadInput("the model's output has a shape that does not fit", value=f"{shape}", remedy=remedy)

    # Of a model's outputs, tensors

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Softmax over the classes, `(N, K, *P)` float32."""
        return outputs.float().softmax(1)

    def says(self, outputs: Tensor) -> Tensor:
        """The class that is said, `(N, *P)` int64: the first of the most probable ones; of soft targets the largest."""
        return outputs.argmax(1)

    def cross_entropy(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The loss that compares runs, whatever they were trained with: in nats, `(N,)`, the mean over `*P`.

        Args:
            outputs: `(N, K, *P)` logits.
            labels: `(N, *P)` int64, or soft targets `(N, K, *P)` that add up to 1 over the classes. A label of 255 is
                left out; where all are, the loss is 0.
        """
        from torch.nn import functional

        if labels.is_floating_point():
            losses = functional.cross_entropy(outputs.float(), labels, reduction="none")
            return losses.flatten(1).mean(1) if self.dims else losses
        losses = functional.cross_entropy(outputs.float(), labels, reduction="none", ignore_index=IGNORE)
        return _known_mean(losses, labels) if self.dims else losses

    def right(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The share that is right, `(N,)` float32: 0 or 1 for classification, of the pixels with a label else."""
        found = (self.says(outputs) == labels).float()
        return _known_mean(found, labels) if self.dims else found

    # Of what is stored, arrays

    def is_error(self, said: NDArray[np.integer], labels: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Where the class that was said is not the label, as `said`."""
        wrong: NDArray[np.bool_] = np.asarray(said) != np.asarray(labels)
        return wrong


def _known_mean(values: Tensor, labels: Tensor) -> Tensor:
    """The mean over the pixels of each sample that have a label; 0 where none has."""
    known = (labels != IGNORE).flatten(1)
    return (values.flatten(1) * known).sum(1) / known.sum(1).clamp(min=1)


def most_probable(probabilities: Array) -> NDArray[np.int64]:
    """The class that is said, of `(n, K)` probabilities: the first of the most probable ones."""
    return probabilities.argmax(axis=1).astype(np.int64)


def loss_of(of_label: Array) -> Array:
    """Cross-entropy in nats, `(n,)`, from the probability that each label was given."""
    loss: Array = -np.log(np.maximum(of_label, _TINY))
    return loss


TASKS: Mapping[TaskKey, Task] = {
    CLASSIFICATION: Task(CLASSIFICATION, 0, "accuracy"),
    SEGMENTATION: Task(SEGMENTATION, 2, "mean_iou"),
}


def need_samples(key: str, study: str) -> None:
    """Raise NotApplicable where models say something of every pixel, and no one thing of a picture."""
    if key == SEGMENTATION:
        remedy = "Ask for segments: xai show STUDY segments, with --cell TRUE:PREDICTED for the pictures of a cell."
        raise NotApplicable("this is asked of classifiers, not of segmenters", value=study, remedy=remedy)


def task(key: str) -> Task:
    """The task of this key. Raises NotFound."""
    for known, found in TASKS.items():
        if known == key:
            return found
    raise NotFound.among("task", key, TASKS)
