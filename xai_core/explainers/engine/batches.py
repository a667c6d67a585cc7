"""How many samples go through a model at once: as many as the free memory holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from xai_core.explainers.engine.pauses import pause
from xai_core.models.wrappers import dtype_of

if TYPE_CHECKING:
    from xai_core.models.classifier import Classifier

Part = TypeVar("Part")

FEW = 8
"""So many samples are never divided beforehand: it would cost speed."""

MOST_ON_CPU = 32
"""Larger batches are slower there, by a tenth at twice as many: what does not fit into the caches waits for memory."""

RECORDED_AT_ONCE = 2**28
"""Bytes that passes on a CPU record between two pauses, at most: their number grows with the time that they take, about
half a second for these. (So few samples are no slower: what they record is more than the caches hold.)"""

SHARE = 0.25
"""Of the free memory. What a pass allocates beside the recorded tensors is of their order."""

UNKNOWN_MEMORY = 2 * 2**30
"""Bytes assumed to be free where the system does not tell."""

_footprints: WeakKeyDictionary[nn.Module, dict[tuple[int, ...], int]] = WeakKeyDictionary()


def in_batches(classifier: Classifier, x: Tensor, compute: Callable[[slice], Part], count: int) -> Iterator[Part]:
    """`compute` for one slice of 0 … count after the other, of as many samples like those of `x` as fit; between two
    of them others may go in between.

    Where a GPU has too little memory nevertheless, the slices are halved.

    Raises:
        torch.OutOfMemoryError: one sample alone is too much.
    """
    size, start = at_once(classifier, x, count), 0
    while start < count:
        try:
            part = compute(slice(start, start + size))
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            size = (size + 1) // 2
            continue
        start += size
        yield part
        if start < count:
            pause()


def at_once(classifier: Classifier, x: Tensor, count: int) -> int:
    """How many of `count` samples like those of `x` fit into the free memory with everything recorded; at least 1."""
    if count <= FEW:
        return count
    fitting = SHARE * free_memory(x.device) / footprint(classifier.module, x[:1])
    return max(1, min(count, int(fitting), max(FEW, between_pauses(classifier, x, MOST_ON_CPU))))


def between_pauses(classifier: Classifier, x: Tensor, count: int) -> int:
    """How many of `count` passes, forward and backward, of samples like those of `x` are short enough; at least 1."""
    if x.device.type != "cpu":
        return count
    return max(1, min(count, RECORDED_AT_ONCE // footprint(classifier.module, x[:1])))


def footprint(module: nn.Module, sample: Tensor) -> int:
    """Bytes that autograd keeps of one sample `(1, C, H, W)`, weights excluded; measured once per model and shape."""
    known = _footprints.setdefault(module, {})
    shape = tuple(sample.shape)
    if shape not in known:
        known[shape] = _measured(module, sample)
    return known[shape]


def free_memory(device: torch.device) -> int:
    """Bytes that can be had on the device without swapping."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return UNKNOWN_MEMORY
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), UNKNOWN_MEMORY)


def _measured(module: nn.Module, sample: Tensor) -> int:
    weights = {tensor.untyped_storage().data_ptr() for tensor in (*module.parameters(), *module.buffers())}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        # A copy, for a model that changes its input in place. The output holds the graph: no storage is used twice.
        output = module(sample.detach().to(dtype_of(module)).requires_grad_().clone())
    del output
    return max(sum(kept.values()), sample.nbytes)
