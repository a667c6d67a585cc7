"""What a study holds: facts, classes by split, pictures that are in two splits, files that cannot be read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xai_core.answers.lines import paragraphs, table
from xai_core.datasets.base import DATASETS
from xai_core.errors import NotFound
from xai_core.store.study import Study
from xai_core.task import SEGMENTATION
from xai_core.text import counted
from xai_core.types import SPLITS
from xai_core.words import SPLIT_WORDS

SHOWN_CLASSES = 30
"""With more classes than this, the data card shows the largest and the smallest ones."""

SHOWN_PAIRS = 8
"""Of pictures that look nearly the same, in a terminal."""

_LEAK = "The same picture in two splits: a model looks better than it is where it is tested on what it was trained on."
NEAR_NOTE = (
    "Nearly the same picture in two splits, such as one that was saved again or made smaller: it tests what the model "
    "was trained on. They are told by a perceptual hash, which knows no crops and no turns; look at them."
)
_MASKS = "With masks it can be measured how much of a heatmap lies on the object."
_UNEVEN = 10
"""From this ratio of the largest to the smallest class on, a person should look twice."""


@dataclass(frozen=True)
class Fact:
    """One entry of the data card; `help` says why it matters, `warn` that a person should look twice."""

    name: str
    value: str
    help: str = ""
    warn: bool = False


@dataclass(frozen=True)
class DataCard:
    """The card.

    Attributes:
        title: of the data set. notes: what its scan told.
        facts: its entries.
        classes: names; `counts` one row per class: samples of each of SPLITS, and `n` in all.
        crossing: groups of identical samples in several splits: `samples` (ids) and `splits`, as text.
        near: pairs of samples of two splits that look nearly the same and are not identical, the nearest first, see
            `near_pairs`; None where nobody looked.
        unreadable: (file, reason).
    """

    title: str
    notes: tuple[str, ...]
    facts: tuple[Fact, ...]
    classes: tuple[str, ...]
    counts: pd.DataFrame
    crossing: pd.DataFrame
    near: pd.DataFrame | None
    unreadable: tuple[tuple[str, str], ...]

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        counts = self.counts.to_dict("records")
        return {
            "data": self.title,
            "notes": list(self.notes),
            "facts": [asdict(fact) for fact in self.facts],
            "classes": [{"name": name, **row} for name, row in zip(self.classes, counts, strict=True)],
            "shared_by_splits": self.crossing.to_dict("records"),
            "alike_in_splits": None if self.near is None else self.near.to_dict("records"),
            "unreadable": [{"file": file, "why": why} for file, why in self.unreadable],
        }

    def text(self) -> str:
        """For people."""
        head = "\n".join([self.title, *self.notes])
        facts = table([(fact.name, fact.value + (f" (!) {fact.help}" if fact.warn else "")) for fact in self.facts])
        return paragraphs(head, facts, self._classes(), self._alike())

    def _alike(self) -> str:
        """The first of the near pairs."""
        if self.near is None or self.near.empty:
            return ""
        first = self.near.head(SHOWN_PAIRS)
        count = f"the first {len(first)} of {len(self.near):,}" if len(self.near) > len(first) else f"{len(first)}"
        rows = first[["one", "other", "splits", "classes"]].itertuples(index=False)
        return f"Nearly the same in two splits, {count}:\n" + table([tuple(map(str, row)) for row in rows])

    def _classes(self) -> str:
        splits, shown = present_splits(self.counts), shown_classes(self.counts)
        heads = ("class", *(SPLIT_WORDS[split] for split in splits))
        rows = [(self.classes[i], *(f"{self.counts[split].iat[i]:,}" for split in splits)) for i in shown]
        return "\n".join(filter(None, [table([heads, *rows], right=range(1, len(heads))), left_out(self.counts)]))


def data_card(study: Study, crossed: pd.DataFrame | None = None) -> DataCard:
    """Of a study. `crossed`: as `crossing` gave it, for who keeps it."""
    twins, near = crossing(study) if crossed is None else crossed, near_pairs(study)
    unreadable = tuple((file, why) for file, why in study.info.unreadable)
    return DataCard(
        title=title(study),
        notes=tuple(study.info.notes),
        facts=tuple(facts(study, len(twins), None if near is None else len(near))),
        classes=tuple(study.class_names),
        counts=class_counts(study),
        crossing=twins,
        near=near,
        unreadable=unreadable,
    )


def title(study: Study) -> str:
    """Of its data set; the key of one that is not registered here."""
    try:
        return DATASETS[study.info.dataset].card.title
    except NotFound:
        return study.info.dataset


def class_counts(study: Study) -> pd.DataFrame:
    """One row per class, in order: how many samples each of SPLITS has, and `n` in all."""
    codes = pd.Categorical(study.samples["split"], categories=SPLITS).codes.astype(np.int64)
    size = len(study.class_names)
    counts = np.bincount(study.labels * len(SPLITS) + codes, minlength=size * len(SPLITS)).reshape(size, -1)
    return pd.DataFrame(counts, columns=list(SPLITS)).assign(n=counts.sum(axis=1))


def present_splits(counts: pd.DataFrame) -> list[str]:
    """The splits that have samples."""
    return [split for split in SPLITS if counts[split].any()]


def shown_classes(counts: pd.DataFrame) -> NDArray[np.int64]:
    """The classes that the card has room for: all in order, or the largest and the smallest by samples."""
    if len(counts) <= SHOWN_CLASSES:
        return np.arange(len(counts))
    order = np.argsort(-counts["n"].to_numpy(), kind="stable")
    half = SHOWN_CLASSES // 2
    return np.concatenate([order[:half], order[-half:]])


def left_out(counts: pd.DataFrame) -> str:
    """A sentence on the classes that the card has no room for, or ""."""
    half = SHOWN_CLASSES // 2
    return f"The {half} largest and the {half} smallest of {len(counts):,} classes." if len(counts) > 2 * half else ""


def examples(study: Study, rows: NDArray[np.int64], label: int, count: int) -> NDArray[np.int64]:
    """Up to `count` row numbers of a class among `rows`, evenly spread over them."""
    members = rows[study.labels[rows] == label]
    places = np.unique(np.linspace(0, len(members) - 1, min(count, len(members))).round().astype(int))
    return members[places] if len(members) else members


def crossing(study: Study) -> pd.DataFrame:
    """The groups of identical samples in several splits: `samples` (ids) and `splits`, as text."""
    found, ids = study.duplicates(), study.samples["id"].to_numpy()
    names = [", ".join(ids[rows]) for rows in found["rows"]]
    return pd.DataFrame({"samples": names, "splits": [", ".join(splits) for splits in found["splits"]]})


def near_pairs(study: Study) -> pd.DataFrame | None:
    """Of each sample the nearest one of another split, where that is near; the nearest pairs first.

    Returns:
        `one` and `other` (ids), their `splits` and `classes` (text, a single class where both have it), `distance` (of
        256 bits of their perceptual hashes), `row` and `other_row`. None where nobody looked.
    """
    pairs = study.near_twins()
    if pairs is None:
        return None
    pairs = pairs[np.argsort(pairs[:, 2], kind="stable")]
    first, second = pairs[:, 0], pairs[:, 1]
    ids, splits = study.samples["id"].to_numpy(), study.samples["split"].to_numpy()
    classes = [[study.class_names[i] for i in dict.fromkeys(labels)] for labels in study.labels[pairs[:, :2]].tolist()]
    return pd.DataFrame(
        {
            "one": ids[first],
            "other": ids[second],
            "splits": [f"{one}, {other}" for one, other in zip(splits[first], splits[second], strict=True)],
            "classes": [" / ".join(names) for names in classes],
            "distance": pairs[:, 2],
            "row": first,
            "other_row": second,
        }
    )


def facts(study: Study, twins: int, near: int | None = None) -> list[Fact]:
    """The entries.

    Args:
        twins: groups of identical samples in several splits.
        near: pairs of those that look nearly the same; None where nobody looked.
    """
    samples, masks = study.samples, int(study.samples["has_mask"].sum())
    broken = len(study.info.unreadable)
    return [
        Fact("Samples", f"{len(samples):,}"),
        Fact("Classes", f"{len(study.class_names):,}"),
        _balance(study),
        _sizes(samples),
        Fact("Object masks", f"{masks:,} of {len(samples):,}" if masks else "none", _MASKS),
        Fact("Shared by splits", f"{twins:,} found" if twins else "none", _LEAK, bool(twins)),
        *_alike(near),
        Fact("Unreadable files", f"{broken:,} left out" if broken else "none", "They are in no count.", bool(broken)),
    ]


def _alike(near: int | None) -> list[Fact]:
    if near is None:
        return []
    return [Fact("Alike in splits", counted(near, "pair") if near else "none", NEAR_NOTE, bool(near))]


def _balance(study: Study) -> Fact:
    counts = np.bincount(study.labels, minlength=len(study.class_names))
    most, least = int(counts.argmax()), int(counts.argmin())
    words = f"Largest: {study.class_names[most]} ({counts[most]:,}). Smallest: {study.class_names[least]} "
    words += f"({counts[least]:,}). All splits together."
    if study.info.task == SEGMENTATION:
        main = f"{int((counts > 0).sum())} of {len(counts)} classes"
        return Fact("Main objects", main, f"A picture counts for the object with most of its pixels. {words}")
    if not counts[least]:
        return Fact("Largest to smallest class", "a class is empty", words, warn=True)
    ratio = float(counts[most] / counts[least])
    return Fact("Largest to smallest class", f"{ratio:.1f} to 1", words, warn=ratio >= _UNEVEN)


def _sizes(samples: pd.DataFrame) -> Fact:
    wide, high = samples["width"], samples["height"]
    if wide.nunique() == 1 and high.nunique() == 1:
        return Fact("Picture size", f"{wide.iat[0]} × {high.iat[0]} px")
    help_ = f"Median width × median height. Widths {wide.min()} to {wide.max()}, heights {high.min()} to {high.max()}."
    return Fact("Picture size", f"{wide.median():.0f} × {high.median():.0f} px, varies", help_)
