"""Modules that stand around or in place of a person's own: parallel, compiled, TorchScript, exported, and ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from xai_core.models.answer import Answer

COMPILED = "OptimizedModule"
"""The class of what torch.compile makes of a module has no public name."""

PREFIXES = ("module.", "_orig_mod.", "asked.")
"""What DataParallel, torch.compile and Answering put before the names of layers."""


class Answering(nn.Module):
    """Gives the study's logits `(N, K, …)` of a model that returns more (other classes, or a tuple or table), or at
    another resolution.

    Names of layers and weights are those of `asked`, the model within; what a method computes is this module's.
    """

    picked: Tensor | None

    def __init__(self, asked: nn.Module, answer: Answer) -> None:
        super().__init__()
        self.asked, self.answer = asked, answer
        # Not persistent: files hold the model's own weights.
        self.register_buffer("picked", torch.tensor(answer.picked) if answer.picked else None, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The logits."""
        logits = logits_in(self.asked(x), self.answer.logits)
        logits = logits if self.picked is None else logits[:, self.picked]
        return resized(logits, self.answer.size) if self.answer.size else logits


def resized(values: Tensor, size: Sequence[int]) -> Tensor:
    """`(N, D, h, w)` resized to a height and a width: bilinear, corners not aligned."""
    return functional.interpolate(values, size=tuple(size), mode="bilinear", align_corners=False)


def logits_in(returned: Any, where: int | str | None) -> Any:
    """What lies there in what a model returned: see `Answer.logits`."""
    if where is None:
        return returned
    by_name = isinstance(where, str) and not isinstance(returned, Mapping)
    return getattr(returned, str(where)) if by_name else returned[where]


def asked(module: nn.Module) -> nn.Module:
    """The module that an Answering stands around; others as they are."""
    return module.asked if isinstance(module, Answering) else module


def unwrapped(module: nn.Module) -> nn.Module:
    """The module within Answering, DataParallel, DistributedDataParallel and torch.compile; others as they are.

    Its layers and code are the person's own. What it returns may be more than the logits: who computes with it asks
    `computing` instead.
    """
    while (inner := _inside(module)) is not None:
        module = inner
    return module


def computing(module: nn.Module) -> nn.Module:
    """The same, but for an Answering, which stays: without it other numbers would come out."""
    return module if isinstance(module, Answering) else unwrapped(module)


def _inside(module: nn.Module) -> nn.Module | None:
    if isinstance(module, Answering):
        return module.asked
    if isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        found: object = module.module
    else:
        found = module._modules.get("_orig_mod") if type(module).__name__ == COMPILED else None
    return found if isinstance(found, nn.Module) else None


def layer_named(module: nn.Module, name: str) -> nn.Module | None:
    """The layer of this dotted name, with or without what a wrapper puts before it; None where there is none."""
    plain = name
    while plain.startswith(PREFIXES):
        plain = plain.partition(".")[2]
    for root, wanted in ((asked(module), name), (unwrapped(module), plain)):
        # Not get_submodule, which TorchScript lacks.
        found = dict(root.named_modules(remove_duplicate=False)).get(wanted)
        if found is not None:
            return found
    return None


def is_scripted(module: nn.Module) -> bool:
    """Whether the module runs as TorchScript, outside of Python: no hook sees what its layers give."""
    return isinstance(module, torch.jit.ScriptModule)


def hides_layers(module: nn.Module) -> bool:
    """Whether all of the model is TorchScript, or a graph of torch.export, which calls functions instead of layers."""
    inner = unwrapped(module)
    if isinstance(inner, fx.GraphModule):
        return all(node.op != "call_module" or node.target == "_guards_fn" for node in inner.graph.nodes)
    return is_scripted(inner)


def is_quantised(module: nn.Module) -> bool:
    """Whether the module computes with whole numbers: it has neither weights to look at nor a derivative."""
    return "quantized" in type(module).__module__.split(".")


def device_of(module: nn.Module) -> torch.device:
    """Where the weights are; the CPU where there are none, as in a model of pooling or a frozen script."""
    return next((tensor.device for tensor in (*module.parameters(), *module.buffers())), torch.device("cpu"))


def dtype_of(module: nn.Module) -> torch.dtype:
    """Of the weights; float32 where there are none."""
    tensors = (*module.parameters(), *module.buffers())
    return next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), torch.float32)


@contextmanager
def eagerly(module: nn.Module) -> Iterator[None]:
    """Within, what torch.compile made runs as it was written: code compiled before does not see hooks set later."""
    parts = list(module.modules())
    compiled = any(type(part).__name__ == COMPILED or part._compiled_call_impl is not None for part in parts)
    with torch.compiler.set_stance("force_eager") if compiled else nullcontext():
        yield


@contextmanager
def full_precision() -> Iterator[None]:
    """Within, a GPU multiplies float32 as float32. By default cuDNN rounds factors to 10 bits (TF32) in convolutions.

    What the same model says would differ by 1e-4 from the CPU's, which is more than some attributions amount to.
    """
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        yield
        return
    switches: tuple[Any, ...] = torch.backends.cudnn, torch.backends.cuda.matmul
    try:
        before = [each.allow_tf32 for each in switches]
    except RuntimeError:  # somebody set torch's newer switches, beside which the older cannot be read: theirs stay
        yield
        return
    try:
        for each in switches:
            each.allow_tf32 = False
        yield
    finally:
        for each, allowed in zip(switches, before, strict=True):
            each.allow_tf32 = allowed


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Within: eval mode, and nothing compiled. After: every part in its own mode."""
    modes = [(part, part.training) for part in module.modules() if hasattr(part, "training")]
    try:
        if any(training for _, training in modes):
            to_eval(module)
        with eagerly(module):
            yield
    finally:
        for part, training in modes:
            part.training = training


@contextmanager
def buffers_kept(module: nn.Module) -> Iterator[None]:
    """Within, the model is tried. What it counts while asked is put back: a model is known by all that it holds."""
    before = [(buffer, buffer.detach().clone()) for buffer in module.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in before:
                if buffer.shape == value.shape and not torch.equal(buffer, value):
                    buffer.copy_(value)


def placed(module: nn.Module, device: torch.device | str) -> nn.Module:
    """The module itself, on a device and in eval mode.

    What DataParallel would share out between all GPUs there are runs where its weights are: elsewhere, the CPU of a
    machine with a GPU included, it fails, and no hook would see whole batches.
    """
    module.to(device)
    for part in module.modules():
        if isinstance(part, nn.DataParallel):
            part.device_ids = []  # as where there is no GPU: the module within is called as it is
    return to_eval(module)


def to_eval(module: nn.Module) -> nn.Module:
    """The module itself, in eval mode; an exported program has one mode, and says that it knows no other."""
    with suppress(NotImplementedError):
        module.eval()
    return module
