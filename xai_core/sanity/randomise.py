"""A copy of a model that has learned nothing: every parameter drawn afresh (Adebayo et al. 2018, section 3).

Each parameter has its own generator, seeded by the seed and the parameter's name. So layers of one shape differ, and
randomising the top two layers gives the same second layer as randomising the top three: a cascade from the head down
is a series of calls with growing `layers`, in which earlier layers keep the values they were given.

How a parameter is drawn depends on its shape and name alone, so that class tokens, position embeddings and parameters
of modules unknown here are reached like any other:

- weights with inputs to sum over: normal, standard deviation √(2 / inputs) (He et al. 2015), which keeps the size of
  activations through rectified layers
- scales of normalisation layers: 1 + 0.1 · normal
- everything else (biases, tokens, position embeddings): 0.02 · normal, as vision transformers begin

BatchNorm's running statistics are learned as well: they go back to mean 0 and variance 1, as in a model that has seen
no data. They are not estimated anew: that would need data, and the copy would not depend on the seed alone.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _NormBase

from xai_core.errors import NotFound
from xai_core.models.classifier import Classifier
from xai_core.models.wrappers import asked


def randomised(classifier: Classifier, seed: int, layers: Sequence[str] | None = None) -> Classifier:
    """The classifier with random parameters; the one given is not changed.

    Args:
        classifier: any.
        seed: the same seed gives the same copy.
        layers: dotted names of modules or parameters, with all below them; None for the whole model.

    Returns:
        A classifier in eval mode whose fingerprint is `<old>+randomised:<seed>`, and `:<layers>` where given.

    Raises:
        NotFound: a layer that the model does not have.
    """
    copied = copy.deepcopy(classifier.module).eval()
    module = asked(copied)
    names = [name for name, _ in (*module.named_modules(), *module.named_parameters()) if name]
    for layer in layers or ():
        if layer not in names:
            raise NotFound.among("layer", layer, names)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if _within(name, layers):
                parameter.copy_(_fresh(name, parameter, seed))
    for name, part in module.named_modules():
        if isinstance(part, _NormBase) and _within(name, layers):
            part.reset_running_stats()
    which = "" if layers is None else ":" + ",".join(sorted(layers))
    return replace(classifier, module=copied, fingerprint=f"{classifier.fingerprint}+randomised:{seed}{which}")


def _within(name: str, layers: Sequence[str] | None) -> bool:
    return layers is None or any(name == layer or name.startswith(layer + ".") for layer in layers)


def _fresh(name: str, parameter: Tensor, seed: int) -> Tensor:
    """New values, drawn on the CPU: the same on every device."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    noise = torch.randn(parameter.shape, generator=generator)
    inputs = parameter[0].numel() if parameter.ndim > 1 and len(parameter) > 1 else 1
    if inputs > 1:
        return noise * (2 / inputs) ** 0.5
    if parameter.ndim == 1 and name.endswith("weight"):
        return 1 + 0.1 * noise
    return 0.02 * noise
