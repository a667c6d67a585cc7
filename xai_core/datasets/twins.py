"""Splits of pictures that have twins: identical files, and the copies that Roboflow augments of one picture.

A copy in the test of a picture that was trained on measures memory. Where splits are made here, twins stay on one side;
where the data bring their splits, it is told how many are torn apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from xai_core.datasets.base import NO_TRAINING, take_split_together
from xai_core.errors import BadInput, BadParameter
from xai_core.text import counted, listed
from xai_core.types import Split

if TYPE_CHECKING:
    import pandas as pd

_AUGMENTED = re.compile(r"(.+?)(?:_(?:jpe?g|png|bmp|webp|tiff?))?\.rf\.[0-9a-z]+\.\w+", re.IGNORECASE)
"""How Roboflow calls the copies that it makes of a picture, each turned, cropped or coloured otherwise."""


def source_of(path: str) -> str:
    """What a picture is a copy of, by its name; "" where the name does not tell."""
    match = _AUGMENTED.fullmatch(path.rpartition("/")[2])
    return match.group(1) if match else ""


def given_splits(splits: Mapping[str, Split | None], test_only: bool) -> dict[str, Split]:
    """The split of each picture, by path, before any is made; pictures that are not taken are missing.

    Pictures without one are for training. If nothing is trained, they are the test; of those with one the test is
    taken, else the validation, else all.
    """
    known = {split for split in splits.values() if split}
    if not test_only and (not known or "train" in known or None in splits.values()):
        return {path: split or "train" for path, split in splits.items()}
    if not test_only and len(known) > 1:
        return {path: split for path, split in splits.items() if split}
    taken = next((split for split in ("test", "validation") if split in known), None)
    return {path: "test" for path, split in splits.items() if taken in (None, split)}


def make_splits(samples: pd.DataFrame, notes: list[str], seed: int, *, test: float, validation: float) -> pd.DataFrame:
    """The table with the splits that it lacks, taken from its training pictures; notes get what was done.

    Raises:
        BadInput: too few pictures that are no twins.
    """
    if not (samples["split"] == "train").any():
        notes.append(NO_TRAINING)
        return samples
    sources = {path: source_of(path) for path in samples["path"]}
    copies = sum(many for source, many in Counter(sources.values()).items() if source and many > 1)
    together = "identical ones stay together"
    if copies:
        together += f", and so do copies that Roboflow made of one picture ({copies:,} are such copies)"
    shares: dict[Split, float] = {"test": test, "validation": validation}
    for split in [split for split in shares if split not in set(samples["split"])]:
        training = int((samples["split"] == "train").sum())
        samples = _taken(samples, split, max(1, round(shares[split] * training)), seed, sources)
        moved = int((samples["split"] == split).sum())
        notes.append(
            f"No {split} split is given: {moved:,} of {training:,} training pictures, about the same share of each "
            f"largest object's class, are for {split} (seed {seed}); {together}."
        )
    return samples


def _taken(samples: pd.DataFrame, split: Split, part: int, seed: int, sources: Mapping[str, str]) -> pd.DataFrame:
    """By class; where one has too few pictures for that, without regard to classes."""
    with suppress(BadInput, BadParameter):
        return take_split_together(samples, split, part, seed, sources)
    try:
        one = take_split_together(samples.assign(label=0), split, part, seed, sources)
    except (BadInput, BadParameter):
        remedy = "Add pictures, or test alone: --test-only."
        raise BadInput("too few different pictures to split", value=len(samples), remedy=remedy) from None
    return one.assign(label=samples["label"])


def torn_notes(samples: pd.DataFrame) -> list[str]:
    """How many pictures of a split are twins of training pictures."""
    keys = [{sha, source_of(path)} - {""} for sha, path in zip(samples["sha256"], samples["path"], strict=True)]
    splits = samples["split"].tolist()
    trained = {key for found, split in zip(keys, splits, strict=True) if split == "train" for key in found}
    notes = []
    for split in ("validation", "test"):
        torn = [at for at, own in enumerate(splits) if own == split and keys[at] & trained]
        if torn:
            names = listed(samples["path"].iloc[torn].tolist())
            notes.append(
                f"{counted(len(torn), f'{split} picture is a twin', f'{split} pictures are twins')} of training "
                f"pictures, identical or another copy that Roboflow made of the same one, of {splits.count(split):,}: "
                f"what is measured on them is too good ({names})."
            )
    return notes
