"""SmoothGrad: the mean of another method's maps over noisy copies of the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import NotApplicable
from xai_core.explainers.base import EXPLAINERS, CamParams, Context, explainer
from xai_core.params import param
from xai_core.types import Array, Card, Explanation, Target

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.models.classifier import Classifier

OTHER = "Choose another method to average."


@dataclass(frozen=True)
class SmoothGradParams:
    """Of SmoothGrad."""

    method: str = param(
        "saliency",
        help="whose maps are averaged",
        choices=("saliency", "input_x_gradient", "gradcam", "gradcam++", "xgradcam", "hirescam", "layercam"),
    )
    noise: float = param(
        0.15, help="standard deviation of the noise, as a share of the range from black to white", low=0.0, high=1.0
    )
    samples: int = param(25, help="noisy copies of each picture", low=1, high=1000)
    layer: str = param("", help="of a class activation map: name of the layer; empty for the declared one")


@explainer(
    Card(
        key="smoothgrad",
        title="SmoothGrad",
        summary="The mean of a gradient method's maps over noisy copies of the picture.",
        blind_spot="Explains noisy pictures, not this one: too much noise, and the model sees something else. Inherits "
        "what the averaged method does not show.",
        paper="Smilkov et al. 2017, SmoothGrad: removing noise by adding noise, section 3; Omeiza et al. 2019, Smooth "
        "Grad-CAM++ (of gradcam++)",
        needs=frozenset({"gradients"}),
        cost=62.0,
        signed=True,
    ),
    SmoothGradParams,
)
def smoothgrad(
    classifier: Classifier,
    x: Tensor,
    targets: Sequence[Target],
    params: SmoothGradParams,
    context: Context,
    seeds: NDArray[np.int64],
) -> Explanation:
    """`(1/n) Σ map(x + ε)`, ε normal with standard deviation `noise` in pixel values from 0 to 1, from the row's seed.

    A row is refused where the method refuses one of its noisy copies.

    Raises:
        NotApplicable: the method cannot be used with this model, or with none of the pictures.
    """
    found = [
        _averaged(classifier, x[row], target, params, context, int(seed))
        for row, (target, seed) in enumerate(zip(targets, seeds, strict=True))
    ]
    shapes = [mean.shape for mean, _ in found if mean is not None]
    if not shapes:
        method = EXPLAINERS[params.method].card.title
        raise NotApplicable(f"{method} cannot be averaged for this model", value=found[0][1], remedy=OTHER)
    maps = [np.full(shapes[0], np.nan, np.float32) if mean is None else mean for mean, _ in found]
    return Explanation(np.stack(maps), refusals=tuple(reason for _, reason in found))


def _averaged(
    classifier: Classifier, picture: Tensor, target: Target, params: SmoothGradParams, context: Context, seed: int
) -> tuple[Array | None, str | None]:
    """The mean map of one picture, and why it must not be shown; no map where the method cannot be used at all."""
    from xai_core.explainers.plan import explain

    own = CamParams(params.layer) if EXPLAINERS[params.method].params is CamParams else None
    seeds = np.full(params.samples, seed)
    copies = _noisy(classifier, picture, params, seed)
    try:
        (found,) = explain(classifier, copies, [target] * len(copies), [(params.method, own)], context, seeds)
    except NotApplicable as problem:
        return None, str(problem)
    return found.maps.mean(0), next(filter(None, found.refusals), None)


def _noisy(classifier: Classifier, picture: Tensor, params: SmoothGradParams, seed: int) -> Tensor:
    """`(samples, C, H, W)`: the picture plus noise, drawn on the CPU so that all devices see the same."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(params.samples, *picture.shape, generator=generator).to(picture.device)
    scale = params.noise / torch.tensor(classifier.preprocess.std, device=picture.device)
    return picture + noise * scale[:, None, None]
