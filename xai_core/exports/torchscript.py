"""TorchScript: what LibTorch reads, on phones and in C++."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from xai_core.exports.base import EXPORTS, Ask, Format
from xai_core.types import Array, Card

if TYPE_CHECKING:
    from torch import Tensor, nn


@contextmanager
def _as_it_is() -> Iterator[None]:
    """Within, torch says neither that TorchScript is old, which the card says, nor that shapes are taken as they are.

    What of a trace depends on values is found before, by `check_no_choices`.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`torch.jit", category=FutureWarning)
        warnings.filterwarnings("ignore", message="`torch.jit", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=_jit().TracerWarning)
        yield


def _jit() -> Any:
    """TorchScript, which has no types."""
    import torch

    return torch.jit


def _make(module: nn.Module, x: Tensor, names: Sequence[str], any_batch: bool) -> bytes:  # noqa: ARG001
    """A trace for one picture: it takes as many as the model's own code would."""
    import torch

    from xai_core.exports.engine.asked import check_no_choices

    check_no_choices(module, x[:1])
    file = BytesIO()
    with _as_it_is(), torch.no_grad():
        _jit().save(_jit().trace(module, x[:1], check_trace=False), file)
    return file.getvalue()


def _open(data: bytes) -> Ask:
    import torch

    with _as_it_is():
        module = _jit().load(BytesIO(data), map_location="cpu")

    def ask(x: Array) -> Sequence[Array]:
        with torch.no_grad():
            return [output.numpy() for output in module(torch.from_numpy(x))]

    return ask


EXPORTS.add(
    Format(
        card=Card(
            key="torchscript",
            title="TorchScript",
            summary="One archive of code and weights for LibTorch, in C++ and on phones; needs torch alone.",
            blind_spot="PyTorch develops it no further; an archive is code: open only those whose maker you trust.",
            cost=0.1,
        ),
        suffix=".pt",
        make=_make,
        open=_open,
    )
)
