"""The contract of a training loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xai_core.label_maps import IGNORE
from xai_core.params import NoParams
from xai_core.registry import Registry
from xai_core.task import CLASSIFICATION, TaskKey
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.training.model import TrainingModel


@dataclass(frozen=True)
class LossInput:
    """One batch as a loss sees it.

    Attributes:
        model: the model in training; `model(x)` is the forward pass (a loss may need several).
        x: `(N, C, H, W)` augmented, normalised.
        targets: `(N, K)` float32, each row ≥ 0 with sum 1: all of it at the label, but for mixed samples. Of
            segmentation `(N, H, W)` int64 class indices, 255 to ignore.
        class_weights: `(K,)` float32, inverse class frequency with mean 1 (of pixels, of its root), or None.
        masks: `(N, H, W)` bool on the pixels of `x`, moved along with them; None unless the loss or an augmentation
            needs masks.
        has_mask: `(N,)` bool: whether a sample has a mask. Its plane is all false without one, and also where it is
            empty. None where `masks` is.
        class_shares: `(K,)` float32, of each class among the training pictures; None where that is not known, to be
            taken as even.
    """

    model: TrainingModel
    x: Tensor
    targets: Tensor
    class_weights: Tensor | None = None
    masks: Tensor | None = None
    has_mask: Tensor | None = None
    class_shares: Tensor | None = None

    @property
    def has_object(self) -> Tensor:
        """`(N,)` bool: whether a sample's mask has a pixel. Not one without a mask, and not one whose mask is empty."""
        assert self.masks is not None
        return self.masks.flatten(1).any(1)


@dataclass(frozen=True)
class LossOutput:
    """What a loss gives back.

    Attributes:
        value: the scalar that is minimised.
        logits: `(N, K, *P)` of the pictures as given, for the accuracy in the history.
        parts: named scalars, means over the batch, that the history keeps as measures of the training split. One that
            cannot be told of this batch is left out of it.
    """

    value: Tensor
    logits: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)


Settle = Callable[[Iterable[LossInput], Any], Any]


@dataclass(frozen=True)
class Loss:
    """A registered loss.

    Its card's `needs`: `mask` has masks read; `cam_layer` and `gradients` are always there, also while the head alone
    is trained, when weights below it are frozen but nothing keeps a gradient from passing. `tasks` are those whose
    targets it understands.

    `settle`, where there is one, gives the parameters with what nobody gave found from the first batches, before
    anything is learned; it raises XaiError where that cannot be. What it found is kept with the run.
    """

    card: Card
    params: type
    compute: Callable[[LossInput, Any], LossOutput]
    tasks: frozenset[TaskKey] = frozenset({CLASSIFICATION})
    settle: Settle | None = None


LOSSES: Registry[Loss] = Registry("loss", "xai_core.training.losses")


def loss(
    card: Card,
    params: type = NoParams,
    *,
    tasks: Iterable[TaskKey] = (CLASSIFICATION,),
    settle: Settle | None = None,
) -> Callable[..., Any]:
    """Register a loss."""

    def register(compute: Any) -> Any:
        LOSSES.add(Loss(card, params, compute, frozenset(tasks), settle))
        return compute

    return register


def weighted_mean(terms: Tensor, batch: LossInput) -> Tensor:
    """The mean over samples, of segmentation over their known pixels, weighted by the classes of their targets.

    Args:
        terms: `(N, K)` or `(N, K, H, W)`, of each class as if it were the label; those of the targets count.
    """
    if batch.targets.is_floating_point():
        shares = batch.targets if batch.class_weights is None else batch.targets * batch.class_weights
        return (shares * terms).sum() / shares.sum()
    known = batch.targets != IGNORE
    labels = batch.targets[known]
    weights = terms.new_ones(len(labels)) if batch.class_weights is None else batch.class_weights[labels]
    of_label = terms.movedim(1, -1)[known].gather(1, labels[:, None])[:, 0]
    return (weights * of_label).sum() / weights.sum().clamp(min=1e-12)  # where every pixel is to be ignored, 0


def cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor | None = None, *, smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy in nats with soft targets; to the bit torch's with indices where every target is one class.

    Args:
        logits, targets: `(N, K)`; or `(N, K, H, W)` and class indices `(N, H, W)`, of which 255 are left out.
        weights: `(K,)` of the classes, or None. The mean is weighted by the classes of the targets.
        smoothing: share of each target that is spread evenly over all classes.
    """
    from torch.nn import functional

    if not targets.is_floating_point():
        total = functional.cross_entropy(
            logits, targets, weights, label_smoothing=smoothing, ignore_index=IGNORE, reduction="sum"
        )
        known = targets[targets != IGNORE]
        weight = logits.new_tensor(float(len(known))) if weights is None else weights[known].sum()
        return total / weight.clamp(min=1e-12)  # where every pixel is to be ignored, 0
    labels = targets.argmax(1)
    if bool((targets.gather(1, labels[:, None]) == 1).all()):
        return functional.cross_entropy(logits, labels, weights, label_smoothing=smoothing)
    surprise = -logits.log_softmax(1) if weights is None else -logits.log_softmax(1) * weights
    total = (1 - smoothing) * (targets * surprise).sum() + smoothing * surprise.mean(1).sum()
    return total / (len(logits) if weights is None else (targets * weights).sum())


def guided(batch: LossInput, logits: Tensor, entropy: Tensor, value: Tensor, **told: Tensor) -> LossOutput:
    """The output of a loss that looks at evidence: its cross-entropy is kept in the history, and what it tells.

    Args:
        told: by name `(N,)` of each sample; of those with an object, the mean is kept.
    """
    means = {name: each[batch.has_object].mean() for name, each in told.items()}
    return LossOutput(value, logits, {"cross_entropy": entropy, **means})
