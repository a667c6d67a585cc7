"""A repair of a last layer, planned: of which run, by which method and groups; as a job and as a command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xai_core.answers.training import free_name
from xai_core.store.attributes import FACT, MASK_SIZE
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.store.subgroups import TAG, UNKNOWN
from xai_core.text import counted, listed
from xai_core.training.repairs import REPAIRS

ERRORS = "errors"
"""Groups that the run's own mistakes make."""
FROM = "validation"
"""The split that is learned from: it is new to the network."""


@dataclass(frozen=True)
class RepairPlan:
    """What is planned. `groups` is "" for those of the study, and for a method that needs none."""

    run: Run
    method: str
    groups: str = ""

    @property
    def arguments(self) -> Mapping[str, Any]:
        """As the job takes them."""
        into = free_name(self.run.study, f"{self.run.name}-{self.method}")
        return {"run": self.run.name, "into": into, "method": self.method, "groups": self.groups, "split": FROM}

    @property
    def line(self) -> str:
        """The command that does the same."""
        words = ["xai", "repair", str(self.run.study.path), "--run", self.run.name, "--method", self.method]
        words += ["--into", self.arguments["into"], *(["--groups", self.groups] if self.groups else [])]
        return shlex.join([*words, "--background"])


def ways_to_group(study: Study) -> dict[str, str]:
    """What groups may be made of, and how people call it; the study's own first, then its facts, tags and masks."""
    own = study.grouping
    found = {} if own is None else {"": f"the study's groups, by {own.by.removeprefix(FACT)}"}
    found |= {f"{FACT}{name}": f"the fact {name}" for name in study.facts.names}
    found |= {f"{TAG}{tag}": f"the tag {tag}" for tag in study.annotations.known_tags()}
    if study.samples["has_mask"].any():
        found[MASK_SIZE] = "the size of the object"
    return found | {ERRORS: "the run's own mistakes"}


def groups_told(study: Study, method: str) -> str:
    """Which groups there are, and how many samples to learn from; or what to do where there are none."""
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
    codes = own.codes[study.rows(FROM)]
    counts = {name: int(np.count_nonzero(codes == index)) for index, name in enumerate(own.names)}
    parts = listed([f"{name} ({count:,})" for name, count in counts.items()], 6)
    unknown = int(np.count_nonzero(codes == UNKNOWN))
    rest = f"; of {unknown:,} it is not known" if unknown else ""
    return f"{counted(len(counts), 'group')} among the {FROM} samples that are learned from: {parts}{rest}."
