"""What the columns of somebody's table are: path, label, split, mask, id; and what labels and other cells mean."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_core.errors import BadInput, NotFound, one_line
from xai_core.tables import Table, number
from xai_core.text import counted, listed, plain_name

if TYPE_CHECKING:
    import pyarrow as pa

NONE = "-"
"""Asked for in the place of a column: there is none, whatever the table's columns are called."""

_WORDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "path": (
        ("path", "filepath", "imagepath", "imgpath", "picturepath", "imagefilepath"),
        ("file", "filename", "imagefile", "imagefilename", "imgfile", "imgname", "imagename", "picturefile"),
        ("image", "img", "picture", "photo", "images"),
        ("imageid", "imgid", "pictureid", "photoid"),
    ),
    "label": (
        ("label", "labels"),
        ("class", "classname", "classlabel", "labelname"),
        ("category", "categoryname", "target", "diagnosis", "dx", "species", "y"),
    ),
    "split": (("split",), ("set", "subset", "partition", "datasplit", "usage"), ("dataset", "fold")),
    "mask": (("mask", "maskpath", "maskfile", "maskfilename"), ("segmentation", "segmentationpath")),
    "id": (("id",), ("sampleid",)),
}
"""How columns are called, the plainest names first."""

_GAPS = frozenset({"", "nan", "na", "n/a", "null", "none", "-"})
"""What stands for a missing number."""

_YES_NO = {"yes": True, "true": True, "no": False, "false": False}
_CODE = re.compile(r"[+-]?0\d|[+-]?\d{16}")
"""The beginning of a number that is a name: its zeros, or its last digits, would be lost."""

_MOST_FACTS = 200


@dataclass(frozen=True)
class Columns:
    """Where the columns of a table are; None for what it does not have. `facts` are all others."""

    path: int
    label: int
    split: int | None
    mask: int | None
    id: int | None
    facts: tuple[int, ...]


def place_of(table: Table, role: str, asked: str, dataset: str) -> int | None:
    """The column that is asked for by name; else the only one with the plainest of the names that such columns have.

    Raises:
        NotFound: no column of this name.
        BadInput: several columns of this name; or a table needs one, and it is not plain which.
    """
    if asked == NONE:
        return None
    if asked:
        found = table.places(asked)
        if not found:
            raise NotFound.among("column", asked, [name for name in table.columns if name])
        if len(found) > 1:
            raise BadInput("two columns have one name", value=asked, remedy="Rename one of them.")
        return found[0]
    plain = [re.sub(r"[\W_]", "", name.casefold()) for name in table.columns]
    found = []
    for words in _WORDS[role]:
        found = [place for place, name in enumerate(plain) if name in words]
        if found:
            break
    if len(found) == 1 or role not in ("path", "label"):
        return found[0] if len(found) == 1 else None
    known = ", ".join(one_line(name, 40) for name in table.columns if name)
    problem = f"which column of {table.name} holds the {role}{'' if role == 'label' else ' of the picture'}?"
    raise BadInput(problem, remedy=f"Name one of {known}: --set {dataset}.{role}=NAME.")


# Labels


def classes_of(labels: Sequence[str], wanted: Sequence[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Names of the classes, and the class index of each label; a label of a class that is not wanted has none.

    Whole numbers are indices into `wanted`, unless that holds numbers itself; without a list they are names, in their
    order.

    Raises:
        BadInput: several labels in one cell, numbers that are no classes, a number beyond the list, or fewer than two
            classes.
        NotFound: a wanted class that no label names.
    """
    distinct = distinct_labels(labels)
    if are_numbers(distinct):
        return _numbered({label: number(label) for label in distinct}, wanted)
    known = sorted(dict.fromkeys(map(plain_name, distinct)))
    for name in wanted:
        if name not in known:
            raise NotFound.among("class", name, known)
    names = tuple(wanted or known)
    places = {name: index for index, name in enumerate(names)}
    return enough(names), {label: places[plain_name(label)] for label in distinct if plain_name(label) in places}


def distinct_labels(labels: Sequence[str]) -> list[str]:
    """Each label once. Raises BadInput for several in one cell."""
    distinct = list(dict.fromkeys(label for label in labels if label))
    _refuse_several(distinct)
    return distinct


def are_numbers(labels: Sequence[str]) -> bool:
    """Whether there are labels, and all are numbers."""
    return bool(labels) and all(math.isfinite(number(label)) for label in labels)


def _numbered(numbers: dict[str, float], wanted: Sequence[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    broken = next((label for label, value in numbers.items() if value != int(value)), None)
    if broken is not None:
        raise BadInput("a label that is no class", value=broken, remedy="A class is a name or a whole number.")
    whole = {label: int(value) for label, value in numbers.items()}
    if wanted and not are_numbers(wanted):
        beyond = next((label for label, value in whole.items() if not 0 <= value < len(wanted)), None)
        if beyond is not None:
            remedy = f"{counted(len(wanted), 'class is', 'classes are')} named, so labels are 0 to {len(wanted) - 1}."
            raise BadInput("a label without a class name", value=beyond, remedy=remedy)
        return enough(tuple(wanted)), whole
    known = [str(value) for value in sorted(set(whole.values()))]
    for name in wanted:
        if name not in known:
            raise NotFound.among("class", name, known)
    names = tuple(wanted or known)
    places = {name: index for index, name in enumerate(names)}
    return enough(names), {label: places[str(value)] for label, value in whole.items() if str(value) in places}


def enough(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names. Raises BadInput where there are fewer than two."""
    if len(names) < 2:
        value = names[0] if names else "none"
        raise BadInput("there is one class only", value=value, remedy="A classifier needs two or more.")
    return names


def _refuse_several(distinct: Sequence[str]) -> None:
    """`cat|dog` where `cat` and `dog` are labels too; `['cat', 'dog']`."""
    single = set(distinct)
    for label in distinct:
        parts = [part.strip() for part in re.split(r"[|;,]", label)]
        if (len(parts) > 1 and single.issuperset(parts)) or (label.startswith("[") and label.endswith("]")):
            refuse_labels(label)


def refuse_labels(value: str) -> None:
    """Raise BadInput: several labels of one picture."""
    remedy = "One class a picture: a confusion has one true class. Keep one label each, or make a study of each label."
    raise BadInput("a picture has several labels", value=value, remedy=remedy)


def alike_notes(names: Sequence[str]) -> list[str]:
    """A sentence on classes that differ only in case, where there are some."""
    cases = Counter(name.casefold() for name in names)
    alike = sorted(name for name in names if cases[name.casefold()] > 1)
    return [f"Classes that differ only in case are kept apart: {listed(alike, 6)}."] if alike else []


# Facts


def fact_table(table: Table, places: Sequence[int], rows: Sequence[int]) -> tuple[pa.Table | None, list[str]]:
    """What some columns say of the samples, typed: yes or no, numbers, else text; and what is told of it.

    Args:
        rows: for each sample, the row of the table.
    """
    import pyarrow as pa

    columns: dict[str, pa.Array] = {}
    for place in places[:_MOST_FACTS]:
        cells = [table.rows[row][place] for row in rows]
        if any(cells):
            columns[_free(table.columns[place] or f"column {place + 1}", columns)] = _typed(cells)
    notes = []
    if len(places) > _MOST_FACTS:
        notes.append(f"Of {len(places)} further columns the first {_MOST_FACTS} are kept as facts.")
    if table.left_out:
        notes.append(f"Columns of lists, structures or bytes were left out: {listed(sorted(table.left_out))}.")
    return (pa.table(columns) if columns else None), notes


def _typed(cells: Sequence[str]) -> pa.Array:
    import pyarrow as pa

    said = {cell.casefold() for cell in cells} - {""}
    if said <= _YES_NO.keys():
        return pa.array([_YES_NO.get(cell.casefold()) for cell in cells], pa.bool_())
    told = said - _GAPS
    if told and all(math.isfinite(number(cell)) and not _CODE.match(cell) for cell in told):
        return pa.array([None if cell.casefold() in _GAPS else number(cell) for cell in cells], pa.float64())
    return pa.array([cell or None for cell in cells], pa.string())


def _free(name: str, taken: dict[str, pa.Array]) -> str:
    free, count = name, 2
    while free in taken:
        free, count = f"{name} ({count})", count + 1
    return free
