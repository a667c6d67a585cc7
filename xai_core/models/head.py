"""The last layer of a classifier, found by what it gives, and the features that it gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xai_core.errors import NotApplicable
from xai_core.models.classifier import Classifier
from xai_core.models.user_code import user_code
from xai_core.models.weights import plain_state
from xai_core.models.wrappers import asked, hides_layers

PROBED = 2
"""Pictures of noise that the layer is found by."""


@dataclass(frozen=True)
class Head:
    """A linear last layer of a classifier.

    Attributes:
        classifier: the model.
        name: of the layer within the model.
        picked: which of its outputs are the study's classes, in their order.
    """

    classifier: Classifier
    name: str
    picked: tuple[int, ...]

    @property
    def layer(self) -> nn.Linear:
        """The layer."""
        found = asked(self.classifier.module).get_submodule(self.name)
        assert isinstance(found, nn.Linear)
        return found

    def of_classes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`(K, D)` weights and `(K,)` bias of the study's classes."""
        weight, bias = self.layer.weight, self.layer.bias
        rows = weight.detach().cpu().double().numpy()[list(self.picked)]
        given = np.zeros(weight.shape[0]) if bias is None else bias.detach().cpu().double().numpy()
        return rows, given[list(self.picked)]

    def replaced(self, weight: NDArray[np.float64], bias: NDArray[np.float64]) -> None:
        """Put other weights in their place, in the module itself. Raises NotApplicable where it has no bias."""
        layer, places = self.layer, list(self.picked)
        if layer.bias is None:
            remedy = "Repair a model whose last layer has one."
            raise NotApplicable("the last layer has no bias", value=self.name, remedy=remedy)
        with torch.no_grad():
            layer.weight[places] = torch.from_numpy(weight).to(layer.weight)
            layer.bias[places] = torch.from_numpy(bias).to(layer.bias)

    def features(self, x: Tensor) -> NDArray[np.float32]:
        """`(N, D)` what the layer gets of the pictures `(N, C, H, W)`. The model's own errors come as XaiError."""
        with user_code(self.classifier.architecture), torch.no_grad(), _watched({self.name: self.layer}) as seen:
            self.classifier.logits(x)
        return seen[self.name].given.cpu().float().numpy()


@dataclass
class _Seen:
    given: Tensor
    gave: Tensor
    calls: int = field(default=1)


@contextmanager
def _watched(layers: Mapping[str, nn.Linear]) -> Iterator[dict[str, _Seen]]:
    """What the layers got and gave, by name."""
    seen: dict[str, _Seen] = {}

    def keep(name: str, given: Tensor, gave: Tensor) -> None:
        seen[name] = _Seen(given.detach(), gave.detach(), 1 + (seen[name].calls if name in seen else 0))

    handles = [
        layer.register_forward_hook(lambda _, given, gave, name=name: keep(name, given[0], gave))
        for name, layer in layers.items()
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def head_of(classifier: Classifier) -> Head:
    """The linear layer whose output is the model's, whatever it is called.

    Raises NotApplicable where there is none: another function comes behind it, the model's layers cannot be seen, or
    it is a segmenter.
    """
    plain = tuple(range(len(classifier.class_names)))
    if not hides_layers(classifier.module) and not classifier.output_size:
        module = asked(classifier.module)
        layers = {name: layer for name, layer in module.named_modules() if isinstance(layer, nn.Linear)}
        noise = torch.randn(PROBED, *classifier.input_shape, generator=torch.Generator().manual_seed(0))
        with user_code(classifier.architecture), torch.no_grad(), _watched(layers) as seen:
            logits = classifier.logits(noise.to(classifier.device))
        picked = classifier.answer.picked or plain
        for name, one in reversed(seen.items()):
            fits = one.calls == 1 and one.given.ndim == 2 and one.gave.ndim == 2 and one.gave.shape[1] > max(picked)
            if fits and torch.equal(one.gave[:, list(picked)], logits):
                _check_plain(classifier, name)
                return Head(classifier, name, tuple(picked))
    remedy = "Repairs learn the last layer anew, which has to be linear: choose another run."
    raise NotApplicable("no linear last layer gives this model's logits", value=classifier.architecture, remedy=remedy)


def _check_plain(classifier: Classifier, name: str) -> None:
    """Raise NotApplicable where the layer's weights are made of others (weight normalisation, tied layers)."""
    state = plain_state(classifier.module)
    if not any(key.removesuffix(".weight").endswith(name) for key in state if key.endswith(".weight")):
        remedy = "Save the model with plain weights, and import it again."
        raise NotApplicable("the last layer's weights are made of others", value=name, remedy=remedy)
