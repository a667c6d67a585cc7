"""Pictures that look nearly the same: saved again, made smaller, brighter. A perceptual hash, and who is near whom.

The hash says of each of the 255 lowest frequencies of the grey picture, shrunk to 32 × 32, whether it is stronger than
their median (a discrete cosine transform, as in Zauner 2010, Implementation and benchmarking of perceptual image hash
functions, with more bits). Near are hashes that differ in at most DISTANCE of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xai_core.types import Progress, silent

DISTANCE = 20
"""Bits that near pictures differ in at most. Of 200 photos of clothes and 200 brain scans each, 99 in 100 differ from
themselves saved again as JPEG of quality 20 in up to 16 and 12, 15 % brighter in up to 14 and 8, at half the size in up
to 12 and 26; cut by 2 % on each side already half of them in 38 and 44, so crops are not found."""

BITS = 256
_SIDE, _KEPT = 32, 16
_BAND = 12
_BANDS = BITS // _BAND
_COMPARED = 64
"""Where more pictures have the same 12 bits, each is compared with this many of them; there are 20 other bands."""

_TURN = np.cos(np.pi * (np.arange(_SIDE) + 0.5) * np.arange(_KEPT)[:, None] / _SIDE)


def perceptual_hash(picture: Image.Image) -> bytes:
    """32 bytes, the same for what looks the same. All zero for a picture of one colour, which says nothing."""
    return perceptual_hashes([picture])[0].tobytes()


def perceptual_hashes(pictures: Iterable[Image.Image]) -> NDArray[np.uint8]:
    """`(n, 32)`, one hash each: of many small pictures ten times faster than one by one."""
    small = [picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX) for picture in pictures]
    grey = np.asarray([np.asarray(picture) for picture in small], np.float64).reshape(-1, _SIDE, _SIDE)
    strength = (_TURN @ grey @ _TURN.T).reshape(len(grey), BITS)[:, 1:]  # the first is how bright it is
    bits = strength > np.median(strength, axis=1, keepdims=True)
    bits &= np.abs(strength).max(axis=1, keepdims=True) >= 1e-6
    return np.packbits(np.pad(bits, ((0, 0), (1, 0))), axis=1)


def near_pairs(
    hashes: NDArray[np.uint8],
    groups: NDArray[np.int64],
    same: NDArray[np.int64] | None = None,
    *,
    progress: Progress = silent,
) -> NDArray[np.int64]:
    """Of each picture the nearest one of another group, where that is near; without comparing each with each.

    Two hashes that differ in at most 20 bits agree in one of 21 bands of 12 bits, so only pictures that agree in one
    are compared, of very many that do a part. One partner for each keeps the answer short where thousands look alike.

    Args:
        hashes: `(n, 32)`, one hash each; those that are all zero are near none.
        groups: `(n,)`, such as the split.
        same: `(n,)`, such as the content: pictures with the same number are no pair. By default none are the same.

    Returns:
        `(m, 3)`, m ≤ n: the positions of both, the smaller first, and in how many bits they differ; ascending.
    """
    words = np.ascontiguousarray(hashes).view(np.uint64).reshape(len(hashes), BITS // 64)
    known = np.flatnonzero(words.any(axis=1))
    best = np.full(len(hashes), DISTANCE + 1, np.int64)
    partner = np.full(len(hashes), -1, np.int64)
    for done, codes in enumerate(_bands(hashes[known]), 1):
        for one, other in _alike(codes):
            first, second = known[one], known[other]
            apart = groups[first] != groups[second]
            apart &= np.bitwise_count(words[first, 0] ^ words[second, 0]) <= DISTANCE  # a fourth of them, for most
            first, second = first[apart], second[apart]
            far = np.bitwise_count(words[first] ^ words[second]).sum(axis=1, dtype=np.int64)
            if same is not None:
                far[same[first] == same[second]] = BITS
            for mine, its in ((first, second), (second, first)):  # a position comes once in each
                nearer = (far < best[mine]) | ((far == best[mine]) & (its < partner[mine]))
                best[mine[nearer]], partner[mine[nearer]] = far[nearer], its[nearer]
        progress(done, _BANDS, "bands of hashes compared")
    found = np.flatnonzero(partner >= 0)
    pairs = np.sort(np.stack([found, partner[found]], axis=1), axis=1)
    return np.unique(np.column_stack([pairs, best[found]]), axis=0)


def _bands(hashes: NDArray[np.uint8]) -> Iterator[NDArray[np.int64]]:
    """For each band its bits of every hash, as a number."""
    bits = np.unpackbits(hashes, axis=1)
    for band in range(_BANDS):
        part = bits[:, band * _BAND : (band + 1) * _BAND].astype(np.int64)
        yield part @ (1 << np.arange(_BAND))


def _alike(codes: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs of positions with the same code: each with the next one in a drawn order, then with the one after that, …

    Drawn, so that whom a large bucket compares is not a matter of where they stand in the table.
    """
    drawn = np.random.default_rng(0).permutation(len(codes))
    order = drawn[np.argsort(codes[drawn], kind="stable")]
    _, starts, sizes = np.unique(codes[order], return_index=True, return_counts=True)
    ends = np.repeat(starts + sizes, sizes)
    at = np.arange(len(codes))
    for step in range(1, _COMPARED + 1):
        at = at[at + step < ends[at]]
        if not len(at):
            return
        yield order[at], order[at + step]
