"""Predicted classes without probabilities, as a table from elsewhere has them: labels, and perhaps a confidence.

What is not in the table is not known: no probability is made up for a label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadInput
from xai_core.store.study import Study
from xai_core.tables import Table, number
from xai_core.text import listed, nfc, plain_name

_SAID = (
    *("predicted", "prediction", "predicted_label", "predicted_class", "pred", "pred_label", "pred_class", "y_pred"),
    *("predicted_name", "predictions", "top1", "top_1", "answer", "output"),
)
_LOOSE = ("label", "class", "class_name", "category", "target")
"""May hold what is true as well; taken where no other column is called as in _SAID."""

_CONFIDENCE = ("confidence", "conf", "probability", "prob", "certainty", "p", "score", "top1_prob", "max_prob")


@dataclass(frozen=True)
class Labels:
    """What a table says of n samples: `predicted` `(n,)` class indices, `confidence` `(n,)` their probabilities or None
    where there is no such column, and what is told of it."""

    predicted: NDArray[np.int64]
    confidence: NDArray[np.float32] | None
    notes: tuple[str, ...]


def label_place_of(table: Table, study: Study, id_place: int, asked: str | None) -> int | None:
    """Where the predicted classes are; None where the table has columns of classes, or none of labels.

    Raises:
        BadInput: no column of the name that is asked for.
    """
    if asked is not None:
        return table.place(asked)
    names = [plain_name(column) for column in table.columns]
    if {*study.class_names, *study.class_ids} & {name for place, name in enumerate(names) if place != id_place}:
        return None
    return _called(table, (*_SAID, *_LOOSE), id_place)


def predicted_labels(table: Table, study: Study, id_place: int, label_place: int) -> Labels:
    """The class of each line, by its name, its id or its number from 0, and the confidence where there is a column.

    Raises:
        BadInput: a label that is no class, several labels in one cell, a confidence that is no probability.
    """
    cells = [nfc(cell).strip() for cell in table.column(label_place)]
    notes = [f"The predicted class is in the column {table.columns[label_place]}."]
    of = _classes(cells, study, notes)
    wrong = [place for place, cell in enumerate(cells) if cell not in of]
    if wrong:
        value = f"{line_of(table, id_place, wrong[0])}, {cells[wrong[0]] or 'empty'}"
        remedy = (
            f"Give one of {listed(study.class_names, 8)}, or its number from 0 ({len(wrong)} of {len(cells)} lines)."
        )
        raise BadInput("a line names no class of the study", value=value, remedy=remedy)
    predicted = np.array([of[cell] for cell in cells], dtype=np.int64)
    place = _called(table, _CONFIDENCE, id_place)
    if place is None or place == label_place:
        return Labels(predicted, None, (*notes, "Probabilities are not known, so neither are confidence and loss."))
    known = _confidence(table, id_place, place)
    notes.append(f"Its probability is in the column {table.columns[place]}; those of the other classes are not known.")
    return Labels(predicted, known, tuple(notes))


def copied_note(found: Labels, labels: NDArray[np.int64], column: str) -> list[str]:
    """A doubt where a column that may hold the truth says exactly that."""
    if column.casefold() in _SAID or not len(labels) or (found.predicted != labels).any():
        return []
    return [f"All are right: does the column {column} hold what was predicted, or what is true? See --label-column."]


def line_of(table: Table, id_place: int, place: int) -> str:
    """A line of the table, for people."""
    return f"line {table.lines[place]}, {table.rows[place][id_place]}"


def _called(table: Table, names: Sequence[str], id_place: int) -> int | None:
    """The first column that is called as one of the names, in their order."""
    folded = [column.strip().casefold().replace(" ", "_").replace("-", "_") for column in table.columns]
    places = (place for name in names for place, column in enumerate(folded) if column == name and place != id_place)
    return next(places, None)


def _classes(cells: Sequence[str], study: Study, notes: list[str]) -> dict[str, int]:
    """The class index of each text that may stand for a class: names, ids, or else numbers."""
    of = {name: place for place, name in enumerate(study.class_ids)}
    of |= {name: place for place, name in enumerate(study.class_names)}
    if any(cell in of for cell in cells):
        return of
    numbers = {cell: number(cell) for cell in dict.fromkeys(cells)}
    as_index = {cell: int(value) for cell, value in numbers.items() if value in range(len(study.class_names))}
    if as_index:
        notes.append(f"Classes are given by their numbers: 0 is {study.class_names[0]}.")
    return as_index


def _confidence(table: Table, id_place: int, place: int) -> NDArray[np.float32]:
    values = np.array([number(cell) for cell in table.column(place)], dtype=np.float64)
    wrong = ~((values >= 0) & (values <= 1))  # NaN compares false
    if wrong.any():
        value = f"{line_of(table, id_place, int(np.argmax(wrong)))}, {table.columns[place]}"
        remedy = "Give probabilities from 0 to 1, not percentages or logits, or leave the column out."
        raise BadInput("a line holds no probability", value=value, remedy=remedy)
    return values.astype(np.float32)
