"""Class activation maps written slowly, term by term, from the papers' equations; one sample `(C, h, w)` each."""

from __future__ import annotations

from collections.abc import Callable

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


def windowed_grad_cam(activations: Grid, gradients: Grid, side: int) -> Grid:
    """Hasany et al. 2023, Seg-XRes-CAM with mean pooling: each place weighs with the mean gradient of its window."""
    channels, height, width = activations.shape
    result = np.zeros((height, width))
    for k in range(channels):
        for i in range(height):
            for j in range(width):
                top, left = i // side * side, j // side * side
                window = [
                    gradients[k, a, b]
                    for a in range(top, min(top + side, height))
                    for b in range(left, min(left + side, width))
                ]
                result[i, j] += sum(window) / len(window) * activations[k, i, j]
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


def xgrad_cam(activations: Grid, gradients: Grid) -> Grid:
    """Fu et al. 2020, eq. 8: the mean of the gradient, weighted with the channel's own activations."""
    result = np.zeros(activations.shape[1:])
    for activation, gradient in zip(activations, gradients, strict=True):
        total = activation.sum()
        if total != 0:
            result += sum(a / total * g for a, g in zip(activation.flat, gradient.flat, strict=True)) * activation
    return result


def hires_cam(activations: Grid, gradients: Grid) -> Grid:
    """Draelos and Carin 2020: gradient times activation at each place, summed over channels."""
    _, height, width = activations.shape
    places = [
        sum(a * g for a, g in zip(activations[:, i, j], gradients[:, i, j], strict=True))
        for i in range(height)
        for j in range(width)
    ]
    return np.reshape(places, (height, width))


def layer_cam(activations: Grid, gradients: Grid) -> Grid:
    """Jiang et al. 2021, eq. 5-7 without the outer ReLU: as HiResCAM, with positive gradients alone."""
    return hires_cam(activations, np.maximum(gradients, 0))


def eigen_cam(activations: Grid) -> Grid:
    """Muhammad and Yeasin 2020: places × channels, projected on the first right singular vector; sign open.

    Centred, as libraries have it and the paper does not.
    """
    places = np.array([channel.ravel() for channel in activations]).T
    places = places - places.mean(0)
    _, _, directions = np.linalg.svd(places)
    return (places @ directions[0]).reshape(activations.shape[1:])


def upsampled(grid: Grid, height: int, width: int, *, corners: bool) -> Grid:
    """Bilinear, pixel by pixel. With `corners` the outer cells' centres lie on the outer pixels."""
    result = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            places = []
            for at, size, cells in ((i, height, grid.shape[0]), (j, width, grid.shape[1])):
                place = at * (cells - 1) / (size - 1) if corners else (at + 0.5) * cells / size - 0.5
                place = min(max(place, 0.0), cells - 1.0)
                low = int(place)
                places.append(((low, 1 - place + low), (min(low + 1, cells - 1), place - low)))
            result[i, j] = sum(grid[a, b] * p * q for a, p in places[0] for b, q in places[1])
    return result


def score_cam(
    activations: Grid, picture: Grid, start: Grid, score: Callable[[Grid], float], *, corners: bool, softmax: bool
) -> Grid:
    """Wang et al. 2020, algorithm 1 (`softmax`), or with the scores themselves as weights.

    `picture` and `start`, what hidden pixels become, are `(C, H, W)`; `score` is what the model says of a picture.
    """
    weights = {}
    for k, channel in enumerate(activations):
        if channel.max() > channel.min():
            mask = upsampled(channel, *picture.shape[1:], corners=corners)
            mask = (mask - mask.min()) / (mask.max() - mask.min())
            weights[k] = score(picture * mask + start * (1 - mask))
    if softmax:
        weights = {k: float(np.exp(value)) for k, value in weights.items()}
        weights = {k: value / sum(weights.values()) for k, value in weights.items()}
    return sum((weight * activations[k] for k, weight in weights.items()), np.zeros(activations.shape[1:]))
