"""Versions of a study's annotation: the original label maps, and over them what people accepted, journal by journal.

A version is `label_maps/NAME/journal.sqlite` beside the original. Its label maps are never stored: each is the original
with the standing changes painted over it in their order, so that taking one back leaves no trace. Pictures of the test
split cannot be changed: they judge every model, whichever annotation it learned from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xai_core.errors import BadParameter, NotFound
from xai_core.files import damaged
from xai_core.label_maps import IGNORE, ORIGINAL, LabelMap
from xai_core.params import digest
from xai_core.regions import Mask
from xai_core.store import annotated, journal
from xai_core.store.files import checked_name
from xai_core.store.journal import Change, Entry, Journal
from xai_core.text import counted, plain_name
from xai_core.types import SPLITS

if TYPE_CHECKING:
    from xai_core.store.run import Run
    from xai_core.store.study import Study

FILE = "journal.sqlite"
ANNOTATION = "annotation"
"""Where the provenance of a run keeps which annotation it learned from, unless that is the original."""

LONGEST_NAME = 100
CONFIRMS = "perplexed"
"""The kind of proposal whose acceptance confirms an annotation and paints nothing new."""
CHANGED = tuple(split for split in SPLITS if split != "test")
"""The splits whose pictures a version may change."""


class Version:
    """One version. Safe to share between threads.

    Attributes:
        study: whose annotation it is of.
        name: its name.
    """

    def __init__(self, study: Study, name: str) -> None:
        """Raises BadParameter for what is no name, NotApplicable where the study is not of segmentation."""
        checked_name(name, "version of the annotation")
        if name.casefold() == ORIGINAL:
            remedy = "Choose another name: a version lies beside it."
            raise BadParameter("the original annotation is not changed", value=name, remedy=remedy)
        annotated.need(study.path, study.info)
        identity = {"original": study.masks_digest, "classes": list(study.class_names)}
        self.study, self.name = study, name
        self._journal = Journal(_folder(study.path) / name / FILE, identity)

    @property
    def path(self) -> Path:
        """Its journal."""
        return self._journal.path

    @property
    def changes(self) -> tuple[Change, ...]:
        """All that was ever done, oldest first. Raises BadInput where the journal is damaged."""
        return self._journal.changes()

    @property
    def standing(self) -> tuple[Change, ...]:
        """What counts: without what was taken back, and of several decisions on one proposal the last."""
        return standing(self.changes)

    def label_map(self, row: int) -> LabelMap:
        """Of a sample, `(height, width)` uint8. Raises as `Study.label_map`."""
        label_map = self.study.label_map(row)
        changes = [change for change in self.standing if change.row == row and change.pixels]
        if not changes:
            return label_map
        try:
            for patch in self._journal.patches(changes, label_map.size):
                label_map = patch.onto(label_map)
        except ValueError as error:
            raise damaged(self.path, error) from None
        known = label_map[label_map != IGNORE]
        if known.size and known.max() >= len(self.study.class_names):
            raise damaged(self.path, "a class that has no name")
        return label_map

    def confirmed(self, row: int) -> Mask:
        """`(height, width)`: where look-alikes of a class were confirmed as what they are annotated; nothing that is
        accepted later paints over them. Raises as `label_map`."""
        height, width = self.study.label_map(row).shape
        found = np.zeros((height, width), bool)
        about = (row, "accept", CONFIRMS)
        changes = [one for one in self.standing if (one.row, one.what, one.kind) == about and one.pixels]
        try:
            for patch in self._journal.patches(changes, height * width) if changes else ():
                found |= patch.region(height, width)
        except ValueError as error:
            raise damaged(self.path, error) from None
        return found

    def digest(self, rows: Iterable[int] | None = None) -> str:
        """What tells these label maps (all of them) from others: of the original, and of what is painted over it."""
        wanted = None if rows is None else {int(row) for row in rows}
        painted = [
            [change.row, change.patch_checksum]
            for change in self.standing
            if change.pixels and (wanted is None or change.row in wanted)
        ]
        painted.sort(key=lambda one: one[0])  # stable: the order within a picture counts
        return digest([self.study.masks_digest, painted])

    def record(self, entries: Sequence[Entry], by: str) -> tuple[Change, ...]:
        """Add an act. Raises BadParameter for a picture of the test split, or where nobody is named."""
        who = checked_person(by)
        self._check(entries)
        return self._journal.write(lambda _: entries, who)

    def undo(self, by: str) -> tuple[Change, ...]:
        """Take the last act back that stands. Raises NotFound where there is none."""
        who = checked_person(by)
        version(self.study, self.name)  # or one would be made

        def last(changes: tuple[Change, ...]) -> list[Entry]:
            left = _not_undone(changes)
            if not left:
                raise NotFound("nothing is left to take back", value=self.name, remedy="Decide on a proposal first.")
            act = left[-1].act
            return [Entry(one.row, "undo", one.kind, one.proposal, undoes=one.number) for one in left if one.act == act]

        return self._journal.write(last, who)

    def _check(self, entries: Sequence[Entry]) -> None:
        splits, ids = self._columns
        for entry in entries:
            if not 0 <= entry.row < len(splits):
                raise BadParameter("no such row", value=entry.row, remedy=f"Give 0 to {len(splits) - 1}.")
            if splits[entry.row] not in CHANGED:
                remedy = "It judges every model as it is; change pictures of train or validation."
                raise BadParameter("a picture of the test split is not changed", value=ids[entry.row], remedy=remedy)

    @cached_property
    def _columns(self) -> tuple[list[Any], list[Any]]:
        samples = self.study.samples
        return samples["split"].tolist(), samples["id"].tolist()


def standing(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Of a journal what counts."""
    left = _not_undone(changes)
    last = {(change.row, change.proposal): change.number for change in left if change.proposal}
    return tuple(change for change in left if not change.proposal or last[change.row, change.proposal] == change.number)


def last_act(changes: Sequence[Change]) -> list[Change]:
    """Of a journal what an undo would take back; [] where nothing is left."""
    left = _not_undone(changes)
    return [one for one in left if one.act == left[-1].act]


def _not_undone(changes: Sequence[Change]) -> list[Change]:
    undone = {change.undoes for change in changes}
    return [change for change in changes if change.what != "undo" and change.number not in undone]


def versions(study: Study) -> list[str]:
    """Names of the versions, in alphabetical order."""
    found = (path.parent.name for path in _folder(study.path).glob(f"*/{FILE}"))
    return sorted(name for name in found if not name.startswith("."))


def version(study: Study, name: str) -> Version:
    """The version of this name. Raises NotFound, and BadParameter for what is no name."""
    made = Version(study, name)
    if not journal.exists(made.path):
        raise NotFound.among("version of the annotation", name, [ORIGINAL, *versions(study)])
    return made


def reader(study: Study, name: str) -> Callable[[int], LabelMap]:
    """What gives the label map of a row, of a version or of the original ("" or its name). Raises as `version`."""
    return study.label_map if is_original(name) else version(study, name).label_map


def digest_of(study: Study, name: str, rows: Iterable[int] | None = None) -> str:
    """Of the label maps (of these rows) of a version or the original. Raises as `version`."""
    return study.masks_digest if is_original(name) else version(study, name).digest(rows)


def learned_from(study: Study, name: str) -> dict[str, Any]:
    """What a run keeps in its provenance of the version that it learned from; {} of the original. Raises as `version`.

    It tells the training pictures as they were then: a version may change later.
    """
    if is_original(name):
        return {}
    rows = study.rows("train")
    found, trained = version(study, name), set(rows.tolist())
    painted = [change.row for change in found.standing if change.pixels and change.row in trained]
    about = {"changes": len(painted), "pictures": len(set(painted))}
    return {ANNOTATION: {"version": name, "digest": found.digest(trained), **about}}


def annotation_of(run: Run) -> str:
    """For people: which annotation a run learned from."""
    kept = run.info.provenance.get(ANNOTATION)
    if not isinstance(kept, dict):
        return f"the {ORIGINAL} annotation"
    changes, pictures = (int(kept.get(name, 0)) for name in ("changes", "pictures"))
    many = f"{counted(changes, 'change')} in {counted(pictures, 'training picture')}"
    return f"the annotation {plain_name(str(kept.get('version')))} ({many})"


def is_original(name: str) -> bool:
    """Whether the annotation is meant that the data has."""
    return name in ("", ORIGINAL)


def checked_person(by: str) -> str:
    """Who it was, as it is kept. Raises BadParameter where nobody is named, or at endless length."""
    who = plain_name(by)
    if not 0 < len(who) <= LONGEST_NAME:
        raise BadParameter("who decides?", value=by, remedy=f"Give a name of 1 to {LONGEST_NAME} characters (--by).")
    return who


def _folder(study: Path) -> Path:
    return study / annotated.FOLDER
