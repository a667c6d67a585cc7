"""The Classifier: the one face of a model that explainers, metrics and checks see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xai_core.models.answer import Answer
from xai_core.models.layers import hidden_layers, unknown_layer
from xai_core.models.own_code import OwnCode
from xai_core.models.preprocess import Preprocess
from xai_core.models.wrappers import Answering, device_of, dtype_of, hides_layers, is_scripted, layer_named
from xai_core.task import CLASSIFICATION, SEGMENTATION, TaskKey

Restore = Callable[[Tensor], Tensor]
"""Brings a layer's output to `(N, C, h, w)`; for a ViT it drops the class token and restores the grid."""


@dataclass(frozen=True)
class Classifier:
    """A model ready to be asked.

    Attributes:
        module: maps `(N, C, H, W)` of its weights' precision to logits `(N, *output_shape)`; in eval mode. An
            `Answering` where the model itself returns more than that; see `answer`.
        class_names: K names.
        preprocess: from picture to input.
        architecture: key of the architecture, or `package.module:function` of an imported one.
        cam_layer: dotted name of the layer whose output class activation maps use; "" where none is known.
        fingerprint: sha256 of weights + architecture + preprocessing; identity of everything stored for it.
        restore_grid: brings that layer's output to `(N, C, h, w)`; None where it already is.
        code: the user's own code that the module was built by; None for registered architectures.
        output_size: `(h, w)` of a segmenter's output, which is `(N, K, h, w)`; () where it is `(N, K)`.
        notes: what a person should know of how it was loaded, one sentence each.
    """

    module: nn.Module
    class_names: tuple[str, ...]
    preprocess: Preprocess
    architecture: str
    cam_layer: str
    fingerprint: str
    restore_grid: Restore | None = None
    code: OwnCode | None = None
    output_size: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def device(self) -> torch.device:
        """Where the weights are; the CPU where there are none."""
        return device_of(self.module)

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights; float32 where there are none."""
        return dtype_of(self.module)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """`(C, H, W)`."""
        return self.preprocess.channels, self.preprocess.height, self.preprocess.width

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of one sample: `(K,)`, or `(K, h, w)` of a segmenter."""
        return len(self.class_names), *self.output_size

    @property
    def task(self) -> TaskKey:
        """What it answers."""
        return SEGMENTATION if self.output_size else CLASSIFICATION

    @property
    def answer(self) -> Answer:
        """Which of the model's outputs are the classes, and where they lie in what it returns."""
        module = self.module
        return module.answer if isinstance(module, Answering) else Answer(len(self.class_names))

    def logits(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` → `(N, *output_shape)`, in the precision of the weights."""
        return self.module(handed_over(x, self.dtype))

    def layer(self, name: str = "") -> nn.Module:
        """The module called `name`, or the declared CAM layer; names may leave out what DataParallel puts before them.

        Raises:
            NotFound: no such layer, or none is declared; the error names those that can hold a map.
            NotApplicable: the model runs as TorchScript or as an exported graph, in which no hook sees a layer.
        """
        if hides_layers(self.module):
            raise hidden_layers(self)
        wanted = name or self.cam_layer
        found = layer_named(self.module, wanted) if wanted else None
        if found is None:
            raise unknown_layer(self, wanted)
        if is_scripted(found):
            raise hidden_layers(self)
        return found


def handed_over(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Pictures as a model gets them: a copy, because it may work in place, laid out row by row.

    A single channel may have the strides of channels that come last, though torch calls it contiguous. Convolutions
    would then answer in that layout, and a `view` in the user's code would fail.
    """
    return x.to(dtype, copy=True, memory_format=torch.contiguous_format)
