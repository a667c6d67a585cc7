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

BatchNorm's running statistics are learned as well. `reset` puts them back to mean 0 and variance 1, as in a model that
has seen no data; `kept` leaves those of the trained model, which then belong to other activations. They are not
estimated anew: that would need data, and the copy would not depend on the seed alone. Norms that hold everything in
buffers (frozen ones) are reached too. What is never learned (tables of positions, indices) stays.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from xai_core.errors import NotFound
from xai_core.models.classifier import Classifier
from xai_core.models.wrappers import asked

Statistics = Literal["reset", "kept"]
STATISTICS: tuple[Statistics, ...] = ("reset", "kept")
"""What becomes of BatchNorm's running mean and variance."""

_RUNNING = {"running_mean": 0.0, "running_var": 1.0}
_AFFINE = ("weight", "bias")


def learned(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a model that training changes, by its dotted name: parameters, statistics, frozen norms."""
    yield from module.named_parameters()
    for name, part in module.named_modules():
        held = part._buffers
        for own in (*_RUNNING, *_AFFINE) if held.get("running_mean") is not None else ():
            tensor = held.get(own)
            if tensor is not None:
                yield f"{name}.{own}" if name else own, tensor


class Randomiser:
    """A copy of a classifier of which any of the learned tensors can be made random, and learned again.

    The copy changes in place: what `at` gave holds until the next call.
    """

    def __init__(self, classifier: Classifier, statistics: Statistics = "reset") -> None:
        self._statistics = statistics
        copied = copy.deepcopy(classifier.module).eval()
        self._copy = replace(classifier, module=copied)
        self._trained = dict(learned(asked(classifier.module)))
        self._tensors = dict(learned(asked(copied)))
        self._random: dict[str, int] = {}
        self._fresh: tuple[int, dict[str, Tensor]] = 0, {}

    def at(self, seed: int, names: Collection[str], about: str) -> Classifier:
        """The classifier with these tensors random, by their dotted names, and all others as they were learned.

        Args:
            seed: the same seed gives the same values, whatever else is random.
            about: what the fingerprint is to say of it.
        """
        if self._fresh[0] != seed:
            self._fresh = seed, {}
        with torch.no_grad():
            for name, tensor in self._tensors.items():
                if name in names:
                    if self._random.get(name) != seed:
                        self._randomise(name, tensor, seed)
                        self._random[name] = seed
                elif name in self._random:
                    tensor.copy_(self._trained[name])
                    del self._random[name]
        return replace(self._copy, fingerprint=f"{self._copy.fingerprint}+{about}")

    def _randomise(self, name: str, tensor: Tensor, seed: int) -> None:
        own = name.rpartition(".")[2]
        if own in _RUNNING:
            if self._statistics == "reset":
                tensor.fill_(_RUNNING[own])
            return
        kept = self._fresh[1]
        if name not in kept:
            kept[name] = _fresh(name, tensor, seed)
        tensor.copy_(kept[name])


def randomised(
    classifier: Classifier, seed: int, layers: Sequence[str] | None = None, statistics: Statistics = "reset"
) -> Classifier:
    """The classifier with random parameters; the one given is not changed.

    Args:
        classifier: any.
        seed: the same seed gives the same copy.
        layers: dotted names of modules or parameters, with all below them; None for the whole model.
        statistics: what becomes of BatchNorm's.

    Returns:
        A classifier in eval mode whose fingerprint is `<old>+randomised:<seed>`, and `:<layers>` where given.

    Raises:
        NotFound: a layer that the model does not have.
    """
    module = asked(classifier.module)
    names = [name for name, _ in (*module.named_modules(), *module.named_parameters()) if name]
    for layer in layers or ():
        if layer not in names:
            raise NotFound.among("layer", layer, names)
    chosen = [name for name, _ in learned(module) if _within(name, layers)]
    which = "" if layers is None else ":" + ",".join(sorted(layers))
    which += "" if statistics == "reset" else f":{statistics}"
    return Randomiser(classifier, statistics).at(seed, chosen, f"randomised:{seed}{which}")


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
