"""Models and pictures that files are made of and asked about."""

from __future__ import annotations

import torch
from torch import Tensor

from xai_core.models.build import classifier as build_classifier
from xai_core.models.classifier import Classifier
from xai_core.models.preprocess import Preprocess
from xai_core.types import CancelToken

GO_ON = CancelToken()


def square_input(side: int) -> Preprocess:
    return Preprocess(side, side, 3, (0.5,) * 3, (0.5,) * 3)


def made_model(architecture: str, side: int = 32) -> Classifier:
    return build_classifier(architecture, ("a", "b", "c"), square_input(side), None)


def noise(made: Classifier, count: int = 3) -> Tensor:
    return torch.randn(count, *made.input_shape, generator=torch.Generator().manual_seed(1))
