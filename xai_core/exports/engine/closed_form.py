"""Class activation maps without a gradient, for models whose head is linear in a layer's output.

HiResCAM is Σ_c A_c · ∂score/∂A_c, place by place. Where the score is linear in A, the gradient is known beforehand and
the map is a part of the forward pass, exact and as cheap as the head itself:

- a classifier that averages A over its h·w places before one linear layer: `cam_k = Σ_c w_kc A_c / (h w)`, which is the
  map of Zhou et al. 2016 (Learning Deep Features for Discriminative Localization, eq. 2) by a constant;
- a segmenter that ends in a 1×1 convolution of A and a bilinear resize U: the score of a region R is
  Σ R · U(w_k A + b_k), so `cam_k = (Uᵀ R) · Σ_c w_kc A_c`. R is where the picture is said to be k: what made it say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from xai_core.errors import NotApplicable
from xai_core.exports.engine.asked import Asked
from xai_core.models.classifier import Classifier
from xai_core.models.grids import laid_out, layout_of
from xai_core.models.head import head_of
from xai_core.models.layers import grid_at
from xai_core.models.user_code import user_code
from xai_core.models.wrappers import asked, hides_layers, is_scripted, resized

NEAR = 1e-4
"""By how much, of the largest number, what a closed form supposes may differ from what the model gives."""


@dataclass(frozen=True)
class Explained:
    """A module that answers `(logits, cam)`, cam `(N, K, h, w)` float32, and the layer that its maps are of."""

    module: nn.Module
    layer: str


def explained(classifier: Classifier) -> Explained:
    """The model with its maps. Raises NotApplicable where its head is no such head."""
    return _of_segmenter(classifier) if classifier.output_size else _of_classifier(classifier)


def refused(classifier: Classifier, why: str) -> NotApplicable:
    """The error for a model whose maps have no closed form."""
    kind = "a 1×1 convolution" if classifier.output_size else "a mean over places and one linear layer"
    remedy = "Leave --with-explanation out, and explain here with xai explain; or take a model that does."
    problem = f"only models that end in {kind} explain themselves: {why}"
    return NotApplicable(problem, value=classifier.architecture, remedy=remedy)


# Classifiers


def _of_classifier(classifier: Classifier) -> Explained:
    if not classifier.cam_layer:
        raise refused(classifier, "it declares no layer for maps")
    try:
        head = head_of(classifier)
    except NotApplicable:
        raise refused(classifier, "no linear layer gives its logits") from None
    layer, noise = classifier.cam_layer, _noise(classifier)
    with user_code(classifier.architecture), torch.no_grad(), _outputs({layer: classifier.layer(layer)}) as seen:
        classifier.logits(noise)
    grid = grid_at(classifier, seen[layer], layer).float()
    given = torch.from_numpy(head.features(noise)).to(grid)
    if given.shape != grid.shape[:2] or not _alike(grid.mean((2, 3)), given):
        raise refused(classifier, f"its last layer does not get the means of {layer}")
    weight = torch.from_numpy(head.of_classes()[0]).float()
    return Explained(PooledMaps(classifier, weight / grid[0, 0].numel()), layer)


class PooledMaps(Asked):
    """Of a classifier: what each place of the layer adds to each logit; with the bias they add up to it."""

    weight: Tensor

    def __init__(self, classifier: Classifier, weight: Tensor) -> None:
        super().__init__(classifier)
        self.layout = layout_of(classifier, "")
        self.register_buffer("weight", weight[:, :, None, None].to(classifier.device))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Logits and maps."""
        layer = self.classifier.cam_layer
        with _outputs({layer: self.classifier.layer()}) as seen:
            logits = self.logits(x)
        grid = laid_out(self.classifier, seen[layer], layer, self.layout)
        return logits, functional.conv2d(grid.float(), self.weight)


# Segmenters


def _of_segmenter(classifier: Classifier) -> Explained:
    if hides_layers(classifier.module):
        raise refused(classifier, "its layers cannot be seen")
    head, size = _pixel_head(classifier)
    return Explained(PixelMaps(classifier, head, size), _layer_before(classifier, head))


def _pixel_head(classifier: Classifier) -> tuple[nn.Conv2d, tuple[int, ...]]:
    """The 1×1 convolution whose output, resized, is the model's; and height and width of that output."""
    parts = {name: part for name, part in asked(classifier.module).named_modules() if _is_pixelwise(part)}
    with user_code(classifier.architecture), torch.no_grad(), _outputs(parts) as seen:
        logits = classifier.logits(_noise(classifier)).float()
    picked = list(classifier.answer.picked or range(len(classifier.class_names)))
    for name, output in reversed(seen.items()):
        found: Any = parts[name]
        fits = output.ndim == 4 and output.shape[1] > max(picked)
        if fits and _alike(resized(output[:, picked].float(), classifier.output_size), logits):
            return found, tuple(output.shape[2:])
    raise refused(classifier, "no such layer gives its logits")


def _is_pixelwise(part: nn.Module) -> bool:
    return (
        isinstance(part, nn.Conv2d)
        and not is_scripted(part)
        and (part.kernel_size, part.stride, part.padding, part.groups) == ((1, 1), (1, 1), (0, 0), 1)
    )


def _layer_before(classifier: Classifier, head: nn.Conv2d) -> str:
    """The outermost layer whose output the head gets, the first of several."""
    noise, found = _noise(classifier), list[str]()
    with user_code(classifier.architecture), torch.no_grad(), _inputs(head) as given:
        classifier.logits(noise)

    def compare(name: str, output: Any) -> None:
        if isinstance(output, Tensor) and output.shape == given[0].shape and torch.equal(output, given[0]):
            found.append(name)

    with ExitStack() as stack:
        for name, part in asked(classifier.module).named_modules():
            if name and part is not head and not is_scripted(part):
                hook = part.register_forward_hook(lambda _, __, output, name=name: compare(name, output))
                stack.callback(hook.remove)
        with user_code(classifier.architecture), torch.no_grad():
            classifier.logits(noise)
    if not found:
        raise refused(classifier, "no layer gives what its last one gets")
    return min(found, key=lambda name: name.count("."))


class PixelMaps(Asked):
    """Of a segmenter: what each place of the layer adds to the sum of a class's logits where that class is said.

    A class that is not said anywhere has a map of zeros.
    """

    weight: Tensor
    classes: Tensor
    up: Tensor
    left: Tensor

    def __init__(self, classifier: Classifier, head: nn.Conv2d, size: tuple[int, ...]) -> None:
        super().__init__(classifier)
        self.head = [head]  # in a list: it belongs to the model
        picked = list(classifier.answer.picked or range(len(classifier.class_names)))
        constants = {
            "weight": head.weight.detach()[picked].float(),  # without the bias: it is no place's
            "classes": torch.arange(len(picked))[:, None, None],
        }
        self.resizes = size != tuple(classifier.output_size)
        if self.resizes:  # ExecuTorch takes no constant that nothing reads
            down, across = (_resize_of_a_line(*sides) for sides in zip(size, classifier.output_size, strict=True))
            constants |= {"up": down.T, "left": across}
        for name, constant in constants.items():
            self.register_buffer(name, constant.to(classifier.device).contiguous())

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Logits and maps."""
        with _inputs(self.head[0]) as given:
            logits = self.logits(x)
        evidence = functional.conv2d(given[-1].float(), self.weight)
        said = logits.argmax(1, keepdim=True).eq(self.classes).float()
        counts = self.up @ said @ self.left if self.resizes else said  # the transpose of the resize
        return logits, counts * evidence


def _resize_of_a_line(few: int, many: int) -> Tensor:
    """`(many, few)`: what a bilinear resize makes of a line; that of a picture does it along both axes."""
    return resized(torch.eye(few)[None, :, :, None], (many, 1))[0, :, :, 0].T


# Both


def _noise(classifier: Classifier) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, *classifier.input_shape, generator=generator).to(classifier.device)


def _alike(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).abs().max() <= NEAR * b.abs().max())


@contextmanager
def _outputs(parts: dict[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """Within, what these layers give, by name, in the order in which they ran last."""
    seen: dict[str, Tensor] = {}

    def keep(name: str, output: Any) -> None:
        seen.pop(name, None)
        seen[name] = output.clone() if isinstance(output, Tensor) else output  # the next layer may work in place

    with ExitStack() as stack:
        for name, part in parts.items():
            hook = part.register_forward_hook(lambda _, __, output, name=name: keep(name, output))
            stack.callback(hook.remove)
        yield seen


@contextmanager
def _inputs(part: nn.Module) -> Iterator[list[Tensor]]:
    """Within, what this layer gets, call by call."""
    given: list[Tensor] = []
    hook = part.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0].clone()))
    try:
        yield given
    finally:
        hook.remove()
