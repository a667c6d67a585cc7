"""Leaves a model and the global random state exactly as they were."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import nn

    from xai_core.models.classifier import Classifier

Restore = Callable[[], None]
FLAGS = ("training", "inplace", "_is_full_backward_hook")


@contextmanager
def untouched(classifier: Classifier) -> Iterator[None]:
    """Within: eval mode, parameters frozen, gradients recorded. After, also after an exception: as before.

    Restored are the mode and the in-place flag of every module, hooks, `requires_grad` and `.grad` of every
    parameter, and the random state of torch, numpy and `random`.
    """
    import torch

    module = classifier.module
    # Going through all modules is slow in Python, and shows beside a small model: so once.
    parts = list(module.modules())
    parameters = {id(found): found for part in parts for found in part._parameters.values() if found is not None}
    with ExitStack() as stack:
        for saved in (_modes(parts), _parameters(list(parameters.values())), _hooks(parts), _random_state()):
            stack.callback(saved)
        if any(part.training for part in parts):
            module.eval()
        for parameter in parameters.values():
            if parameter.requires_grad:
                parameter.requires_grad_(False)
        with torch.enable_grad():
            yield


def _modes(parts: Sequence[nn.Module]) -> Restore:
    saved = [(part, {name: vars(part)[name] for name in FLAGS if name in vars(part)}) for part in parts]

    def restore() -> None:
        for part, flags in saved:
            vars(part).update(flags)

    return restore


def _parameters(parameters: Sequence[nn.Parameter]) -> Restore:
    saved = [(parameter, parameter.requires_grad, parameter.grad) for parameter in parameters]

    def restore() -> None:
        for parameter, flag, grad in saved:
            if parameter.requires_grad != flag:
                parameter.requires_grad_(flag)
            if parameter.grad is not grad:
                parameter.grad = grad

    return restore


def _hooks(parts: Sequence[nn.Module]) -> Restore:
    """Hook tables are refilled in place: handles that their owners hold stay valid."""
    from torch import nn

    names = [name for name, value in vars(nn.Module()).items() if "_hooks" in name and isinstance(value, dict)]
    tables = [vars(part)[name] for part in parts for name in names]
    filled = {id(table): dict(table) for table in tables if table}

    def restore() -> None:
        for table in tables:
            if table or id(table) in filled:
                table.clear()
                table.update(filled.get(id(table), {}))

    return restore


def _random_state() -> Restore:
    import torch

    on_gpu: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    torch_state, numpy_state, python_state = torch.get_rng_state(), np.random.get_state(), random.getstate()
    gpu_states = torch.cuda.get_rng_state_all() if on_gpu else []

    def restore() -> None:
        torch.set_rng_state(torch_state)
        np.random.set_state(numpy_state)
        random.setstate(python_state)
        if on_gpu:
            torch.cuda.set_rng_state_all(gpu_states)

    return restore
