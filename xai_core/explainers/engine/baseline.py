"""Pictures that count as no evidence: where paths start, and what covers a patch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torchvision.transforms.functional import gaussian_blur

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.models.classifier import Classifier

BLUR = 0.05
"""Standard deviation of the blurred baseline, as a share of the shorter side (11 px of 224)."""


def baseline(classifier: Classifier, x: Tensor, kind: str) -> Tensor:
    """`(N, C, H, W)` of kind `black`, `mean` (the training mean) or `blur` (the picture itself, blurred)."""
    if kind == "black":
        mean, std = (torch.tensor(v, device=x.device) for v in (classifier.preprocess.mean, classifier.preprocess.std))
        return (-mean / std).view(1, -1, 1, 1).expand_as(x).to(x.dtype).contiguous()
    if kind == "mean":
        return torch.zeros_like(x)
    sigma = BLUR * min(x.shape[-2:])
    size = 2 * math.ceil(3 * sigma) + 1
    return gaussian_blur(x, [size, size], [sigma, sigma])
