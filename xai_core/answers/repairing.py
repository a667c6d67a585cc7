"""A repair of a last layer, planned: of which run, by which method and groups; as a job and as a command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xai_core.answers.training import free_name, sets
from xai_core.store.attributes import FACT, MASK_SIZE
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.store.subgroups import TAG, UNKNOWN
from xai_core.text import counted, listed
from xai_core.training.repairs import REPAIRS, SPLITS_TO_LEARN_FROM
from xai_core.words import of_split

ERRORS = "errors"
"""Groups that the run's own mistakes make."""


@dataclass(frozen=True)
class RepairPlan:
    """What is planned.

    Attributes:
        run: whose last layer is learned again.
        method: key of a repair, with its parameters.
        groups: "" for those of the study, and for a method that needs none.
        split: what is learned from.
        seed: of every draw.
    """

    run: Run
    method: str
    params: Mapping[str, Any] = field(default_factory=dict)
    groups: str = ""
    split: str = SPLITS_TO_LEARN_FROM[0]
    seed: int = 0

    @property
    def into(self) -> str:
        """Name of the run that comes of it."""
        return free_name(self.run.study, f"{self.run.name}-{self.method}")

    @property
    def arguments(self) -> dict[str, Any]:
        """As the job takes them."""
        about = {"run": self.run.name, "into": self.into, "method": self.method, "params": dict(self.params)}
        return about | {"groups": self.groups, "split": self.split, "seed": self.seed}

    @property
    def line(self) -> str:
        """The command that does the same."""
        words = ["xai", "repair", str(self.run.study.path), "--run", self.run.name, "--method", self.method]
        words += ["--into", self.into, *(["--groups", self.groups] if self.groups else [])]
        words += [] if self.split == SPLITS_TO_LEARN_FROM[0] else ["--split", self.split]
        words += ["--seed", str(self.seed)] if self.seed else []
        words += sets(self.method, REPAIRS[self.method].params, self.params, {})
        return shlex.join([*words, "--background"])


def methods_in_order(study: Study) -> list[str]:
    """Keys of the repairs as they are offered, by one rule.

    The control first, since what does not beat it repaired nothing; then what goes by groups where the study has any,
    and what needs none where it has not; then the others; by key among equals.
    """
    has_groups = study.grouping is not None
    return sorted(REPAIRS.keys(), key=lambda key: (not REPAIRS[key].control, REPAIRS[key].grouped != has_groups, key))


def splits_to_learn_from(study: Study) -> list[str]:
    """Those that have samples, the one to prefer first."""
    return [split for split in SPLITS_TO_LEARN_FROM if len(study.rows(split))]


def ways_to_group(study: Study) -> dict[str, str]:
    """What groups may be made of, and how people call it; the study's own first, then its facts, tags and masks."""
    own = study.grouping
    found = {} if own is None else {"": f"the study's groups, by {own.by.removeprefix(FACT)}"}
    found |= {f"{FACT}{name}": f"the fact {name}" for name in study.facts.names}
    found |= {f"{TAG}{tag}": f"the tag {tag}" for tag in study.annotations.known_tags()}
    if study.samples["has_mask"].any():
        found[MASK_SIZE] = "the size of the object"
    return found | {ERRORS: "the run's own mistakes"}


def groups_told(study: Study, method: str, split: str) -> str:
    """Which groups there are, and how many samples of a split to learn from; or what to do where there are none."""
    if not REPAIRS[method].grouped:
        return (
            "Where the study has groups, Overview and Compare tell the worst of them." if study.grouping is None else ""
        )
    own = study.grouping
    if own is None:
        return (
            "This study has no groups yet: choose below what they are to be made of, or name them once for every page "
            f"with xai groups {shlex.quote(str(study.path))} --by FACT."
        )
    codes = own.codes[study.rows(split)]
    counts = {name: int(np.count_nonzero(codes == index)) for index, name in enumerate(own.names)}
    parts = listed([f"{name} ({count:,})" for name, count in counts.items()], 6)
    unknown = int(np.count_nonzero(codes == UNKNOWN))
    rest = f"; of {unknown:,} it is not known" if unknown else ""
    return f"{counted(len(counts), 'group')} among the {of_split(split)} that are learned from: {parts}{rest}."
