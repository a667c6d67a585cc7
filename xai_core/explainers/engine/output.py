"""What a target means, as a module that Captum and shap can call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from xai_core.errors import NotApplicable
from xai_core.explainers.pauses import pause
from xai_core.models.classifier import handed_over
from xai_core.models.layers import unfit_layer
from xai_core.models.wrappers import is_quantised
from xai_core.types import Target, target_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_core.models.classifier import Classifier


def weights_of(classifier: Classifier, targets: Sequence[Target]) -> Tensor:
    """`(N, K)` float32 on the classifier's device: e_positive − e_negative."""
    return torch.from_numpy(target_weights(list(targets), len(classifier.class_names))).to(classifier.device)


def logits_of(classifier: Classifier, x: Tensor) -> Tensor:
    """The classifier's logits `(N, K)`, float32. Raises as `checked_logits`."""
    return checked_logits(classifier.logits(x), len(classifier.class_names))


def checked_logits(output: object, classes: int) -> Tensor:
    """The output itself as float32, if it is one tensor of logits `(N, classes)`.

    Raises:
        NotApplicable: a tuple, a dict, another shape or another number of classes.
    """
    if not isinstance(output, Tensor):
        raise NotApplicable(
            "the model does not return a tensor of logits",
            value=type(output).__name__,
            remedy="Wrap it in a module that returns one tensor of shape (samples, classes).",
        )
    if output.ndim != 2 or output.shape[1] != classes:
        raise NotApplicable(
            f"the model's output has the wrong shape for {classes} classes",
            value=tuple(output.shape),
            remedy="Give a model that returns (samples, classes), and as many class names as it has outputs.",
        )
    return output.float()


def passes_gradients(classifier: Classifier) -> bool:
    """Whether a gradient of the logits comes back to the picture; tried with noise.

    Where the model fails otherwise than for want of a derivative, as of quantised parts, it counts as passing.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, *classifier.input_shape, generator=generator).to(classifier.device).requires_grad_()
    try:
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(logits_of(classifier, x).sum(), x, allow_unused=True)
    except (Exception, SystemExit) as error:
        return not any(says in str(error) for says in ("derivative", "does not require grad"))
    return gradient is not None


def no_gradient(classifier: Classifier) -> NotApplicable:
    """The error for a model that no gradient comes back through."""
    parts = classifier.module.named_modules()
    quantised = [f"{name} is a quantised {type(part).__name__}" for name, part in parts if is_quantised(part)]
    return NotApplicable(
        "no gradient passes through this model",
        value=quantised[0] if quantised else "its code cuts gradients off",
        remedy="Use Score-CAM, Ablation-CAM or occlusion, which need none.",
    )


def unreached(classifier: Classifier, layer: str, problem: str) -> NotApplicable:
    """The error for a layer ("" for the declared one) that no gradient reaches: another one's fault, or the model's."""
    return unfit_layer(classifier, layer, problem) if passes_gradients(classifier) else no_gradient(classifier)


class TargetOutput(nn.Module):
    """`(x (N,C,H,W), weights (N,K)) -> (N,)`, float32: the weighted sum of logits that a target means.

    `logits` `(N, K)` are those of the last call, detached: not every model takes a hook that would tell them.
    """

    logits: Tensor

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.module, self.dtype = classifier.module, classifier.dtype
        self.classifier = classifier
        self.classes = len(classifier.class_names)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """One number per sample."""
        logits = checked_logits(self.module(handed_over(x, self.dtype)), self.classes)
        if x.requires_grad and torch.is_grad_enabled() and not logits.requires_grad:
            raise no_gradient(self.classifier)
        self.logits = logits.detach()
        return (logits * weights).sum(1)


class PausingOutput(TargetOutput):
    """The same, with a pause before each call: for methods of Captum's that call it many times and set no hooks."""

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """One number per sample."""
        pause()
        return super().forward(x, weights)


class OneTargetOutput(TargetOutput):
    """`x (N,C,H,W) -> (N, 1)`: the same for one target, set before each call; the form that shap asks for."""

    weights: Tensor

    def forward(self, x: Tensor, weights: Tensor | None = None) -> Tensor:
        """One column."""
        row = self.weights if weights is None else weights
        return super().forward(x, row).unsqueeze(1)
