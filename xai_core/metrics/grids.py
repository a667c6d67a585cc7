"""What metrics share: the evidence in a map, and maps on another grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xai_core.types import Array


def magnitude(maps: Array, *, signed: bool) -> Array:
    """`(N, h, w)` how much each place counts: its size where zero is meaningful, else its positive part.

    As maps are drawn: where zero separates nothing, what lies below it is no evidence.
    """
    return np.abs(maps) if signed else np.maximum(maps, 0)


def on_grid(maps: NDArray[np.floating[Any]], size: tuple[int, int]) -> NDArray[np.float64]:
    """Maps `(N, h, w)` on another grid `(N, H, W)`, bilinear between the centres of places, as they are drawn.

    Beyond the outermost centres the outermost values go on.
    """
    if maps.shape[1:] == size:
        return maps.astype(np.float64)
    down, across = (_bilinear(old, new) for old, new in zip(maps.shape[1:], size, strict=True))
    result: NDArray[np.float64] = down @ maps.astype(np.float64) @ across.T
    return result


def _bilinear(old: int, new: int) -> NDArray[np.float64]:
    """`(new, old)` what each old place counts in each new one."""
    where = ((np.arange(new) + 0.5) * old / new - 0.5).clip(0, old - 1)
    below = np.floor(where).astype(np.int64).clip(0, max(old - 2, 0))
    weights = np.zeros((new, old))
    weights[np.arange(new), below] = 1 - (where - below)
    weights[np.arange(new), np.minimum(below + 1, old - 1)] += where - below
    return weights


def pooled(maps: Array, side: int) -> Array:
    """Maps `(N, h, w)` as `(N, side, side)`, each place the mean of the area it covers."""
    sized = [Image.fromarray(each).resize((side, side), Image.Resampling.BOX) for each in maps.astype(np.float32)]
    return np.stack([np.asarray(each, np.float32) for each in sized])


def positive(maps: Array, size: tuple[int, int]) -> Array:
    """`(N, H, W)` the evidence for the target on the input's grid, as a share of its maximum; 0 where there is none.

    The rectified map is brought to the grid, not the grid's values rectified: between evidence for and against lies
    some of each. Rounded to float32, so that places that are alike stay alike.
    """
    shares = _shares(np.maximum(maps, 0))
    evidence = on_grid(shares, size)
    return _shares(evidence).astype(np.float32)


def no_evidence(evidence: NDArray[np.floating[Any]]) -> tuple[str | None, ...]:
    """Why maps without any evidence for the target are not scored."""
    return tuple(None if each.any() else "no positive evidence" for each in evidence)


def ranked(maps: Array, size: tuple[int, int], *, signed: bool) -> NDArray[np.int64]:
    """`(N, H·W)` the places of the input's grid, those with the most evidence first.

    Where zero is meaningful evidence against comes last; else all places without evidence are alike. Places that are
    alike come in an order that is spread evenly over the picture: row by row, a rectified map that is mostly zero would
    lose its picture from the top.
    """
    values = on_grid(_shares(maps), size).astype(np.float32) if signed else positive(maps, size)
    spread = spread_order(size)
    order = np.argsort(-values.reshape(len(values), -1)[:, spread], axis=1, kind="stable")
    return spread[order]


def spread_order(size: tuple[int, int]) -> NDArray[np.int64]:
    """All places of a grid, so that the first of them, however many, are spread evenly over it.

    By the additive sequence of the plane's golden ratio (Roberts 2018, The Unreasonable Effectiveness of Quasirandom
    Sequences, whose dither it is).
    """
    down, across = np.mgrid[: size[0], : size[1]]
    return np.argsort(np.mod(down * 0.7548776662466927 + across * 0.5698402909980532, 1).ravel(), kind="stable")


def _shares(maps: NDArray[Any]) -> NDArray[np.float64]:
    """Maps `(N, h, w)` as shares of their largest magnitude; zeros where all are."""
    exact = maps.astype(np.float64)
    most = np.abs(exact).max(axis=(1, 2), keepdims=True, initial=0)
    return np.divide(exact, most, out=np.zeros_like(exact), where=most > 0)
