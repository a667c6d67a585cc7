"""Why this picture? Of a segmenter: how good it is in one picture, and what maps say of a region that is asked about.

Regions are those with a name (predicted, annotated, missed, invented, confused), a part that somebody points at, or a
box that somebody draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.explained import Explained, evidence_words, how_to_make, maps_of, on_mask, said_of_maps
from xai_core.answers.lines import paragraphs, table
from xai_core.answers.maps import MapFacts, explain_line, scale_note
from xai_core.answers.provenance import Provenance, provenance
from xai_core.answers.question import Asked
from xai_core.answers.scope import Scope
from xai_core.errors import BadInput
from xai_core.label_maps import iou
from xai_core.regions import BOX, CONFUSED, PART, Place, region_words
from xai_core.store.run import Run
from xai_core.store.targets import confusion_of
from xai_core.types import TARGET_SPECS, Target
from xai_core.words import cell_name, percent

HEADS = ("class", "IoU", "annotated", "predicted", "missed", "invented")
CONFUSIONS = 3
"""Of a picture's mistakes, so many are offered as regions of their own."""


@dataclass(frozen=True)
class Offered:
    """A region that can be explained: the key of its target, what it is in words, and how many pixels it has."""

    key: str
    words: str
    pixels: int


@dataclass(frozen=True)
class Picture:
    """A picture with what the model said of its pixels.

    Attributes:
        row: its number.
        names: of the K classes.
        confusion: `(K, K)` pixels, truth in rows; those without a known class are left out.
        background: whether class 0 is what is no object.
    """

    row: int
    names: tuple[str, ...]
    confusion: NDArray[np.int64]
    background: bool

    @cached_property
    def wrong(self) -> int:
        """How many pixels are wrong."""
        return int(self.confusion.sum() - np.trace(self.confusion))

    @property
    def title(self) -> str:
        """What became of it."""
        if not self.wrong:
            return "Every pixel is right"
        true, predicted = np.unravel_index(self._mistakes.argmax(), self.confusion.shape)
        share = percent(self.wrong / max(1, int(self.confusion.sum())))
        return f"{share} of its pixels wrong, most of them {cell_name(self.names[true], self.names[predicted])}"

    @property
    def lines(self) -> list[tuple[str, ...]]:
        """Of each class that is there or predicted, as HEADS name it; counts are pixels."""
        found, truth, said = iou(self.confusion), self.confusion.sum(1), self.confusion.sum(0)
        right = np.diag(self.confusion)
        return [
            (name, percent(found[at]), *_counted(truth[at], said[at], truth[at] - right[at], said[at] - right[at]))
            for at, name in enumerate(self.names)
            if truth[at] or said[at]
        ]

    @property
    def offered(self) -> list[Offered]:
        """Regions with pixels: those with a name of each object, then the mistakes with most pixels."""
        truth, said, right = self.confusion.sum(1), self.confusion.sum(0), np.diag(self.confusion)
        counts = {"predicted": said, "true": truth, "missed": truth - right, "invented": said - right}
        named = [
            Offered(Target(at, region=region).key, f"{self.names[at]}, {_WORDS[region]}", int(pixels[at]))
            for at in range(1 if self.background else 0, len(self.names))
            for region, pixels in counts.items()
            if pixels[at]
        ]
        worst = np.argsort(-self._mistakes.ravel(), kind="stable")[:CONFUSIONS].tolist()
        cells = [divmod(place, len(self.names)) for place in worst if self._mistakes.ravel()[place]]
        return named + [
            Offered(
                Target(said_, true, CONFUSED).key,
                cell_name(self.names[true], self.names[said_]),
                int(self.confusion[true, said_]),
            )
            for true, said_ in cells
        ]

    @cached_property
    def _mistakes(self) -> NDArray[np.int64]:
        return self.confusion - np.diag(np.diag(self.confusion))


def _counted(*pixels: int) -> list[str]:
    return [f"{int(each):,}" for each in pixels]


_WORDS = {"predicted": "as predicted", "true": "as annotated", "missed": "missed", "invented": "invented"}


def picture_of(scope: Scope, row: int) -> Picture | None:
    """The picture; None where the run said nothing of it."""
    confusion = confusion_of(scope.run, row)
    return None if confusion is None else Picture(row, scope.names, confusion, scope.study.has_background)


def specs(picture: Picture, chosen: str) -> list[str]:
    """What is explained: the region that was chosen; else the main object and, where there is one, the main mistake."""
    if chosen not in TARGET_SPECS:
        return [chosen]
    return ["predicted", "difference"] if picture.wrong else ["predicted"]


def explained(scope: Scope, picture: Picture, chosen: str) -> list[Explained]:
    """All that maps explain of this picture, with the words for it."""
    targets = [(spec, target) for spec in specs(picture, chosen) for target in scope.run.targets([picture.row], spec)]
    return [_explained(scope, spec, target) for spec, target in targets]


def _explained(scope: Scope, spec: str, target: Target) -> Explained:
    name = scope.names[target.positive]
    if target.negative is not None:
        parts: tuple[str, ...] = ("Evidence for ", name, " rather than ", scope.names[target.negative])
    else:
        parts = ("Evidence for ", name)
    return Explained(spec, target, parts, region_words(target) or "in the whole picture")


def pointed_at(run: Run, row: int, x: int, y: int) -> Target:
    """What somebody points at: the object that is predicted there, else the one that is annotated; else what is.

    Raises:
        BadInput: the run said nothing of the picture.
    """
    truth, said = _maps(run, row)
    y, x = min(max(y, 0), said.shape[0] - 1), min(max(x, 0), said.shape[1] - 1)
    first = 1 if run.study.has_background else 0
    there = [int(each[y, x]) for each in (said, truth) if first <= each[y, x] < len(run.study.class_names)]
    return Target(there[0] if there else int(said[y, x]), region=Place(PART, (x, y)).region)


def boxed(run: Run, row: int, box: tuple[int, int, int, int]) -> Target:
    """A box (left, top, right, bottom): of the object with most predicted pixels in it, else with most annotated ones.

    Where there is no object it is about the first class. Raises BadInput where the run said nothing of the picture.
    """
    left, top, right, bottom = box
    first, classes = 1 if run.study.has_background else 0, len(run.study.class_names)
    truth, said = _maps(run, row)
    for each in (said, truth):
        inside = each[top:bottom, left:right]
        counts = np.bincount(inside[(inside >= first) & (inside < classes)], minlength=1)
        if counts.any():
            return Target(int(counts.argmax()), region=Place(BOX, box).region)
    return Target(0, region=Place(BOX, box).region)


def _maps(run: Run, row: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    store = run.label_maps()
    found = store.get(row) if store is not None else None
    if found is None:
        raise BadInput("this run said nothing of this picture", value=run.name, remedy="xai predict asks it.")
    return run.study.label_map(row), found.label_map


@dataclass(frozen=True)
class PictureAnswer:
    """All of it.

    Attributes:
        where: its place among the pictures it is looked at with.
        explained: what maps explain; `maps`: for each method, by its title, what there is for each of them.
        full_colour: what full colour means in them.
        sentences: what must be known of the maps.
        commands: what computes them.
    """

    run: str
    id: str
    where: str
    facts: str
    picture: Picture
    explained: tuple[Explained, ...]
    maps: dict[str, list[MapFacts]]
    full_colour: str
    sentences: tuple[str, ...]
    commands: tuple[str, ...]
    provenance: Provenance

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        evidence = [
            {
                "target": one.target.key,
                "title": "".join(one.title),
                "note": one.note,
                "maps": {title: of_method[place].as_json() for title, of_method in self.maps.items()},
            }
            for place, one in enumerate(self.explained)
        ]
        return {
            "run": self.run,
            "row": self.picture.row,
            "id": self.id,
            "where": self.where,
            "title": self.picture.title,
            "facts": self.facts,
            "wrong_pixels": self.picture.wrong,
            "counts": self.picture.confusion.tolist(),
            "regions": [vars(each) for each in self.picture.offered],
            "evidence": evidence,
            "full_colour": self.full_colour,
            "sentences": list(self.sentences),
            "commands": list(self.commands),
            "provenance": self.provenance.as_json(),
        }

    def text(self) -> str:
        """For people."""
        parts = [f"{self.picture.title}\n{self.facts}\n{self.where}"]
        parts.append(table([HEADS, *self.picture.lines], right=range(1, len(HEADS))))
        evidence = evidence_words(self.explained, self.maps)
        said = [*([self.full_colour] if self.full_colour else []), *self.sentences]
        return paragraphs(*parts, *evidence, "\n".join(said), how_to_make(self.maps, self.commands))


def answer(asked: Asked, facts: str, row: int, where: str) -> PictureAnswer:
    """Of one picture. Raises BadInput where the run said nothing of it."""
    scope = asked.scope()
    id_ = str(scope.study.samples["id"].iat[row])
    picture = picture_of(scope, row)
    if picture is None:
        raise BadInput("no prediction for this picture", value=id_, remedy="xai predict asks again, and says why.")
    columns, wanted = asked.columns(scope.run), explained(scope, picture, asked.target)
    found = on_mask(scope.run, columns, row, wanted, maps_of(columns, row, wanted, asked.scale, asked.look))
    lines = [explain_line(str(scope.study.path), scope.run, columns, row, one.target.key) for one in wanted]
    return PictureAnswer(
        run=scope.run.name,
        id=id_,
        where=where,
        facts=facts,
        picture=picture,
        explained=tuple(wanted),
        maps={column.card.title: list(of_method) for column, of_method in zip(columns, found, strict=True)},
        full_colour=scale_note(chain(*found), asked.scale, asked.look),
        sentences=tuple(said_of_maps(scope, columns, found, np.array([row]), asked.target)),
        commands=tuple(lines) if columns else (),
        provenance=provenance(scope, columns, row),
    )
