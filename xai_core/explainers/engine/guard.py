"""Leaves a model and the global random state exactly as they were, and tells what the model's own code raises."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import Cancelled, NotApplicable, XaiError

if TYPE_CHECKING:
    from torch import nn

    from xai_core.models.classifier import Classifier

Restore = Callable[[], None]
Snapshot = Callable[[], list[Restore]]
FLAGS = ("training", "inplace", "_is_full_backward_hook")
OURS = str(Path(__file__).parents[2])
BACKWARD = "_engine_run_backward"
NO_MEMORY = ("DefaultCPUAllocator", "CUDA error", "CUDA out of memory")
"""What errors say that are about the machine: another time the same model may do."""


@contextmanager
def told(classifier: Classifier) -> Iterator[None]:
    """Within, what the model's own code raises, forwards or backwards, becomes one line.

    Our own mistakes, and a lack of memory, come out as they are.

    Raises:
        NotApplicable: with the cause and a remedy.
    """
    import torch

    try:
        yield
    except (XaiError, Cancelled, MemoryError, torch.OutOfMemoryError):
        raise
    except (Exception, SystemExit) as error:
        if str(error).startswith(NO_MEMORY) or not _of_the_model(error, classifier):
            raise
        raise _told(error, classifier) from error


def _of_the_model(error: BaseException, classifier: Classifier) -> bool:
    """Whether it was raised within a call of the model, or of torch's way back through it, and not by code of ours."""
    parts, theirs = {id(part) for part in classifier.module.modules()}, False
    for frame, _ in walk_tb(error.__traceback__):
        if frame.f_code.co_filename.startswith(OURS):
            theirs = False
        elif id(frame.f_locals.get("self")) in parts or frame.f_code.co_name == BACKWARD:
            theirs = True
    return theirs


def _told(error: BaseException, classifier: Classifier) -> NotApplicable:
    from xai_core.explainers.engine.output import no_gradient, passes_gradients

    cause = f"{type(error).__name__}: {error}"
    if not any(frame.f_code.co_name == BACKWARD for frame, _ in walk_tb(error.__traceback__)):
        remedy = "It must take any number of pictures, also one: correct it, and import the model again."
        return NotApplicable("the model's own code failed", value=cause, remedy=remedy)
    if not passes_gradients(classifier):
        return no_gradient(classifier)
    remedy = "Correct it, or use a method that needs no gradient, such as occlusion."
    return NotApplicable("the model's own code failed on the way back, for the gradient", value=cause, remedy=remedy)


@contextmanager
def untouched(classifier: Classifier) -> Iterator[None]:
    """Within: eval mode, parameters frozen, gradients recorded, nothing compiled. After, whatever happens: as before.

    Restored are the mode and the in-place flag of every module, hooks, `requires_grad` and `.grad` of every
    parameter, and the random state of torch, numpy and `random`.
    """
    import torch

    from xai_core.models.wrappers import eagerly, full_precision, to_eval

    module = classifier.module
    # Going through all modules is slow in Python, and shows beside a small model: so once.
    parts = list(module.modules())
    parameters = {id(found): found for part in parts for found in part._parameters.values() if found is not None}

    def now() -> list[Restore]:
        return [_modes(parts), _parameters(list(parameters.values())), _hooks(parts), _random_state()]

    with ExitStack() as stack:
        before = now()
        for saved in before:
            stack.callback(saved)
        _held.append((now, before))
        stack.callback(_held.pop)
        if any(getattr(part, "training", False) for part in parts):  # a frozen script has no mode
            to_eval(module)
        for parameter in parameters.values():
            if parameter.requires_grad:
                parameter.requires_grad_(False)
        with eagerly(module), full_precision(), torch.enable_grad():
            yield


_held: list[tuple[Snapshot, list[Restore]]] = []
"""Of every model that is being worked on, the outermost first: what tells its state, and how it was before."""


@contextmanager
def set_aside() -> Iterator[None]:
    """Within: models that `untouched` holds are as they were before it, for other work on them; after: as now.

    To be used on the thread that holds them, between two passes through a model.
    """
    import torch

    with ExitStack() as stack, torch.enable_grad():
        for now, before in reversed(_held):
            for restore in now():
                stack.callback(restore)
            for restore in before:
                restore()
        yield


def _modes(parts: Sequence[nn.Module]) -> Restore:
    saved = [(part, {name: vars(part)[name] for name in FLAGS if name in vars(part)}) for part in parts]
    # TorchScript keeps it elsewhere, and frozen it has none.
    scripted = [(part, part.training) for part, flags in saved if "training" not in flags and hasattr(part, "training")]

    def restore() -> None:
        for part, flags in saved:
            vars(part).update(flags)
        for part, training in scripted:
            part.training = training

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
    tables = [vars(part)[name] for part in parts for name in names if name in vars(part)]
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
