"""Eigen-CAM: what the layer's channels have in common, whatever the class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_core.explainers.base import cam_method
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import Tensor


@cam_method(
    Card(
        key="eigencam",
        title="Eigen-CAM",
        summary="The strongest pattern that the layer's channels share: their first principal component.",
        blind_spot="Ignores the target: the same map for every class, so it cannot tell why one was chosen.",
        paper="Muhammad and Yeasin 2020, Eigen-CAM: Class Activation Map using Principal Components",
        needs=frozenset({"cam_layer", "whole"}),
        cost=1.0,
        class_specific=False,
    )
)
def eigencam(activations: Tensor, _gradients: Tensor) -> Tensor:
    """Places projected on the first principal direction of the channels, each channel centred over the places.

    The paper does not centre; libraries do, since otherwise the map follows the channels' mean.
    A principal direction has no sign of its own. Here the map goes up with the strength of the activations,
    Σ_k A_k²: bright is where the layer fires. Rows that are not finite give NaN.
    """
    import torch

    places = activations.flatten(2).mT.double()
    finite = places.isfinite().flatten(1).all(1)[:, None, None]
    places = places.where(finite, 0.0)
    centred = places - places.mean(1, keepdim=True)
    # The smaller of the two Gram matrices: several times quicker than a singular value decomposition.
    if centred.shape[1] <= centred.shape[2]:
        values, vectors = torch.linalg.eigh(centred @ centred.mT)
        found = vectors[..., -1:] * values[:, -1:, None].clamp(min=0).sqrt()
    else:
        found = centred @ torch.linalg.eigh(centred.mT @ centred).eigenvectors[..., -1:]
    strength = places.square().sum(2, keepdim=True)
    upwards = (found * strength).sum(1, keepdim=True) >= 0
    signed = found.where(upwards, -found).where(finite, torch.nan)
    return signed.reshape(len(activations), *activations.shape[2:]).to(activations.dtype)
