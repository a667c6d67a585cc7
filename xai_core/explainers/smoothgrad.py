"""SmoothGrad: the mean of another method's maps over noisy copies of the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import NotApplicable
from xai_core.explainers.base import EXPLAINERS, CamParams, ExplainerInput, explainer
from xai_core.params import param
from xai_core.types import Array, Card, Explanation

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


def _as_averaged(card: Card, params: SmoothGradParams) -> Card:
    """Whose maps it averages is in its title, and decides what it needs and how it is drawn."""
    other = EXPLAINERS[params.method].card
    title = f"{card.title} of {other.title}"
    return replace(card, title=title, signed=other.signed, needs=card.needs | other.needs)


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
    special=_as_averaged,
)
def smoothgrad(given: ExplainerInput, params: SmoothGradParams) -> Explanation:
    """`(1/n) Σ map(x + ε)`, ε normal with standard deviation `noise` in pixel values from 0 to 1, from the row's seed.

    A row is refused where the method refuses one of its noisy copies.

    Raises:
        NotApplicable: the method cannot be used with this model, or with none of the pictures.
    """
    found = [_averaged(_copies(given, row, params), params) for row in range(len(given.x))]
    shapes = [mean.shape for mean, _ in found if mean is not None]
    if not shapes:
        method = EXPLAINERS[params.method].card.title
        raise NotApplicable(f"{method} cannot be averaged for this model", value=found[0][1], remedy=OTHER)
    maps = [np.full(shapes[0], np.nan, np.float32) if mean is None else mean for mean, _ in found]
    return Explanation(np.stack(maps), refusals=tuple(reason for _, reason in found))


def _copies(given: ExplainerInput, row: int, params: SmoothGradParams) -> ExplainerInput:
    """One row's picture with noise, `samples` times."""
    count, seed = params.samples, int(given.seeds[row])
    regions = None if given.regions is None else given.regions[row : row + 1].expand(count, -1, -1)
    return replace(
        given,
        x=_noisy(given.classifier, given.x[row], params, seed),
        targets=[given.targets[row]] * count,
        seeds=np.full(count, seed),
        regions=regions,
        masks=None,
        background=None,
    )


def _averaged(copies: ExplainerInput, params: SmoothGradParams) -> tuple[Array | None, str | None]:
    """The mean map of noisy copies, and why it must not be shown; no map where the method cannot be used at all."""
    from xai_core.explainers.engine.plan import explain

    kind = EXPLAINERS[params.method].params
    own = kind(layer=params.layer) if issubclass(kind, CamParams) else None
    try:
        (found,) = explain(copies, [(params.method, own)])
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
