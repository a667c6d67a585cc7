"""What a target means, as a module that Captum and shap can call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from xai_core.errors import NotApplicable
from xai_core.explainers.engine.pauses import pause
from xai_core.models.classifier import handed_over
from xai_core.models.layers import unfit_layer
from xai_core.models.wrappers import is_quantised
from xai_core.types import Target, target_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_core.models.classifier import Classifier


def weights_of(classifier: Classifier, targets: Sequence[Target], regions: Tensor | None = None) -> Tensor:
    """`(N, *output)` float32 on the classifier's device: e_positive − e_negative, at each place of the region.

    Args:
        classifier: the model.
        targets: N of them.
        regions: `(N, h, w)`, what each place of a segmenter's output counts; None for 1 everywhere.
    """
    classes = torch.from_numpy(target_weights(list(targets), len(classifier.class_names))).to(classifier.device)
    if not classifier.output_size:
        return classes
    everywhere = classes.new_ones(len(classes), *classifier.output_size)
    places = everywhere if regions is None else regions.to(everywhere)
    return classes[:, :, None, None] * places[:, None]


def weighted(output: Tensor, weights: Tensor) -> Tensor:
    """`(N, *output)` twice -> `(N,)`: the weighted sum that a target means, whatever shape the output has."""
    return (output * weights).flatten(1).sum(1)


def logits_of(classifier: Classifier, x: Tensor) -> Tensor:
    """The classifier's logits `(N, K)`, a segmenter's `(N, K, h, w)`, float32. Raises as `checked_logits`."""
    return checked_logits(classifier.logits(x), classifier.output_shape)


def checked_logits(output: object, shape: tuple[int, ...]) -> Tensor:
    """The output itself as float32, if it is one tensor of logits `(N, *shape)`.

    Raises:
        NotApplicable: a tuple, a dict, another shape or another number of classes.
    """
    axes = ("samples", "classes", "height", "width")[: 1 + len(shape)]
    if not isinstance(output, Tensor):
        raise NotApplicable(
            "the model does not return a tensor of logits",
            value=type(output).__name__,
            remedy=f"Wrap it in a module that returns one tensor of shape ({', '.join(axes)}).",
        )
    if tuple(output.shape[1:]) != shape:
        expected = f"{shape[0]} classes" + (f" at {'×'.join(map(str, shape[1:]))} places" if shape[1:] else "")
        raise NotApplicable(
            f"the model's output has the wrong shape for {expected}",
            value=tuple(output.shape),
            remedy=f"Give a model that returns ({', '.join(axes)}), and as many class names as it has outputs.",
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
    """`(x (N,C,H,W), weights (N,*output)) -> (N,)`, float32: the weighted sum of logits that a target means.

    `logits` `(N, *output)` are those of the last call, detached: not every model takes a hook that would tell them.
    """

    logits: Tensor

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.module, self.dtype = classifier.module, classifier.dtype
        self.classifier = classifier

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """One number per sample."""
        logits = checked_logits(self.module(handed_over(x, self.dtype)), self.classifier.output_shape)
        if x.requires_grad and torch.is_grad_enabled() and not logits.requires_grad:
            raise no_gradient(self.classifier)
        self.logits = logits.detach()
        return weighted(logits, weights)


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
