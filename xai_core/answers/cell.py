"""Which samples are in a cell of the confusion matrix, in which order, and what there is to say of their maps?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from xai_core.answers.agreement import agreement
from xai_core.answers.explained import said_of_maps
from xai_core.answers.lines import paragraphs, table
from xai_core.answers.maps import MapFacts, found, scale_note, target_keys
from xai_core.answers.provenance import settings_in_force
from xai_core.answers.question import Asked, Choice, Question
from xai_core.answers.scope import AS_GIVEN, Members, Rows, Scope, in_order, order_in_force, where_words
from xai_core.triage.confusion import Cell
from xai_core.words import NO_NUMBER, cell_name, percent

PAGE = 24
"""Samples of a page."""

SORTS = {
    "confidence": "Surest first",
    "margin": "Closest calls first",
    "loss": "Largest loss first",
    "disagreement": "Methods disagree most",
    AS_GIVEN: "As in the data set",
}


@dataclass(frozen=True)
class CellFacts:
    """How large a cell is, alone and as a share of its row and its column.

    Attributes:
        true, predicted: names of the classes.
        count, of_true, of_predicted: samples of the cell, of the true class, predicted as the predicted class.
    """

    true: str
    predicted: str
    count: int
    of_true: int
    of_predicted: int

    @property
    def title(self) -> str:
        """What the samples are."""
        return cell_name(self.true, self.predicted)

    @property
    def sentence(self) -> str:
        """How many, and of how many."""
        parts = [f"{self.count:,} {'sample' if self.count == 1 else 'samples'}"]
        if self.of_true:
            parts.append(f"{percent(self.count / self.of_true)} of the {self.of_true:,} that are {self.true}")
        if self.of_predicted:
            share = percent(self.count / self.of_predicted)
            parts.append(f"{share} of the {self.of_predicted:,} predicted as {self.predicted}")
        return " · ".join(parts)


@dataclass(frozen=True)
class Page:
    """One page of an ordered list of samples. `number` is from 1, of `pages`."""

    rows: Rows
    number: int
    pages: int


def cell_facts(among: Members, names: tuple[str, ...], cell: Cell) -> CellFacts:
    """Of a cell, given as (true class, predicted class)."""
    is_true, is_predicted = among.labels == cell[0], among.predicted == cell[1]
    sizes = (int(members.sum()) for members in (is_true & is_predicted, is_true, is_predicted))
    return CellFacts(names[cell[0]], names[cell[1]], *sizes)


def page_of(rows: Rows, number: int) -> Page:
    """The page with this number; the last one where there are not so many."""
    pages = math.ceil(len(rows) / PAGE)
    shown = max(1, min(number, pages))
    return Page(rows[(shown - 1) * PAGE : shown * PAGE], shown, pages)


def members_table(scope: Scope, rows: Rows) -> pd.DataFrame:
    """One line per sample: `id`, `row`, `split`, `path`, `true`, `predicted`, `p_true`, `p_predicted`, `loss`, `tags`,
    `note`, and a column for each fact; one that is called like one of these is `fact row`."""
    study, said = scope.study, scope.predictions.at(rows)
    labels, names = study.labels[rows], np.array(scope.names, dtype=object)
    samples, written = study.samples.iloc[rows], study.annotations.of(rows.tolist())
    table = pd.DataFrame(
        {
            "id": samples["id"].to_numpy(),
            "row": rows,
            "split": samples["split"].to_numpy(),
            "path": samples["path"].to_numpy(),
            "true": names[labels],
            "predicted": names[said.predicted],
            "p_true": said.of(labels),
            "p_predicted": said.confidence,
            "loss": said.loss,
            "tags": ["; ".join(one.tags) for one in written],
            "note": [one.note for one in written],
        }
    )
    known = {}
    for name, values in study.facts.columns(rows).items():
        free = name
        while free in table or free in known:
            free = f"fact {free}"
        known[free] = pd.Series(values, dtype=object)
    return pd.concat([table, pd.DataFrame(known, index=table.index)], axis=1) if known else table


def caption(scope: Scope, row: int) -> str:
    """Which sample it is, and how probable its true and its predicted class are, where that is known."""
    said, names, label = scope.predictions.at([row]), scope.names, int(scope.study.labels[row])
    shares = {"true": float(said.of(np.array([label]))[0]), "predicted": float(said.confidence[0])}
    classes = {"true": label, "predicted": int(said.predicted[0])}
    told = [
        f"{role} {names[classes[role]]}" + (f" {percent(share)}" if math.isfinite(share) else "")
        for role, share in shares.items()
    ]
    return f"{scope.study.samples['id'].iat[row]}: {', '.join(told)}"


@dataclass(frozen=True)
class CellAnswer:
    """A cell's samples in order, and the maps of one page of them.

    Attributes:
        sort: the order, one of SORTS.
        samples: all of them, as `members_table`.
        page: the page whose maps are spoken of.
        maps: for each method, by its title, what there is for each sample of the page.
        full_colour: what full colour means in these maps.
        sentences: what must be known of these maps.
        settings: what is not at its default.
        where: `where camera = A`, as the samples were chosen by their facts, or "".
    """

    run: str
    split: str
    facts: CellFacts
    sort: str
    samples: pd.DataFrame
    page: Page
    maps: dict[str, list[MapFacts]]
    full_colour: str
    sentences: tuple[str, ...]
    settings: str
    where: str = ""

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "run": self.run,
            "split": self.split,
            "where": self.where,
            "true": self.facts.true,
            "predicted": self.facts.predicted,
            "title": self.facts.title,
            "facts": self.facts.sentence,
            "n": self.facts.count,
            "of_true": self.facts.of_true,
            "of_predicted": self.facts.of_predicted,
            "order": SORTS[self.sort],
            "samples": self.samples.to_dict("records"),
            "page": self.page.number,
            "pages": self.page.pages,
            "page_rows": self.page.rows.tolist(),
            "maps": {title: [one.as_json() for one in facts] for title, facts in self.maps.items()},
            "full_colour": self.full_colour,
            "sentences": list(self.sentences),
            "settings": self.settings,
        }

    def text(self) -> str:
        """For people."""
        head = f"{self.facts.title}\n{self.facts.sentence}" + (f"\nOnly samples {self.where}." if self.where else "")
        if not self.facts.count:
            return paragraphs(head, "No sample of this class was predicted as that one.")
        shown = self.samples[self.samples["row"].isin(self.page.rows)]
        lines = [("sample", "true", "predicted", "loss"), *map(_line, shown.to_dict("records"))]
        order = f"{SORTS[self.sort]}, page {self.page.number} of {self.page.pages}"
        maps = [(title, _states(facts)) for title, facts in self.maps.items()]
        full = [self.full_colour] if self.full_colour else []
        notes = [*full, *self.sentences, *([f"Not at defaults: {self.settings}."] if self.settings else [])]
        return paragraphs(head, f"{order}\n{table(lines, right=(1, 2, 3))}", table(maps), "\n".join(notes))


def _line(sample: dict[Any, Any]) -> tuple[str, str, str, str]:
    loss = f"{sample['loss']:.3f}" if math.isfinite(sample["loss"]) else NO_NUMBER
    return sample["id"], percent(sample["p_true"]), percent(sample["p_predicted"]), loss


def _states(facts: list[MapFacts]) -> str:
    states = [one.state for one in facts]
    doubtful = sum(one.caution is not None for one in facts)
    counts = {"stored": states.count("stored"), "refused": states.count("refused"), "not computed yet": 0}
    counts["not computed yet"] = states.count("missing")
    said = [f"{count} {state}" for state, count in counts.items() if count]
    return ", ".join([*said, *([f"{doubtful} with a caution"] if doubtful else [])])


def answer(asked: Asked) -> CellAnswer:
    """The cell that is asked for. Raises BadParameter where none is named."""
    scope, cell = asked.scope(), asked.needed_cell()
    among = scope.members
    sort = asked.sort
    rows, columns = among.cell(*cell), asked.columns(scope.run)
    by_maps = bool(sort == "disagreement" and len(rows) and columns)
    ordered = agreement(scope, columns, rows, asked.target).rows if by_maps else in_order(scope, rows, sort)
    sort = sort if by_maps and sort == "disagreement" else order_in_force(scope, sort)
    page = page_of(ordered, asked.page)
    keys = target_keys(scope.run, page.rows, asked.target) if len(rows) else []
    facts = [found(column, page.rows, keys, asked.scale, asked.look) for column in columns] if len(rows) else []
    lacks = filter(None, [scope.lacks])
    return CellAnswer(
        run=scope.run.name,
        split=scope.split,
        facts=cell_facts(among, scope.names, cell),
        sort=sort,
        samples=members_table(scope, ordered) if len(rows) else pd.DataFrame({"row": ordered}),
        page=page,
        maps={column.card.title: of_method for column, of_method in zip(columns, facts, strict=False)},
        full_colour=scale_note(chain(*facts), asked.scale, asked.look),
        sentences=(*lacks, *(said_of_maps(scope, columns, facts, page.rows, asked.target) if len(rows) else ())),
        settings=settings_in_force(columns),
        where=where_words(scope.where).strip(),
    )


CHOICES: tuple[Choice, ...] = ("run", "split", "where", "cell", "methods", "target", "scale", "look", "sort", "page")
QUESTION = Question("cell", "Which samples are in a cell, and what is said of their maps?", CHOICES, answer)
