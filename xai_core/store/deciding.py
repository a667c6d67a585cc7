"""What a person decides about proposals, as entries of a version's journal: accept, reject, relabel, edit.

Accepting an enlargement or what is missing paints the class over what is not annotated. Accepting that something is
perplexing confirms it as what it is annotated: it is not the class, and what is accepted later leaves its pixels alone.
If it is something that has a class, relabel it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xai_core.datasets import runs
from xai_core.errors import BadInput, BadParameter
from xai_core.label_maps import IGNORE, LabelMap
from xai_core.store.journal import Entry, What
from xai_core.store.patches import Patch
from xai_core.store.proposals import StoredProposal
from xai_core.store.versions import CONFIRMS, Version
from xai_core.text import plain_name

if TYPE_CHECKING:
    from xai_core.store.study import Study

IGNORED = "ignore"
"""How a person names the pixels that nothing is learned from."""


def accept(version: Version, one: StoredProposal) -> Entry:
    """It is so."""
    if one.kind == CONFIRMS:
        label_map = version.label_map(one.row)
        return _entry("accept", one, Patch.of(_region(one, label_map), label_map))
    return _entry("accept", one, Patch.painting(painted(version, one), one.label))


def painted(version: Version, one: StoredProposal) -> NDArray[np.bool_]:
    """`(H, W)`: which pixels accepting an enlargement, or what is missing, gives the class."""
    label_map = version.label_map(one.row)
    return _region(one, label_map) & _free(version.study, label_map) & ~version.confirmed(one.row)


def annotated_as(version: Version, one: StoredProposal) -> int:
    """The class that most pixels of a proposal are annotated as by now, the first of several; 255 to ignore."""
    label_map = version.label_map(one.row)
    return int(np.bincount(label_map[_region(one, label_map)]).argmax())


def reject(one: StoredProposal) -> Entry:
    """It is not so: the annotation stays."""
    return Entry(one.row, "reject", one.kind, one.id)


def relabel(version: Version, one: StoredProposal, label: int) -> Entry:
    """It is another class, or to be ignored (255)."""
    return _entry("relabel", one, Patch.painting(_region(one, version.label_map(one.row)), label))


def edit(version: Version, one: StoredProposal, polygon: Sequence[float], label: int) -> Entry:
    """It is so, in another form: a polygon `[x, y, …]` in the picture's pixels. Raises BadInput where that is none."""
    return _entry("edit", one, Patch.painting(drawn(version.label_map(one.row), polygon), label))


def drawn(label_map: LabelMap, polygon: Sequence[float]) -> NDArray[np.bool_]:
    """`(H, W)`: what lies in a polygon. Raises BadInput where nothing does."""
    height, width = label_map.shape
    try:
        inside = runs.painted([(runs.of_polygons([list(polygon)], height, width), 1)], height, width) > 0
    except runs.BadShape as error:
        raise BadInput("not a polygon", value=error, remedy="Draw three corners or more.") from None
    if not inside.any():
        raise BadInput("nothing lies in this polygon", remedy="Draw it on the picture.")
    return inside


def label_named(study: Study, name: str) -> int:
    """A class of the study by its name, or what is to be ignored (255). Raises BadParameter."""
    asked = plain_name(name).casefold()
    known = [plain_name(one).casefold() for one in study.class_names]
    if asked in known:
        return known.index(asked)
    if asked == IGNORED:
        return IGNORE
    choices = ", ".join((*study.class_names, IGNORED))
    raise BadParameter("no class of the study", value=name, remedy=f"Choose from {choices}.")


def label_name(study: Study, label: int) -> str:
    """The inverse."""
    return IGNORED if label == IGNORE else study.class_names[label]


def _entry(what: What, one: StoredProposal, patch: Patch) -> Entry:
    return Entry(one.row, what, one.kind, one.id, patch)


def _region(one: StoredProposal, label_map: LabelMap) -> NDArray[np.bool_]:
    try:
        return one.region(*label_map.shape)
    except ValueError as error:
        remedy = "Make the proposals anew: remove the run's folder proposals."
        raise BadInput("a stored proposal is damaged", value=f"{one.id} ({error})", remedy=remedy) from None


def _free(study: Study, label_map: LabelMap) -> NDArray[np.bool_]:
    """What is not annotated: the background, or where there is none what is to be ignored."""
    free: NDArray[np.bool_] = label_map == (0 if study.has_background else IGNORE)
    return free
