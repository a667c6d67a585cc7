"""Four models whose every part's importance follows from how they were built, with pictures for them.

A picture is a grid of 4 × 4 patches, each with a pattern of stripes, stronger or weaker, or its negative. The models
look for one or two of the patterns and are blind to the others, which lie in all other patches: they look alike, and
have edges, but count nothing. A part is a patch; it is drawn away by making it grey, which the models take for nothing.

- `linear`: a patch counts as strong as its pattern is, times a weight of its own place, for or against. Everything
  that one part counts is in the gradient.
- `planted-patch`: one patch of sixteen counts, and nothing else.
- `xor`: one or both of two patterns are there: output a + b − 2 max(a + b − 1, 0). Where both are, each counts
  against; where one is, it counts all.
- `saturation`: output min(Σ a, 1), of three patches that are more than 1 together. The gradient is 0 everywhere; yet
  the strongest patch counts, because the others do not make up for it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xai_core.metrics import SampleParts
from xai_core.models.preprocess import Preprocess
from xai_core.types import Target

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.models.classifier import Classifier

GRID, PATCH = 4, 8
"""Patches along a side, and pixels along the side of one."""
PLACES, SIDE = GRID * GRID, GRID * PATCH
GREY, SPAN = 128, 127
"""The grey that is nothing, and the grey levels from it to the strongest pattern."""
PREPROCESS = Preprocess(SIDE, SIDE, 3, (GREY / 255,) * 3, (SPAN / 255,) * 3)

Values = NDArray[np.float64]
Output = Callable[[Values], Values]
"""`strengths (…, PLACES, patterns) -> (…)`: what the model answers, written down a second time."""


def _stripes(across: int, down: int) -> Values:
    """A pattern of ±1, `(PATCH, PATCH)`; those of different numbers are orthogonal, and all to what is everywhere 1."""
    ticks = np.arange(PATCH)
    signs = [np.where((ticks * number // (PATCH // 2)) % 2, -1.0, 1.0) for number in (down, across)]
    return np.outer(*signs)


PATTERNS = np.stack([_stripes(1, 0), _stripes(0, 1), _stripes(2, 0), _stripes(0, 2), _stripes(1, 1), _stripes(2, 2)])
"""`(6, PATCH, PATCH)`: models look for the first two alone."""
SEEN = 2


@dataclass(frozen=True, eq=False)
class Case:
    """A model with pictures, and what each part of them counts.

    Attributes:
        key: which of MODELS.
        classifier: two classes; the first is explained.
        pictures: N of them.
        parts: what each of their patches counts.
        objects: `(N, SIDE, SIDE)` bool, the patches that hold what the model looks for.
    """

    key: str
    classifier: Classifier
    pictures: Sequence[Image.Image]
    parts: Sequence[SampleParts]
    objects: NDArray[np.bool_]

    @property
    def targets(self) -> list[Target]:
        """The first class, of each."""
        return [Target(0)] * len(self.pictures)


def case(key: str, count: int, seed: int = 0) -> Case:
    """A model of MODELS with `count` pictures. Raises KeyError for another key."""
    model, rng = MODELS[key], np.random.default_rng(seed)
    strengths = np.stack([model.strengths(rng) for _ in range(count)])
    seen = _with_others(strengths, rng)
    parts = [SampleParts(NAMES, MASKS, each) for each in importance(strengths, model.output)]
    objects = np.einsum("np,phw->nhw", strengths.any(2), MASKS) > 0
    return Case(key, _classifier(key), [_picture(each) for each in seen], parts, objects)


def importance(strengths: Values, output: Output) -> Values:
    """`(N, PLACES)`: what the output loses when one patch is nothing."""
    without = np.repeat(strengths[:, None], PLACES, axis=1)
    without[:, np.arange(PLACES), np.arange(PLACES)] = 0
    lost: Values = output(strengths)[:, None] - output(without)
    return lost


def _masks() -> NDArray[np.bool_]:
    return np.kron(np.eye(PLACES, dtype=bool).reshape(PLACES, GRID, GRID), np.ones((PATCH, PATCH), bool))


NAMES = tuple(f"row {place // GRID + 1}, column {place % GRID + 1}" for place in range(PLACES))
MASKS = _masks()
"""`(PLACES, SIDE, SIDE)`."""


def _level(rng: np.random.Generator, low: float, high: float) -> float:
    """A strength that whole grey levels can show."""
    return int(rng.integers(round(low * SPAN), round(high * SPAN) + 1)) / SPAN


def _with_others(strengths: Values, rng: np.random.Generator) -> Values:
    """`(N, PLACES, 6)`: patches in which nothing is looked for get a pattern that nobody looks for."""
    count = len(strengths)
    result = np.concatenate([strengths, np.zeros((count, PLACES, len(PATTERNS) - SEEN))], axis=2)
    for row, place in np.argwhere(~strengths.any(2)):
        result[row, place, rng.integers(SEEN, len(PATTERNS))] = _level(rng, 0.3, 1.0) * rng.choice((-1, 1))
    return result


def _picture(strengths: Values) -> Image.Image:
    patches = np.einsum("pk,kij->pij", strengths, PATTERNS).reshape(GRID, GRID, PATCH, PATCH)
    grey = GREY + SPAN * patches.swapaxes(1, 2).reshape(SIDE, SIDE)
    return Image.fromarray(np.repeat(np.rint(grey).astype(np.uint8)[:, :, None], 3, axis=2))


@dataclass(frozen=True)
class Model:
    """How strong the patterns in a picture for it are, `(PLACES, SEEN)`, and what it answers."""

    strengths: Callable[[np.random.Generator], Values]
    output: Output


WEIGHTS = np.linspace(-1.5, 3.0, PLACES).reshape(GRID, GRID).T.ravel()
"""Of `linear`, by place: some against."""


def _linear(rng: np.random.Generator) -> Values:
    found = np.zeros((PLACES, SEEN))
    found[:, 0] = [_level(rng, 0.1, 1.0) * rng.choice((-1, 1)) for _ in range(PLACES)]
    return found


def _planted(rng: np.random.Generator) -> Values:
    return _scattered(rng, [(0, _level(rng, 0.4, 1.0))])


def _xor(rng: np.random.Generator) -> Values:
    both = [(pattern, _level(rng, 0.7, 1.0)) for pattern in range(SEEN)]
    return _scattered(rng, both if rng.random() < 0.5 else [both[rng.integers(SEEN)]])


def _saturation(rng: np.random.Generator) -> Values:
    return _scattered(rng, [(0, _level(rng, 0.86, 0.95)), (0, _level(rng, 0.3, 0.5)), (0, _level(rng, 0.16, 0.25))])


def _scattered(rng: np.random.Generator, levels: Sequence[tuple[int, float]]) -> Values:
    found = np.zeros((PLACES, SEEN))
    for place, (pattern, level) in zip(rng.permutation(PLACES), levels, strict=False):
        found[place, pattern] = level
    return found


def _xor_output(strengths: Values) -> Values:
    both: Values = strengths.sum((-2, -1))
    return both - 2 * np.maximum(both - 1, 0)


Layer = tuple[Sequence[Sequence[float]], Sequence[float]]
"""Weights and biases of a linear layer."""

_NONE, _ALL = [0.0] * PLACES, [1.0] * PLACES
HEADS: Mapping[str, Sequence[Layer]] = {
    "linear": [([[*WEIGHTS, *_NONE], [*_NONE, *_NONE]], [0.0, 0.0])],
    "planted-patch": [([[*_ALL, *_NONE], [*_NONE, *_NONE]], [0.0, 0.0])],
    "xor": [([[*_ALL, *_ALL], [*_ALL, *_ALL]], [0.0, -1.0]), ([[1.0, -2.0], [0.0, 0.0]], [0.0, 0.0])],
    "saturation": [([[-value for value in (*_ALL, *_ALL)]], [1.0]), ([[-1.0], [0.0]], [1.0, 0.0])],
}
"""What is made of the two patterns at all places, layer by layer, rectified in between."""


def _classifier(key: str) -> Classifier:
    """The network: patterns found in each patch, rectified but for `linear`, then its head. It holds no randomness."""
    import torch
    from torch import nn

    from xai_core.models.classifier import Classifier
    from xai_core.models.weights import fingerprint

    def set_to(layer: nn.Linear | nn.Conv2d, weights: Tensor) -> nn.Module:
        layer.weight = nn.Parameter(weights, requires_grad=False)
        return layer

    seen = torch.from_numpy(PATTERNS[:SEEN] / (3 * PATCH**2)).float()[:, None].repeat(1, 3, 1, 1)
    finds = [set_to(nn.Conv2d(3, SEEN, PATCH, stride=PATCH, bias=False), seen)]
    head: list[nn.Module] = []
    for weights, biases in HEADS[key]:
        linear = nn.Linear(len(weights[0]), len(weights))
        linear.bias = nn.Parameter(torch.tensor(biases), requires_grad=False)
        head += [*([nn.ReLU()] if head else []), set_to(linear, torch.tensor(weights, dtype=torch.float32))]
    parts = {
        "features": nn.Sequential(*finds, *([] if key == "linear" else [nn.ReLU()])),
        "flat": nn.Flatten(),
        "head": nn.Sequential(*head),
    }
    module = nn.Sequential(OrderedDict(parts)).eval()
    name = f"xai_core.truth:{key}"
    return Classifier(module, ("found", "not"), PREPROCESS, name, "features", fingerprint(module, name, PREPROCESS))


MODELS: Mapping[str, Model] = {
    "linear": Model(_linear, lambda strengths: strengths[..., 0] @ WEIGHTS),
    "planted-patch": Model(_planted, lambda strengths: strengths[..., 0].sum(-1)),
    "xor": Model(_xor, _xor_output),
    "saturation": Model(_saturation, lambda strengths: np.minimum(strengths.sum((-2, -1)), 1.0)),
}
