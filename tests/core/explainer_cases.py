"""What the tests of the explainers' contract share: a request, and everything that a method might leave behind."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from tests.oracles.models import pictures
from tests.oracles.table import TABLE
from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.models.classifier import Classifier
from xai_core.types import Explanation, Target

TARGETS = [Target(0), Target(3), Target(1, 2), Target(4)]
SEEDS = np.array([11, 12, 13, 2**40], np.int64)
RUN_MODEL = [key for key in TABLE if EXPLAINERS[key].card.needs - {"mask", "region"}]


def run(
    classifier: Classifier, key: str, rows: slice = slice(None), params: Any = None, x: torch.Tensor | None = None
) -> Explanation:
    """One method with its quick arguments; four targets on four pictures, or some of their rows."""
    shape = classifier.input_shape
    inputs = pictures(4, shape=shape) if x is None else x
    context = pictures(6, seed=9, shape=shape)
    methods = [(key, params or TABLE[key].params)]
    masks = torch.rand(len(inputs), *inputs.shape[2:], generator=torch.Generator().manual_seed(5)) > 0.5
    given = ExplainerInput(classifier, inputs[rows], TARGETS[rows], SEEDS[rows], masks=masks[rows], background=context)
    (found,) = explain(given, methods)
    return found


def _numpy_state() -> list[int]:
    found: list[int] = np.random.get_state(legacy=False)["state"]["key"].tolist()
    return found


def state(classifier: Classifier) -> dict[str, Any]:
    """Everything a method might leave behind."""
    module = classifier.module
    tensors = [*module.parameters(), *module.buffers()]
    return {
        "modes": [part.training for part in module.modules()],
        "in place": [getattr(part, "inplace", None) for part in module.modules()],
        "hooks": [
            list(table) for part in module.modules() for name, table in vars(part).items() if name.endswith("_hooks")
        ],
        "attributes": [sorted(vars(part)) for part in module.modules()],
        "flags": [tensor.requires_grad for tensor in tensors],
        "grads": [id(parameter.grad) for parameter in module.parameters()],
        "weights": [(tensor.dtype, tensor.device, tensor.sum().item()) for tensor in tensors],
        "random": (torch.get_rng_state().tolist(), _numpy_state(), random.getstate()),
    }


def touched(classifier: Classifier) -> Classifier:
    """The same in an unusual state: partly training, flags mixed, gradients held, a hook of its owner."""
    parameters = list(classifier.module.parameters())
    parameters[0].requires_grad_(False)
    parameters[-1].grad = torch.ones_like(parameters[-1])
    next(classifier.module.children()).train()
    classifier.module.register_forward_hook(lambda *_: None)
    return classifier
