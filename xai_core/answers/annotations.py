"""What in the annotation should a person look at, and what was decided of it? The proposals of a run, ranked, with the
decisions of a version of the annotation."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xai_core.answers.lines import paragraphs, table
from xai_core.answers.segments import need_segmentation
from xai_core.errors import BadInput, NotFound
from xai_core.explainers import EXPLAINERS
from xai_core.label_maps import IGNORE, LabelMap
from xai_core.params import build
from xai_core.store import deciding
from xai_core.store.journal import Change
from xai_core.store.maps import MapStore
from xai_core.store.proposals import StoredProposal, place_of
from xai_core.store.run import Run
from xai_core.store.versions import CONFIRMS, Version, last_act, standing
from xai_core.text import counted
from xai_core.triage.proposals import KINDS
from xai_core.words import percent

HEADS = ("proposal", "kind", "class", "picture", "pixels", "probability", "evidence", "decision")
HISTORY = ("when", "who", "what", "kind", "picture", "pixels")
LISTED = 20
REMEMBERED = 200
"""Lines of the history that are shown."""
_SAID = ("what", "label", "polygon")
MOST_NUMBERS = 20_000
"""Of a polygon from a browser."""
DONE = {"accept": "accepted", "reject": "rejected", "relabel": "relabelled", "edit": "edited"}
"""A decision as it is told."""


@dataclass(frozen=True)
class Question:
    """A proposal, and what was decided of it; None where nothing was."""

    proposal: StoredProposal
    decision: Change | None

    def in_words(self, names: Sequence[str]) -> str:
        """What is asked, in a few words."""
        name = names[self.proposal.label]
        if self.proposal.kind == "enlarge":
            return f"{name}: {counted(self.proposal.pixels, 'pixel')} wider at each edge?"
        return f"{name}, not annotated?" if self.proposal.kind == "missing" else f"A look-alike of {name}?"

    @property
    def facts(self) -> str:
        """What speaks for it."""
        one = self.proposal
        about = f"{counted(one.area, 'pixel')}, probability {percent(one.probability)}"
        return f"{about}, evidence {one.evidence:.1f} times that where it is right"

    @property
    def decided(self) -> str:
        """By whom, in words; "" where nothing was."""
        one = self.decision
        return "" if one is None else f"{DONE.get(one.what, one.what)} by {one.by}, {one.at[:16].replace('T', ' ')} UTC"


@dataclass(frozen=True)
class AnnotationsAnswer:
    """The proposals of a run, those with the highest score first.

    Attributes:
        run, method: whose predictions, and whose evidence.
        version: name of the version that decisions are part of.
        looked_at: training pictures that were looked at, of `of`.
        questions: all proposals.
        changes: standing changes of the version.
        journal: all that was ever done, oldest first.
        params: of the method.
    """

    run: Run
    method: str
    version: str
    looked_at: int
    of: int
    questions: tuple[Question, ...]
    changes: tuple[Change, ...]
    journal: tuple[Change, ...]
    params: Any

    @property
    def open(self) -> list[Question]:
        """Those of which nothing is decided yet."""
        return [one for one in self.questions if one.decision is None]

    @property
    def sentence(self) -> str:
        """How many there are, and what was decided."""
        if not self.looked_at:
            return "No training picture was looked at yet."
        kinds = Counter(one.proposal.kind for one in self.questions)
        named = ", ".join(f"{kinds[kind]:,} {kind}" for kind in KINDS)
        on = counted(self.looked_at, "training picture")
        decided = len(self.questions) - len(self.open)
        return f"{counted(len(self.questions), 'proposal')} on {on}: {named}. {decided:,} decided."

    @property
    def enlargements(self) -> list[str]:
        """Of each class by how many pixels its objects would be enlarged."""
        found = []
        names = self.run.study.class_names
        for label, name in enumerate(names):
            sizes = [one.proposal.pixels for one in self.questions if _enlarges(one, label)]
            if sizes:
                median = float(np.median(sizes))
                low, high = min(sizes), max(sizes)
                among = f"{low} to {high}" if low < high else str(low)
                on = counted(len(sizes), "picture")
                found.append(
                    f"{name}: each edge by {median:g} {'pixel' if median == 1 else 'pixels'} (median of {on}; {among})."
                )
        return found

    @property
    def standing(self) -> str:
        """What the version holds."""
        painted = [one for one in self.changes if one.pixels]
        if not self.changes:
            return f"The version {self.version} holds nothing yet."
        pictures = counted(len({one.row for one in painted}), "picture")
        return f"The version {self.version} holds {counted(len(self.changes), 'decision')}, on {pictures}."

    def named(self, ids: Iterable[str]) -> list[StoredProposal]:
        """Proposals by id. Raises NotFound."""
        known = {one.proposal.id: one.proposal for one in self.questions}
        for each in ids:
            if each not in known:
                raise NotFound.among("proposal", each, known)
        return [known[each] for each in ids]

    @property
    def line(self) -> str:
        """The command that makes the proposals, quoted for a shell."""
        words = ["xai", "annotate", str(self.run.study.path), "--run", self.run.name, "--method", self.method]
        return shlex.join(words)

    @property
    def commands(self) -> list[str]:
        """What to do with the version: train from it, write it as COCO, take a file back in."""
        study, name = str(self.run.study.path), self.version
        train = ["xai", "train", study, "--run", f"{self.run.name}-{name}", "--parent", self.run.name]
        return [
            shlex.join([*train, "--annotations", name, "--predict"]),
            shlex.join(["xai", "annotate", study, "--version", name, "--out", f"{name}.json"]),
            shlex.join(["xai", "annotate", study, "--version", name, "--in", f"{name}.json"]),
        ]

    @property
    def history(self) -> list[tuple[str, ...]]:
        """What was decided, as HISTORY names it, the last first."""
        names = self.run.study.samples["id"]
        undone = {one.undoes for one in self.journal}
        return [
            (
                f"{one.at[:16].replace('T', ' ')} UTC",
                one.by,
                f"{one.what}, taken back" if one.number in undone else one.what,
                one.kind,
                str(names.iat[one.row]),
                f"{one.pixels:,}" if one.pixels else "",
            )
            for one in self.journal[: -REMEMBERED - 1 : -1]
        ]

    @property
    def last_words(self) -> str:
        """What would be taken back; "" where there is nothing."""
        last = last_act(self.journal)
        if not last:
            return ""
        what = DONE.get(last[-1].what, "imported")
        on = str(self.run.study.samples["id"].iat[last[-1].row]) if len(last) == 1 else counted(len(last), "decision")
        return f"Takes back: {what} by {last[-1].by} ({on})"

    def undo(self, by: str) -> str:
        """Take the last act back, and say so. Raises as `Version.undo`."""
        undone = Version(self.run.study, self.version).undo(by)
        return f"Taken back: {counted(len(undone), 'decision')}."

    def label_map(self, row: int) -> LabelMap:
        """Of a picture, with what is accepted so far. Raises as `Version.label_map`."""
        return Version(self.run.study, self.version).label_map(row)

    def accepting(self, one: StoredProposal) -> tuple[str, str]:
        """What accepting a proposal does: in a few words, and in a sentence. Raises as `Version.label_map`."""
        version, name = Version(self.run.study, self.version), self.run.study.class_names[one.label]
        if one.kind == CONFIRMS:
            kept = deciding.label_name(self.run.study, deciding.annotated_as(version, one))
            kept = "ignored" if kept == deciding.IGNORED else kept
            return f"Keep as {kept}", (
                f"It looks like {name} and is none: its {counted(one.area, 'pixel')} are confirmed as {kept}, and "
                "enlargements accepted later leave them alone. If it is something that has a class, label it as that."
            )
        pixels = counted(int(deciding.painted(version, one).sum()), "pixel")
        if one.kind == "enlarge":
            wider = f"Widen by {counted(one.pixels, 'pixel')}"
            return wider, f"Paints {name} over {pixels} along its edges that nothing else is annotated at."
        return f"Label as {name}", f"Paints {name} over {pixels} that nothing else is annotated at."

    @property
    def maps(self) -> MapStore | None:
        """The evidence; None where there is none."""
        return self.run.maps(self.method, self.params)

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        study = self.run.study
        ids = study.samples["id"]
        return {
            "study": study.name,
            "run": self.run.name,
            "method": self.method,
            "version": self.version,
            "looked_at": self.looked_at,
            "of": self.of,
            "sentence": self.sentence,
            "standing": self.standing,
            "enlargements": self.enlargements,
            "proposals": [
                {
                    "id": one.proposal.id,
                    "kind": one.proposal.kind,
                    "class": study.class_names[one.proposal.label],
                    "sample": str(ids.iat[one.proposal.row]),
                    "row": one.proposal.row,
                    "box": list(one.proposal.box),
                    "enlarge_by": one.proposal.pixels,
                    "area": one.proposal.area,
                    "probability": one.proposal.probability,
                    "evidence": one.proposal.evidence,
                    "score": one.proposal.score,
                    "decision": one.decided,
                }
                for one in self.questions
            ],
            "lines": self.text().split("\n"),
        }

    def text(self, most: int = LISTED) -> str:
        """For people: what is open first."""
        ids = self.run.study.samples["id"]
        first = [*self.open, *(one for one in self.questions if one.decision is not None)]
        lines = [self._line(one, str(ids.iat[one.proposal.row])) for one in first[:most]]
        more = f"{len(first) - most:,} more; --json prints all." if len(first) > most else ""
        listed = table([HEADS, *lines], right=(4, 5, 6)) if lines else ""
        return paragraphs(self.sentence, "\n".join(self.enlargements), listed, more, self.standing)

    def _line(self, one: Question, name: str) -> tuple[str, ...]:
        proposal = one.proposal
        size = f"+{proposal.pixels} px" if proposal.pixels else f"{proposal.area:,}"
        label = self.run.study.class_names[proposal.label]
        shares = percent(proposal.probability), f"{proposal.evidence:.1f} ×"
        return (proposal.id, proposal.kind, label, name, size, *shares, one.decided)


def proposed(run: Run, method: str, version: str, values: dict[str, Any] | None = None) -> AnnotationsAnswer:
    """The proposals that are stored, with the decisions of a version, which need not be there yet.

    Raises:
        NotApplicable: the study is not of segmentation.
        NotFound, BadParameter: no such method, or no name for a version.
        BadInput: what is stored is damaged.
    """
    study = run.study
    need_segmentation(study)
    params: Any = build(EXPLAINERS[method].params, values or {})
    store = place_of(run, method, params, create=False) if run.info.fingerprint else None
    found = {} if store is None else store.all()
    journal = Version(study, version).changes
    changes = standing(journal)
    decisions = {one.proposal: one for one in changes if one.proposal}
    ranked = sorted((one for each in found.values() for one in each), key=lambda one: (-one.score, -one.area, one.id))
    questions = tuple(Question(one, decisions.get(one.id)) for one in ranked)
    return AnnotationsAnswer(
        run, method, version, len(found), len(study.rows("train")), questions, changes, journal, params
    )


def decided(answer: AnnotationsAnswer, said: Mapping[str, Any], by: str) -> str:
    """Write one decision, as a page sends it, and say so.

    Args:
        said: `id` of a proposal, `what`: accept, reject, relabel or edit; `label` of relabel, a class index, or one
            beyond the last for what is to be ignored; `polygon` of edit, `[x, y, …]` in the picture's pixels.

    Raises:
        BadInput: anything else. BadParameter, NotFound, StorageFull: as `Version.record`.
    """
    (one,) = answer.named([str(said.get("id"))])
    version, what, label, polygon = Version(answer.run.study, answer.version), *map(said.get, _SAID)
    classes = len(answer.run.study.class_names)
    if what == "accept":
        entry = deciding.accept(version, one)
    elif what == "reject":
        entry = deciding.reject(one)
    elif what == "relabel" and type(label) is int and 0 <= label <= classes:
        entry = deciding.relabel(version, one, label if label < classes else IGNORE)
    elif what == "edit" and isinstance(polygon, list) and len(polygon) <= MOST_NUMBERS:
        entry = deciding.edit(version, one, polygon, one.label)
    else:
        raise BadInput("not a decision", value=what, remedy="Accept, reject, relabel or edit a proposal.")
    does = f" {answer.accepting(one)[1]}" if what == "accept" else ""
    version.record([entry], by)
    return f"{DONE[str(what)].capitalize()}: {one.kind} of {answer.run.study.class_names[one.label]}.{does}"


def methods_with_proposals(run: Run) -> list[str]:
    """Keys of methods by whose evidence proposals of a run were made."""
    folder = run.path / "proposals"
    found = {path.parent.name.rpartition("-")[0] for path in folder.glob("*/manifest.json")}
    return sorted(key for key in found if key in set(EXPLAINERS.keys()))


def _enlarges(one: Question, label: int) -> bool:
    return one.proposal.kind == "enlarge" and one.proposal.label == label
