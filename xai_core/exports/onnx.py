"""ONNX: what ONNX Runtime and many converters read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xai_core.exports.base import EXPORTS, INPUT, Ask, Format
from xai_core.types import Array, Card

if TYPE_CHECKING:
    from torch import Tensor, nn


def _make(module: nn.Module, x: Tensor, names: Sequence[str], any_batch: bool) -> bytes:
    import torch

    from xai_core.exports.engine.asked import program

    made = torch.onnx.export(
        program(module, x, any_batch), input_names=[INPUT], output_names=list(names), verbose=False
    )
    assert made is not None
    found: bytes = made.model_proto.SerializeToString()
    return found


def _open(data: bytes) -> Ask:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what it cannot do comes as an error, too
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    def ask(x: Array) -> Sequence[Array]:
        found: Sequence[Array] = session.run(None, {INPUT: x})
        return found

    return ask


EXPORTS.add(
    Format(
        card=Card(
            key="onnx",
            title="ONNX",
            summary="A graph with its weights for ONNX Runtime (Android, iOS, browsers, servers) and for converters.",
            blind_spot="A file holds at most 2 GB.",
            paper="onnx.ai",
            cost=1,
        ),
        suffix=".onnx",
        make=_make,
        open=_open,
        packages=("onnx", "onnxscript", "onnxruntime"),
        extra="export",
    )
)
