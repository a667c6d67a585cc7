"""Segmenters of the registry with fresh weights whose norms know the pictures, and regions of their output."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xai_core.explainers import ExplainerInput
from xai_core.models.build import classifier as build
from xai_core.models.classifier import Classifier
from xai_core.models.preprocess import Preprocess
from xai_core.types import Target

NAMES = ("background", "cable", "tower", "insulator")
TARGETS = [Target(1), Target(2), Target(0), Target(3, 1)]


def pictures(size: int, count: int = 4) -> Tensor:
    """`(count, 3, size, size)`: blotches and noise."""
    generator = torch.Generator().manual_seed(1)
    coarse = F.interpolate(torch.randn(count, 3, 8, 8, generator=generator), size=(size, size), mode="bilinear")
    return coarse + 0.3 * torch.randn(count, 3, size, size, generator=generator)


def regions(size: int) -> Tensor:
    """`(4, size, size)`: a box, stripes, everything, the lower half."""
    found = torch.zeros(4, size, size)
    found[0, 5 : size // 3, 8 : size // 2], found[1, ::3], found[2], found[3, size // 2 :] = 1, 1, 1, 1
    return found


@cache
def segmenter(key: str, size: int) -> Classifier:
    """Fresh weights; each BatchNorm has the statistics of `pictures`, and a scale and a shift of its own.

    Without them, activations of a fresh network fade to nothing, and so does every comparison.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = build(key, NAMES, Preprocess(size, size, 3, (0.5,) * 3, (0.25,) * 3), None, device="cpu")
        norms = [part for part in made.module.modules() if isinstance(part, nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = None  # the statistics of the one batch that follows, whole
            norm.reset_running_stats()
            norm.train()
            nn.init.normal_(norm.weight, 1, 0.1)
            nn.init.normal_(norm.bias, 0, 0.1)
        with torch.no_grad():
            made.module(pictures(size))
        made.module.eval()
    return made


def given(key: str, size: int) -> ExplainerInput:
    """Four pictures, each with a class, or a difference of two, and a region."""
    return ExplainerInput(segmenter(key, size), pictures(size), TARGETS, np.arange(4), regions(size))
