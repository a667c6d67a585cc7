"""Pixels made of those around them: noisy linear imputation (Rong et al. 2022, ROAD, section 4.2)."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

BESIDE, ACROSS = 1 / 6, 1 / 12
"""What a neighbour counts: of the four beside a pixel, of the four across its corners."""


def imputed(picture: Float, missing: NDArray[np.bool_]) -> Float:
    """The picture `(C, H, W)` with each missing pixel `(H, W)` the weighted mean of its neighbours, missing ones too.

    That is one linear system, solved exactly; channels are solved together. At the border what is outside counts
    nothing. Raises ValueError where everything is missing.
    """
    from scipy.sparse.linalg import splu

    gone = np.flatnonzero(missing)
    there = np.flatnonzero(~missing)
    if not len(there):
        raise ValueError("of nothing nothing can be made")
    if not len(gone):
        return picture
    flat = picture.reshape(len(picture), -1)
    pulls = _neighbours(*missing.shape)
    of_gone = pulls[gone]
    system = -of_gone[:, gone]
    system.setdiag(np.asarray(of_gone.sum(axis=1)).ravel())
    solved = splu(system.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve(
        of_gone[:, there] @ flat[:, there].T
    )
    result = flat.copy()
    result[:, gone] = solved.T
    return result.reshape(picture.shape)


@cache
def _neighbours(height: int, width: int) -> Any:
    """`(H·W, H·W)` sparse: what each pixel counts in the mean of each other one."""
    from scipy.sparse import coo_matrix

    numbers = np.arange(height * width).reshape(height, width)
    ones, others, counts = [], [], []
    for down, across, count in ((0, 1, BESIDE), (1, 0, BESIDE), (1, 1, ACROSS), (1, -1, ACROSS)):
        one = numbers[: height - down, max(0, -across) : width - max(0, across)].ravel()
        other = numbers[down:, max(0, across) : width - max(0, -across)].ravel()
        ones += [one, other]
        others += [other, one]
        counts += [np.full(2 * len(one), count)]
    places = (np.concatenate(ones), np.concatenate(others))
    return coo_matrix((np.concatenate(counts), places), shape=(numbers.size, numbers.size)).tocsr()
