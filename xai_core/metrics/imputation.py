"""Pixels made of those around them: noisy linear imputation (Rong et al. 2022, ROAD, section 4.2)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

BESIDE, ACROSS = 1 / 6, 1 / 12
"""What a neighbour counts: of the four beside a pixel, of the four across its corners."""
ITSELF = 4
"""Which of the nine pixels of the square around a pixel it is itself."""


def imputed(picture: Float, missing: NDArray[np.bool_]) -> Float:
    """The picture `(C, H, W)` with each missing pixel `(H, W)` the weighted mean of its neighbours, missing ones too.

    That is one linear system, solved exactly; channels are solved together. At the border what is outside counts
    nothing. Raises ValueError where everything is missing.
    """
    from scipy.sparse import csc_matrix
    from scipy.sparse.linalg import splu

    gone = np.flatnonzero(missing)
    if len(gone) == missing.size:
        raise ValueError("of nothing nothing can be made")
    if not len(gone):
        return picture
    places, pulls = (each[gone] for each in _neighbours(*missing.shape))
    number = np.full(missing.size + 1, -1, np.intc)  # of what is missing; the last place is outside
    number[gone] = np.arange(len(gone))
    flat = np.concatenate([picture.reshape(len(picture), -1), np.zeros((len(picture), 1))], axis=1)
    known = np.where(number[places] < 0, pulls, 0)
    unknown = number[places] >= 0
    counts = unknown.sum(axis=1).cumsum()
    values = np.where(np.arange(9) == ITSELF, pulls.sum(axis=1, keepdims=True), -pulls)[unknown]
    # Symmetric: its rows are its columns.
    system = csc_matrix((values, number[places][unknown], np.concatenate([[0], counts])), shape=(len(gone),) * 2)
    known_sums = np.einsum("gk,cgk->gc", known, flat[:, places])
    solver = splu(system, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    flat[:, gone] = solver.solve(known_sums).T
    return np.ascontiguousarray(flat[:, :-1]).reshape(picture.shape)


@cache
def _neighbours(height: int, width: int) -> tuple[NDArray[np.int64], Float]:
    """`(H·W, 9)` the places of the square around each pixel, H·W where it is outside, and what each counts in the mean:
    outside, and the pixel itself, nothing.
    """
    numbers = np.pad(np.arange(height * width).reshape(height, width), 1, constant_values=height * width)
    around = np.lib.stride_tricks.sliding_window_view(numbers, (3, 3)).reshape(height * width, 9)
    counts = np.array([ACROSS, BESIDE, ACROSS, BESIDE, 0, BESIDE, ACROSS, BESIDE, ACROSS])
    return around, np.where(around < height * width, counts, 0)
