"""Predictions that were made elsewhere, as a run of a study: a CSV table with one line per sample."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadInput
from xai_core.pipeline.import_labels import Labels, copied_note, label_place_of, line_of, predicted_labels
from xai_core.pipeline.said import KEPT, as_said
from xai_core.store.files import checked_name
from xai_core.store.run import Run, RunInfo
from xai_core.store.study import Study
from xai_core.tables import Table, number, read_table
from xai_core.task import need_samples
from xai_core.text import counted, listed, nfc, places, plain_name

SUM_TOLERANCE = 1e-3
"""By how much the probabilities of a sample may miss 1 and are taken as they are."""

MOST_ROUNDED = 0.05
"""By how much they may miss 1 at most where rounding explains it; they are then divided by their sum."""

_ID_COLUMNS = ("id", "path", "file", "filename", "file_name", "filepath", "image", "image_path", "image_id", "sample")
"""How the column of ids may be called where nobody says. In this order."""

Rows = NDArray[np.int64]
Found = list[int | None]
"""Of each line the row of its sample; None where it is no sample's, or several'."""


def import_predictions(
    study: Study,
    name: str,
    path: Path,
    *,
    id_column: str | None = None,
    label_column: str | None = None,
    logits: bool = False,
) -> Run:
    """Add predictions as a run: a table with a column of ids and one column per class, named as the class, or one
    column of the predicted classes, see `predicted_labels`.

    Ids are the study's, paths that end in them, or file names (with or without what tells the kind of file) that no
    other sample has. What was made of the numbers is told in the run's `provenance`.

    Args:
        id_column: the column of the ids; by default the first of _ID_COLUMNS that is there.
        label_column: the column of the predicted classes; by default, where no class has a column, found by its name.
        logits: the numbers are logits, of which the softmax is taken. Without it they must be probabilities that add
            up to 1, but for their rounding: by half a unit of the last digit that is written for each class, and by
            MOST_ROUNDED at most.

    Raises:
        BadInput: not such a table; the first problem is told with its line.
        NotApplicable: the study is of segmentation: a class of a picture says nothing of its pixels.
    """
    need_samples(study.info.task, study.name)
    checked_name(name, "run")
    table = read_table(path)
    id_place = _id_place(table, study, id_column)
    label_place = None if logits and not label_column else label_place_of(table, study, id_place, label_column)
    found: Labels | None = None
    if label_place is None:
        class_places = _class_places(table, study, id_place)
        rows, told = _rows(study, table, id_place)
        values = _values(table, class_places)
        made = _softmax(table, id_place, values) if logits else _probabilities(table, id_place, class_places, values)
        probabilities, notes = made
    else:
        rows, told = _rows(study, table, id_place)
        found = predicted_labels(table, study, id_place, label_place)
        notes = [*found.notes, *copied_note(found, study.labels[rows], table.columns[label_place])]
    column = table.columns[id_place]
    notes = [*([] if column == "id" else [f"Samples are named in the column {column}."]), *told, *notes]
    how = {"id_column": id_column, "label_column": label_column, "logits": logits}
    source = {"imported_from": path.name, KEPT: as_said(path, how), "notes": notes}
    with study.new_run(name, RunInfo(provenance=source)) as run:
        if found is None:
            run.write_predictions(rows, probabilities)
        else:
            run.write_labels(rows, found.predicted, found.confidence)
    return study.run(name)


# Columns


def _id_place(table: Table, study: Study, asked: str | None) -> int:
    """Where the ids are. A class may be called `id` as well: then the first such column holds them."""
    if asked is not None:
        return table.place(asked)
    classes = set(map(plain_name, (*study.class_names, *study.class_ids)))
    names = [column.casefold() for column in table.columns]
    for name in _ID_COLUMNS:
        found = [place for place, column in enumerate(names) if column == name]
        of_class = sum(table.columns[place] in classes for place in found)
        if found and (len(found) > of_class or len(found) > 1):
            return found[0]
    remedy = f"Say which column names the samples: --id-column. The table has {listed(table.columns, 8)}."
    raise BadInput("the table lacks columns", value="id", remedy=remedy)


def _class_places(table: Table, study: Study, id_place: int) -> list[int]:
    """Where the numbers of each class are: the column is called by its name, or by its id."""
    found = []
    for pair in zip(study.class_names, study.class_ids, strict=True):
        of_either = [[place for place in table.places(name) if place != id_place] for name in pair]
        found.append(of_either[0] or of_either[1])
    missing = [name for name, at in zip(study.class_names, found, strict=True) if not at]
    if missing:
        remedy = (
            "Give id and one column of probabilities for each class of the study, or the predicted class "
            f"(--label-column); the table has {listed(table.columns, 8)}."
        )
        raise BadInput("the table lacks columns", value=listed(missing, 8), remedy=remedy)
    twice = [name for name, at in zip(study.class_names, found, strict=True) if len(at) > 1]
    if twice:
        raise BadInput("a column comes twice", value=listed(twice, 8), remedy="Give each class one column.")
    return [at[0] for at in found]


# Samples


def _rows(study: Study, table: Table, id_place: int) -> tuple[Rows, list[str]]:
    """Row numbers, and what is told of how samples were known: the first way by which all of them are."""
    ids, given = study.samples["id"].astype(str).tolist(), table.column(id_place)
    known = [_exact(ids, given)]
    if None in known[0]:
        known += [_by_end(ids, given), _by_end([_stem(id_) for id_ in ids], [_stem(name) for name in given])]
    rows = min(known, key=lambda found: found.count(None))
    if None in rows:
        raise _unknown(table, id_place, rows, ids)
    ways = ("the ends of their paths", "file names without endings")
    notes = [[], *([f"Samples were known by {way}."] for way in ways)]
    return _once(rows, table, id_place), notes[known.index(rows)]


def _unknown(table: Table, id_place: int, rows: Found, ids: Sequence[str]) -> BadInput:
    first = rows.index(None)
    name = table.rows[first][id_place]
    remedy = f"{rows.count(None)} of {len(rows)} ids are not in the study; it has such as {ids[0]}."
    alike = [id_ for id_ in ids if name in (*_endings(id_), *_endings(_stem(id_)))]
    if len(alike) > 1:
        remedy = f"{len(alike)} samples are called so: give ids with their folders, such as {alike[0]}."
    return BadInput("a line is about an unknown sample", value=line_of(table, id_place, first), remedy=remedy)


def _exact(ids: Sequence[str], given: Sequence[str]) -> Found:
    known = places(ids)
    return [known.get(name, known.get(nfc(name))) for name in given]


def _by_end(ids: Sequence[str], given: Sequence[str]) -> Found:
    """What is given is an id, ends in one (`/data/test/cat/1.jpg`), or is the end of one alone (`1.jpg`)."""
    whole, ends = dict[str, int | None](), dict[str, int | None]()
    for row, id_ in enumerate(map(nfc, ids)):
        whole[id_] = None if id_ in whole else row
        for end in _endings(id_):
            ends[end] = None if end in ends else row

    def find(text: str) -> int | None:
        if text in ends and text not in whole:
            return ends[text]
        return next((whole[end] for end in _endings(text) if end in whole), None)

    return [find(nfc(name).replace("\\", "/").removeprefix("./")) for name in given]


def _endings(path: str) -> Iterator[str]:
    """`a/b/c`, `b/c`, `c`."""
    while path:
        yield path
        path = path.partition("/")[2]


def _stem(path: str) -> str:
    return str(PurePosixPath(path).with_suffix("")) if PurePosixPath(path).suffix else path


def _once(rows: Sequence[int | None], table: Table, id_place: int) -> Rows:
    seen: set[int | None] = set()
    for place, row in enumerate(rows):
        if row in seen:
            raise BadInput(
                "a sample comes twice", value=line_of(table, id_place, place), remedy="Give each sample once."
            )
        seen.add(row)
    return np.array(rows, dtype=np.int64)


# Numbers


def _values(table: Table, class_places: Sequence[int]) -> NDArray[np.float64]:
    return np.array([[number(row[place]) for place in class_places] for row in table.rows], dtype=np.float64)


def _probabilities(
    table: Table, id_place: int, class_places: Sequence[int], values: NDArray[np.float64]
) -> tuple[NDArray[np.float32], list[str]]:
    wrong = ~((values >= 0) & (values <= 1)).all(axis=1)  # NaN compares false
    if wrong.any():
        first = int(np.argmax(wrong))
        remedy = "Give probabilities from 0 to 1, not percentages. If these are logits, say so: --logits."
        raise BadInput("a line holds no probabilities", value=line_of(table, id_place, first), remedy=remedy)
    sums = values.sum(axis=1)
    off = np.abs(sums - 1)
    rounded = off > SUM_TOLERANCE
    most = _most_off(table, class_places, np.flatnonzero(rounded))
    if (off > most).any():
        place = int(np.argmax(off > most))
        value = f"{line_of(table, id_place, place)}, {sums[place]:.4g}"
        remedy = f"The probabilities of a sample must add up to 1; rounding as it is here explains {most:.3g}."
        raise BadInput("a line does not add up", value=value, remedy=remedy)
    values[rounded] /= sums[rounded, None]
    return values.astype(np.float32), _rounded_note(sums[rounded], len(sums))


def _most_off(table: Table, class_places: Sequence[int], lines: Rows) -> float:
    """By how much their sums may miss 1: each number was rounded by at most half a unit of its last digit."""
    digits = max((_decimals(table.rows[line][place]) for line in lines for place in class_places), default=0)
    return float(np.clip(len(class_places) * 0.5 * 10.0**-digits, SUM_TOLERANCE, MOST_ROUNDED)) + 1e-9


def _decimals(cell: str) -> int:
    """Digits behind the point that a number is written with: 3 of `0.125`, 5 of `1e-05`."""
    found = re.fullmatch(r"[^.,e]*(?:[.,](\d*))?(?:e([+-]?\d{1,3}))?", cell.lower())
    return len(found[1] or "") - int(found[2] or 0) if found else 0


def _rounded_note(sums: NDArray[np.float64], count: int) -> list[str]:
    if not len(sums):
        return []
    return [
        f"In {counted(len(sums), 'line')} of {count:,} the probabilities are rounded and add up to {sums.min():.4g} to "
        f"{sums.max():.4g}; they were divided by their sum."
    ]


def _softmax(table: Table, id_place: int, values: NDArray[np.float64]) -> tuple[NDArray[np.float32], list[str]]:
    wrong = ~np.isfinite(values).all(axis=1)
    if wrong.any():
        value = line_of(table, id_place, int(np.argmax(wrong)))
        raise BadInput("a line holds no logits", value=value, remedy="Give a number for each class.")
    if (values >= 0).all() and (np.abs(values.sum(axis=1) - 1) <= MOST_ROUNDED).all():
        remedy = "Every line has numbers from 0 to 1 that add up to 1: leave --logits out."
        raise BadInput("these are probabilities, not logits", value=table.name, remedy=remedy)
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    made = powers / powers.sum(axis=1, keepdims=True)
    return made.astype(np.float32), ["Probabilities are the softmax of the logits that were given."]
