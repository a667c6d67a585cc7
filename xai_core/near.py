"""Pictures that look nearly the same: saved again, made smaller, brighter. A perceptual hash, and who is near whom.

The hash says of each of the 255 lowest frequencies of the grey picture, shrunk to 32 × 32, whether it is stronger than
their median (a discrete cosine transform, as in Zauner 2010, Implementation and benchmarking of perceptual image hash
functions, with more bits). Near are hashes that differ in at most DISTANCE of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

DISTANCE = 20
"""Bits that near pictures differ in at most. Of 200 photos of clothes and 200 brain scans each, 99 in 100 differ from
themselves saved again as JPEG of quality 20 in up to 16 and 12, 15 % brighter in up to 14 and 8, at half the size in up
to 12 and 26; cut by 2 % on each side already half of them in 38 and 44, so crops are not found."""

BITS = 256
_SIDE, _KEPT = 32, 16
_BAND = 12
_BANDS = BITS // _BAND
_LARGEST_BUCKET = 1000
"""Of more pictures with the same 12 bits none are compared by these: there are 20 other bands."""

_TURN = np.cos(np.pi * (np.arange(_SIDE) + 0.5) * np.arange(_KEPT)[:, None] / _SIDE)


def perceptual_hash(picture: Image.Image) -> bytes:
    """32 bytes, the same for what looks the same. All zero for a picture of one colour, which says nothing."""
    grey = picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    strength = (_TURN @ np.asarray(grey, np.float64) @ _TURN.T).ravel()
    strength[0] = -np.inf  # how bright it is
    if np.abs(strength[1:]).max() < 1e-6:
        return bytes(BITS // 8)
    return np.packbits(strength > np.median(strength[1:])).tobytes()


def near_pairs(hashes: NDArray[np.uint8], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs of near pictures of different groups, without comparing each with each.

    Two hashes that differ in at most 20 bits agree in one of 21 bands of 12 bits, so only pictures that agree in one
    are compared.

    Args:
        hashes: `(n, 32)`, one hash each; those that are all zero are near none.
        groups: `(n,)`, such as the split.

    Returns:
        `(m, 3)`: the positions of both, the smaller first, and in how many bits they differ; ascending.
    """
    words = np.ascontiguousarray(hashes).view(np.uint64).reshape(len(hashes), BITS // 64)
    known = np.flatnonzero(words.any(axis=1))
    found = [np.empty((0, 3), np.int64)]
    for codes in _bands(hashes[known]):
        for one, other in _alike(codes):
            first, second = known[one], known[other]
            apart = groups[first] != groups[second]
            first, second = first[apart], second[apart]
            far = np.bitwise_count(words[first] ^ words[second]).sum(axis=1, dtype=np.int64)
            near = far <= DISTANCE
            pair = np.sort(np.stack([first[near], second[near]], axis=1), axis=1)
            found.append(np.column_stack([pair, far[near]]))
    return np.unique(np.concatenate(found), axis=0)


def _bands(hashes: NDArray[np.uint8]) -> Iterator[NDArray[np.int64]]:
    """For each band its bits of every hash, as a number."""
    bits = np.unpackbits(hashes, axis=1)
    for band in range(_BANDS):
        part = bits[:, band * _BAND : (band + 1) * _BAND].astype(np.int64)
        yield part @ (1 << np.arange(_BAND))


def _alike(codes: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """All pairs of positions with the same code: each with the next one in order, then with the one after that, …"""
    order = np.argsort(codes, kind="stable")
    _, starts, sizes = np.unique(codes[order], return_index=True, return_counts=True)
    ends = np.repeat(starts + np.where(sizes <= _LARGEST_BUCKET, sizes, 0), sizes)
    for step in range(1, int(sizes[sizes <= _LARGEST_BUCKET].max(initial=1))):
        at = np.flatnonzero(np.arange(len(codes)) + step < ends)
        yield order[at], order[at + step]
