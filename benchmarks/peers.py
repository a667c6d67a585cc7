"""Metrics of other libraries, asked about maps that are given: for the benchmark and for tests."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xai_core.types import Array


class GivenMaps:
    """What torchcam's metrics take for a method: one whose maps are there already."""

    def __init__(self, model: nn.Module, maps: Array) -> None:
        self.model, self._maps = model, torch.from_numpy(maps)

    def __call__(self, *_args: Any, **_named: Any) -> list[Tensor]:
        """The maps."""
        return [self._maps]

    def fuse_cams(self, cams: list[Tensor]) -> Tensor:
        """There is one layer."""
        return cams[0]

    def _hooks_off(self) -> AbstractContextManager[None]:
        return nullcontext()


def softmax(output: Tensor) -> Tensor:
    """Over classes."""
    return output.softmax(-1)


def torchcam_areas(model: nn.Module, x: Tensor, maps: Array, classes: list[int], steps: int) -> dict[str, float]:
    """torchcam's deletion and insertion, the mean picture as what hides: means over samples."""
    from torchcam.metrics import DeletionInsertionMetric

    metric = DeletionInsertionMetric(GivenMaps(model, maps), softmax, steps=steps, batch_size=64)
    metric.update(x, classes)
    return dict(metric.summary())


def torchcam_drop(model: nn.Module, x: Tensor, maps: Array, classes: list[int]) -> dict[str, float]:
    """torchcam's average drop and increase in confidence: means over samples."""
    from torchcam.metrics import ClassificationMetric

    metric = ClassificationMetric(GivenMaps(model, maps), softmax)
    metric.update(x, classes)
    return dict(metric.summary())


def gradcam_road(model: nn.Module, x: Tensor, maps: Array, classes: list[int], percentiles: list[int]) -> Array:
    """pytorch-grad-cam's ROAD: half the difference of least and most relevant first, mean over percentiles."""
    from pytorch_grad_cam.metrics.road import ROADCombined

    made = ROADCombined(percentiles=percentiles)(x, maps, _softmax_targets(classes), model)
    return np.asarray(made, np.float32)


def gradcam_drop(model: nn.Module, x: Tensor, maps: Array, classes: list[int]) -> Array:
    """pytorch-grad-cam's drop in confidence, which is not divided by the confidence."""
    from pytorch_grad_cam.metrics.cam_mult_image import DropInConfidence

    return np.asarray(DropInConfidence()(x, maps, _softmax_targets(classes), model), np.float32)


def _softmax_targets(classes: list[int]) -> list[Any]:
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    return [ClassifierOutputSoftmaxTarget(each) for each in classes]


def captum_infidelity(model: nn.Module, x: Tensor, maps: Array, classes: list[int], patches: int, side: float) -> Array:
    """Captum's infidelity with its own best scale, over patches that are hidden one at a time."""
    from captum.metrics import infidelity

    tall, wide = (max(1, round(length * side)) for length in x.shape[2:])
    draw = torch.Generator().manual_seed(0)

    def hide(inputs: Tensor) -> tuple[Tensor, Tensor]:
        hidden, told = inputs.clone(), torch.zeros_like(inputs)
        tops = torch.randint(0, inputs.shape[2] - tall + 1, (len(inputs),), generator=draw).tolist()
        lefts = torch.randint(0, inputs.shape[3] - wide + 1, (len(inputs),), generator=draw).tolist()
        for row, (top, left) in enumerate(zip(tops, lefts, strict=True)):
            here = (row, slice(None), slice(top, top + tall), slice(left, left + wide))
            hidden[here], told[here] = 0, 1 / x.shape[1]
        return told, hidden

    wide_maps = torch.from_numpy(maps)[:, None].expand_as(x)
    with torch.no_grad():
        made = infidelity(
            model,
            hide,
            x,
            wide_maps,
            target=classes,
            n_perturb_samples=patches,
            max_examples_per_batch=64,
            normalize=True,
        )
    return np.asarray(made.numpy(), np.float32)


def quantus(name: str, model: nn.Module, x: Tensor, maps: Array, classes: list[int], masks: Any) -> Array:
    """One of Quantus' metrics that need no model to speak of, of maps as they are."""
    import quantus as library

    metric = getattr(library, name)(abs=False, normalise=False, disable_warnings=True)
    named = {"model": model, "x_batch": x.numpy(), "y_batch": np.array(classes), "device": "cpu"}
    return np.asarray(metric(**named, a_batch=maps[:, None].copy(), s_batch=masks[:, None].copy()), np.float32)
