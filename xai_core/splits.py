"""Stratified splits that do not depend on the order of files, on the numpy version or on chance."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xai_core.errors import BadInput, BadParameter


def stratified(
    labels: ArrayLike, part: float, seed: int, *, keys: Sequence[str] = (), names: Sequence[str] = ()
) -> NDArray[np.bool_]:
    """Which samples go into the part that is split off.

    The part holds each class in proportion, at least one sample of each, and leaves at least one. Samples are taken
    in the order of `sha256(seed, key)`, so the same files split alike wherever they lie. Samples with one key (the
    same picture twice) stay on one side, and those that have one key but several labels are never taken: a split
    made here does not leak.

    Args:
        labels: `(N,)` class indices.
        part: a share (float, between 0 and 1) or a count (int) of samples.
        seed: any whole number.
        keys: N texts that identify the content, such as its sha256; positions by default.
        names: class names for errors.

    Returns:
        `(N,)` bool, True for what is taken.

    Raises:
        BadParameter: the part is not smaller than the whole, or empty.
        BadInput: a class has too few different samples.
    """
    label = np.asarray(labels, dtype=np.int64).tolist()
    groups = _groups(label, keys or [str(i) for i in range(len(label))], seed)
    taken = np.zeros(len(label), dtype=bool)
    for index, count in _counts(np.asarray(label), part).items():
        pure = [group for group in groups[index] if all(label[position] == index for position in group)]
        chosen = _fill(pure, count)
        if not chosen or len(chosen) == len(groups[index]):
            name = names[index] if names else index
            raise BadInput(
                "a class has too few different samples to split", value=name, remedy="Add pictures or leave it out."
            )
        taken[[position for group in chosen for position in group]] = True
    return taken


Group = list[int]
"""Positions of one content."""


def _groups(label: list[int], keys: Sequence[str], seed: int) -> dict[int, list[Group]]:
    """For each class the groups that have a part in it, in an order that only key and seed decide."""
    by_key: dict[str, Group] = {}
    for position, key in enumerate(keys):
        by_key.setdefault(key, []).append(position)
    result: dict[int, list[Group]] = {}
    for key in sorted(by_key, key=lambda key: hashlib.sha256(f"{seed}:{key}".encode()).digest()):
        for index in {label[position] for position in by_key[key]}:
            result.setdefault(index, []).append(by_key[key])
    return result


def _counts(label: NDArray[np.int64], part: float) -> dict[int, int]:
    """How many to take of each class: proportional, the remainder to the largest fractions."""
    total = part if isinstance(part, int) else round(part * len(label))
    if not 0 < total < len(label):
        raise BadParameter("cannot split off so many samples", value=part, remedy=f"There are {len(label)}.")
    classes, sizes = np.unique(label, return_counts=True)
    share = total * sizes / len(label)
    counts = np.floor(share).astype(int)
    counts[np.argsort(counts - share, kind="stable")[: total - counts.sum()]] += 1
    return dict(zip(classes.tolist(), np.clip(counts, 1, np.maximum(sizes - 1, 1)).tolist(), strict=True))


def _fill(groups: list[Group], count: int) -> list[Group]:
    """The first groups that together hold `count` positions; where none fits, the smallest one."""
    chosen, room = [], count
    for group in groups:
        if len(group) <= room:
            chosen.append(group)
            room -= len(group)
    return chosen or sorted(groups, key=len)[:1]
