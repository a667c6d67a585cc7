"""Grad-CAM and Grad-CAM++ written slowly, term by term, from the papers' equations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.float64]


def grad_cam(activations: Grid, gradients: Grid) -> Grid:
    """Selvaraju et al. 2017, one sample `(C, h, w)`: eq. 1, then eq. 2 without its ReLU."""
    channels, height, width = activations.shape
    result = np.zeros((height, width))
    for k in range(channels):
        alpha = sum(gradients[k, i, j] for i in range(height) for j in range(width)) / (height * width)
        for i in range(height):
            for j in range(width):
                result[i, j] += alpha * activations[k, i, j]
    return result


def grad_cam_plus_plus(activations: Grid, gradients: Grid, logit: float) -> Grid:
    """Chattopadhay et al. 2018, one sample, Y = exp(S): eq. 19 for alpha, eq. 10 for w, divided by exp(S).

    Derivatives of Y by eq. 15-17: exp(S)·g, exp(S)·g², exp(S)·g³.
    """
    channels, height, width = activations.shape
    score = np.exp(logit)
    result = np.zeros((height, width))
    for k in range(channels):
        weight = 0.0
        total = sum(activations[k, a, b] for a in range(height) for b in range(width))
        for i in range(height):
            for j in range(width):
                g = gradients[k, i, j]
                first, second, third = score * g, score * g**2, score * g**3
                denominator = 2 * second + total * third
                alpha = second / denominator if g != 0 and denominator != 0 else 0.0
                weight += alpha * max(0.0, first)
        result += weight * activations[k]
    return result / score
