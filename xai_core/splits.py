"""Stratified splits that do not depend on the order of files, on the numpy version or on chance."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

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


def stratified_groups(
    labels: ArrayLike, part: float, seed: int, *, keys: Sequence[str], groups: Sequence[str]
) -> NDArray[np.bool_]:
    """As `stratified`, where samples of one group (one patient's, of whatever class) stay on one side, too.

    Groups are taken whole, in the order of `sha256(seed, key)`, while every class has room for them; so the shares are
    near what was asked for, and no nearer than whole groups allow: for a class that none fits, the smallest is taken,
    up to twice the share or a third of the class. Samples of the group "" stand alone.

    Raises:
        BadParameter: the part is not smaller than the whole, or empty.
        BadInput: a class lies in too few or too large groups.
    """
    label = np.asarray(labels, dtype=np.int64).tolist()
    sizes, wanted, have = Counter(label), _counts(np.asarray(label), part), Counter[int]()
    blocks = [(block, Counter(label[position] for position in block)) for block in _bound(keys, groups, seed)]
    taken = np.zeros(len(label), dtype=bool)

    def take(block: Group, held: Counter[int]) -> None:
        taken[block] = True
        have.update(held)

    def fits(held: Counter[int], most: Mapping[int, int]) -> bool:
        return all(have[index] + number <= min(most[index], sizes[index] - 1) for index, number in held.items())

    for block, held in blocks:
        if fits(held, wanted):
            take(block, held)
    for lacking in wanted:
        if not have[lacking]:  # no group was small enough: the smallest that is not far too large either
            most = {index: max(2 * wanted[index], sizes[index] // 3) for index in wanted}
            fitting = [(block, held) for block, held in blocks if lacking in held and fits(held, most)]
            if not fitting:
                remedy = "Split them by sample."
                raise BadInput("a class lies in too few groups to split", value=lacking, remedy=remedy)
            take(*min(fitting, key=lambda one: len(one[0])))
    return taken


def _bound(keys: Sequence[str], groups: Sequence[str], seed: int) -> list[Group]:
    """Positions that share a key or a group, directly or through others; in the order of their smallest key."""
    parents = list(range(len(keys)))

    def top(position: int) -> int:
        while parents[position] != position:
            parents[position] = parents[parents[position]]
            position = parents[position]
        return position

    first: dict[tuple[str, str], int] = {}
    for kind, names in (("key", keys), ("group", groups)):
        for position, name in enumerate(names):
            if name:
                parents[top(position)] = top(first.setdefault((kind, name), position))
    blocks: dict[int, Group] = {}
    for position in range(len(keys)):
        blocks.setdefault(top(position), []).append(position)
    return sorted(blocks.values(), key=lambda block: _place(min(keys[position] for position in block), seed))


def _place(key: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{key}".encode()).digest()


Group = list[int]
"""Positions of one content."""


def _groups(label: list[int], keys: Sequence[str], seed: int) -> dict[int, list[Group]]:
    """For each class the groups that have a part in it, in an order that only key and seed decide."""
    by_key: dict[str, Group] = {}
    for position, key in enumerate(keys):
        by_key.setdefault(key, []).append(position)
    result: dict[int, list[Group]] = {}
    for key in sorted(by_key, key=lambda key: _place(key, seed)):
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
