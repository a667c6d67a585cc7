"""ExecuTorch: PyTorch's own runtime for phones and smaller devices, in place of PyTorch Mobile."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from xai_core.exports.base import EXPORTS, Ask, Format
from xai_core.types import Array, Card

if TYPE_CHECKING:
    from torch import Tensor, nn


@contextmanager
def _quiet() -> Iterator[None]:
    """Within, its packages do not warn: of each other's age, and that its Python runtime is experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _make(module: nn.Module, x: Tensor, names: Sequence[str], any_batch: bool) -> bytes:  # noqa: ARG001
    """For the CPU, by XNNPACK; what that lacks runs as portable code. Memory is laid out for one picture."""
    from xai_core.exports.engine.asked import program

    with _quiet():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        graph = program(module, x, False)
        made = to_edge_transform_and_lower(graph, partitioner=[XnnpackPartitioner()]).to_executorch()
    return bytes(made.buffer)


def _open(data: bytes) -> Ask:
    import torch

    with _quiet():
        from executorch.extension.pybindings import portable_lib
        from executorch.runtime import Runtime

        portable_lib._unsafe_reset_threadpool(1)  # unsafe while something runs, which nothing does
        loaded = Runtime.get().load_program(data)
        method = loaded.load_method("forward")

    def ask(x: Array, _kept: object = loaded) -> Sequence[Array]:
        if len(x) != 1:
            raise ValueError("one picture at a time")
        return [output.numpy().copy() for output in method.execute([torch.from_numpy(x)])]

    return ask


EXPORTS.add(
    Format(
        card=Card(
            key="executorch",
            title="ExecuTorch",
            summary="A program for PyTorch's runtime on Android, iOS and microcontrollers, on the CPU by XNNPACK.",
            blind_spot="One picture at a time, of one size; other accelerators need their own lowering.",
            cost=2,
        ),
        suffix=".pte",
        make=_make,
        open=_open,
        packages=("executorch",),
        extra="executorch",
        batches=False,
    )
)
