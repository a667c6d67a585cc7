"""Pictures that a CSV or Parquet table lists with their labels, and whatever else it says of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.datasets.base import NO_TRAINING, Scan, contradiction_notes, dataset, sample_table, take_split
from xai_core.datasets.class_list import in_order, named
from xai_core.datasets.columns import (
    NONE,
    Columns,
    alike_notes,
    are_numbers,
    classes_of,
    distinct_labels,
    enough,
    fact_table,
    place_of,
    refuse_labels,
)
from xai_core.datasets.look import (
    LARGEST,
    MOST_SIDE,
    TURN,
    Wanted,
    decoded,
    file_inside,
    grey_of,
    hashes_of,
    look,
    mask_notes,
    near_twins,
    not_read,
    picture_notes,
    united_mask,
    white_of,
)
from xai_core.datasets.split_words import split_named
from xai_core.datasets.table_files import Files
from xai_core.datasets.walk import LeftOut
from xai_core.errors import BadInput, BadParameter, NotFound
from xai_core.params import param
from xai_core.pictures import LARGEST_SIDE, own_range
from xai_core.tables import Table, read_any_table
from xai_core.text import comma_list, counted, listed, plain_name
from xai_core.types import SPLITS, Card, Progress, Split, silent

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

KEY = "table"
_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".pq")


@dataclass(frozen=True)
class TableParams:
    """Which column is what, where their names are not plain; and what the table does not say."""

    path: str = param("", help="column of the pictures' paths; found where its name is plain")
    label: str = param("", help="column of the labels; found where its name is plain")
    split: str = param("", help='column of the splits, "-" for none; found where its name is plain')
    mask: str = param("", help='column of the masks\' paths, several parted by ";"; "-" for none')
    id: str = param("", help='column of the samples\' ids, "-" for none: then the path is the id')
    facts: str = param("", help='only these further columns are facts: "a,b"; all by default, "-" for none')
    root: str = param("", help="folder that paths begin at; by default the table's own")
    classes: str = param("", help='only these classes, in this order: "a,b"; names of the classes 0, 1, … for numbers')
    classes_file: str = param("", help="list of the classes, by number or by their labels, with names for people")
    test_only: bool = param(False, help="nothing is trained here, all pictures are the test")
    validation: float = param(0.15, help="share split off for validation where no sample is for it", low=0.01, high=0.8)
    test: float = param(0.15, help="share split off for the test where no sample is for it", low=0.01, high=0.8)
    black: float = param(0.0, help="grey value that becomes black, of pictures with more than 8 bits")
    white: float = param(0.0, help="grey value that becomes white; by default found, one for all pictures")
    turn: bool = param(True, help=TURN, later=True)
    largest_side: int = param(LARGEST_SIDE, help=LARGEST, low=64, high=MOST_SIDE, later=True)
    table: str = param("", help="the table, where the data folder is another; found by looking")


@dataclass(frozen=True)
class _Line:
    """A line of the table that becomes a sample: its row, and the picture relative to the data folder."""

    row: int
    id: str
    path: str
    label: int
    split: Split


@dataclass(frozen=True)
class _Labels:
    """Names of the classes, the class index of each label, ids where people have other names, and what is told."""

    names: tuple[str, ...]
    of: Mapping[str, int]
    ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataset(
    Card(
        key=KEY,
        title="Table of pictures",
        summary="A CSV or Parquet table with a path and a label; further columns are facts of a sample.",
        blind_spot="Labels and facts are believed as they stand in the table. One class a picture.",
    ),
    TableParams,
)
class TableOfPictures:
    """A table, or the folder of the pictures that a table (`params.table`) lists."""

    def __init__(self, root: Path, params: TableParams) -> None:
        self._given, self._params = root.resolve(), params
        if params.white and params.white <= params.black:
            raise BadParameter("white is not above black", value=params.white, remedy="Give a larger grey value.")

    @staticmethod
    def recognises(data: Path) -> bool:
        """Whether it is called as tables are, or is a folder of one table and one of pictures, or of both together."""
        if not data.is_dir():
            return data.suffix.lower() in _SUFFIXES
        folders = [path for path in data.iterdir() if path.is_dir() and not path.name.startswith(".")]
        flat = not folders or (len(folders) == 1 and not any(path.is_dir() for path in folders[0].iterdir()))
        return flat and len(_tables_in(data)) == 1

    def scan(self, seed: int, progress: Progress = silent) -> Scan:
        """Read the table, look at its pictures, make the splits that are missing. Rows are in the table's order.

        Missing and unreadable pictures are named. Ids are those of the table, else paths from the data folder.

        Raises:
            BadInput: no table, no picture, a column that is not plain, several labels of a picture, a split that is
                none, one class only, a class without training pictures where others have some.
            NotFound: a column, class or folder that is not there.
        """
        table, columns = self._table, self._columns
        left, lost = LeftOut(), list[tuple[str, str]]()
        files, notes = self._files, list[str]()
        labels = self._labels(table.column(columns.label))
        names, lines = labels.names, self._lines(labels, files, left, lost, notes)
        masks = self._masks_of(table, columns, files, lines, lost)
        wanted = [Wanted(line.id, line.split, line.label, line.path) for line in lines]
        turn, side, grey = self._params.turn, self._params.largest_side, grey_of(self._params, own_range)
        found = look(files.root, wanted, masks, grey=grey, turn=turn, largest_side=side, progress=progress)
        samples = sample_table({column: [row[column] for row in found.rows] for column in found.rows[0]})
        _require_training(samples, names)
        white, grey_notes = white_of(found.infos, self._params.black, self._params.white, KEY)
        rows = {line.path: line.row for line in lines}
        facts, fact_notes = fact_table(table, columns.facts, [rows[path] for path in samples["path"]])
        notes += [*alike_notes(names), *mask_notes(found), *left.notes(), *grey_notes, *picture_notes(found.infos, KEY)]
        samples = self._make_splits(samples, notes, seed, names)
        notes += [] if (samples["split"] == "train").any() else [NO_TRAINING]
        notes += [*fact_notes, *_missing_notes(samples, names), *contradiction_notes(samples)]
        notes = [_columns_note(table, columns), *labels.notes, *notes]
        kept: dict[str, Any] = {"white": white} if white else {}
        kept |= {"table": str(self._file), "root": str(files.base), "path": table.columns[columns.path]}
        kept |= {"classes_file": Path(self._params.classes_file).name}  # it has been read, and may be gone tomorrow
        kept |= {"mask": NONE if columns.mask is None else table.columns[columns.mask]}
        return Scan(
            samples,
            names,
            (*lost, *found.problems),
            tuple(notes),
            kept,
            class_ids=labels.ids,
            data=files.root,
            facts=facts,
            near=near_twins(samples, hashes_of(samples, found.infos), progress),
        )

    def picture(self, row: Mapping[str, Any]) -> Image.Image:
        """Upright, RGB or L; reduced where it is very large."""
        return decoded(self._params, file_inside(self._given, row["path"]))

    def mask(self, row: Mapping[str, Any]) -> NDArray[np.bool_] | None:
        """The object's mask, of all its files; None where the table names none. An empty one says: nothing is there."""
        return united_mask(row, self.mask_files(row), self.picture)

    def mask_files(self, row: Mapping[str, Any]) -> Sequence[Path]:
        """The files of the object's mask, as the table names them now."""
        return self._masks.get(str(row["path"]), ())

    # Reading the table

    @cached_property
    def _file(self) -> Path:
        """The table: given as such, as the only one of a folder, or known since the scan."""
        if self._params.table:
            return (self._given / self._params.table).resolve()
        if not self._given.is_dir():
            return self._given
        found = _tables_in(self._given)
        if len(found) != 1:
            value = f"{self._given.name}: {listed([file.name for file in found]) or 'none'}"
            raise BadInput("which table?", value=value, remedy="Give the table itself: --data FILE.")
        return found[0]

    @cached_property
    def _table(self) -> Table:
        return read_any_table(self._file)

    @cached_property
    def _files(self) -> Files:
        cells = self._table.column(self._columns.path)
        base = (self._file.parent / self._params.root).resolve()
        if not base.is_dir():
            raise NotFound("no such folder", value=self._params.root, remedy="Give the folder that paths begin at.")
        if self._params.table and self._given.is_dir():  # the data folder is known since the scan
            return Files(base, self._given, fixed=True).with_cells(cells)
        masks = [] if self._columns.mask is None else self._table.column(self._columns.mask)
        files = Files(base, base, fixed=bool(self._params.root))
        return files.with_cells(cells, [part for cell in masks for part in _several(cell)])

    @cached_property
    def _columns(self) -> Columns:
        table, params = self._table, self._params
        found = {role: place_of(table, role, getattr(params, role), KEY) for role in ("path", "label", "mask", "id")}
        path, label = found["path"], found["label"]
        if path is None or label is None:
            raise BadParameter("a table needs a path and a label", value=NONE, remedy="Name their columns.")
        if not params.id and found["id"] is not None and not _unique(table.column(found["id"])):
            found["id"] = None  # a column of this name that tells no sample from another is a fact
        split = place_of(table, "split", params.split, KEY)
        if not params.split and split is not None:
            words, plain = table.column(split), table.columns[split].casefold() == "split"
            if not any(words) or not (plain or all(map(split_named, words))):
                split = None  # a set or fold by other words is a fact; what is called split, and says none, a mistake
        used = {path, label, split, found["mask"], found["id"]}
        others = [place for place in range(len(table.columns)) if place not in used]
        if params.facts:
            chosen = [] if params.facts == NONE else comma_list(params.facts)
            others = [place for name in chosen if (place := place_of(table, "", name, KEY)) is not None]
        return Columns(path, label, split, found["mask"], found["id"], tuple(others))

    def _labels(self, cells: Sequence[str]) -> _Labels:
        wanted, file = _parsed(self._params.classes), self._params.classes_file
        if not file:
            return _Labels(*classes_of(cells, wanted))
        if wanted:
            raise BadParameter("two lists of classes", value=file, remedy="Give --classes or --classes-file.")
        path, distinct = self._file.parent / file, distinct_labels(cells)
        if are_numbers(distinct):
            return _Labels(*classes_of(cells, in_order(path)))
        found = named(path, distinct)
        ids = found.folders if tuple(map(plain_name, found.folders)) != found.names else ()
        return _Labels(enough(found.names), {label: i for i, label in enumerate(found.folders)}, ids, found.notes)

    def _lines(
        self, labels: _Labels, files: Files, left: LeftOut, lost: list[tuple[str, str]], notes: list[str]
    ) -> list[_Line]:
        """The lines that become samples."""
        table, columns, label_of = self._table, self._columns, labels.of
        seen: dict[str, str] = {}
        again, found = 0, list[_Line]()
        for row, (cells, line) in enumerate(zip(table.rows, table.lines, strict=True)):
            label, cell = cells[columns.label], cells[columns.path]
            split = self._split(table, columns, cells, line)
            path, reason = files.picture(row)
            reason = reason or (not_read(files.root / path) if path else None)
            if reason:
                lost.append((cell or f"line {line}", reason))
            elif seen.get(path, label) != label:
                refuse_labels(f"{cell}: {seen[path]}, {label}")
            elif path in seen:
                again += 1
            elif label not in label_of:
                left.add(f"of a class that was not asked for, {label}" if label else "without a label", path)
            else:
                seen[path] = label
                name = path if columns.id is None else cells[columns.id]
                found.append(_Line(row, name, path, label_of[label], split))
        if not found:
            raise files.nothing(lost, left.notes())
        if again:
            notes.append(f"{counted(again, 'line names', 'lines name')} a picture again: its first line counts.")
        _check_ids(found)
        return found

    def _split(self, table: Table, columns: Columns, cells: Sequence[str], line: int) -> Split:
        if self._params.test_only or columns.split is None:
            return "test" if self._params.test_only else "train"
        found = split_named(cells[columns.split])
        if found is None:
            value = f"{table.name}, line {line}: {cells[columns.split] or 'nothing'}"
            raise BadInput("not a split", value=value, remedy=f"Write {', '.join(SPLITS)}, or --set {KEY}.split=-.")
        return found

    def _masks_of(
        self, table: Table, columns: Columns, files: Files, lines: Sequence[_Line], lost: list[tuple[str, str]]
    ) -> dict[str, list[Path]]:
        masks: dict[str, list[Path]] = {}
        if columns.mask is None:
            return masks
        for line in lines:
            for cell in _several(table.rows[line.row][columns.mask]):
                path, reason = files.find(cell)
                if reason:
                    lost.append((f"mask of {line.path}", f"{cell}: {reason}"))
                else:
                    masks.setdefault(line.path, []).append(files.root / path)
        return masks

    @cached_property
    def _masks(self) -> Mapping[str, Sequence[Path]]:
        """By path. Read anew, so that a mask that the table names differently now makes stale what it was used for."""
        table, columns, files = self._table, self._columns, self._files
        if columns.mask is None:
            return {}
        found: dict[str, list[Path]] = {}
        for row, cells in enumerate(table.rows):
            path, reason = files.picture(row)
            if not reason and path not in found:
                masks = (files.find(cell) for cell in _several(cells[columns.mask]))
                found[path] = [files.root / mask for mask, problem in masks if not problem]
        return found

    # Splitting

    def _make_splits(self, samples: pd.DataFrame, notes: list[str], seed: int, names: tuple[str, ...]) -> pd.DataFrame:
        """With the splits that no sample is for taken from training, where there is any."""
        training = int((samples["split"] == "train").sum())
        shares: dict[Split, float] = {"test": self._params.test, "validation": self._params.validation}
        for split in [split for split in shares if training and split not in set(samples["split"])]:
            try:
                samples = take_split(samples, split, max(1, round(shares[split] * training)), seed, names)
            except BadInput as error:
                remedy = "Add pictures, leave it out, or test only, without training: --test-only."
                raise BadInput(error.problem, value=error.value, remedy=remedy) from None
            moved = int((samples["split"] == split).sum())
            notes.append(
                f"The table names no {split} samples: {moved} of {training} training pictures, the same share of each "
                f"class, are for {split} (seed {seed}); identical ones stay together."
            )
        return samples


def _tables_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in _SUFFIXES[:2] + _SUFFIXES[3:])


def _parsed(classes: str) -> list[str]:
    names = [plain_name(name) for name in comma_list(classes)]
    if len(set(names)) < len(names):
        raise BadParameter("a class is named twice", value=classes, remedy="Name each class once.")
    return names


def _unique(cells: Sequence[str]) -> bool:
    return all(cells) and len(set(cells)) == len(cells)


def _several(cell: str) -> Iterator[str]:
    yield from (part.strip() for part in cell.split(";") if part.strip())


def _check_ids(lines: Sequence[_Line]) -> None:
    seen: set[str] = set()
    for line in lines:
        if not line.id or line.id in seen:
            problem = "two samples with one id" if line.id else "a sample without an id"
            remedy = f"Name another column, or take paths for ids: --set {KEY}.id=-."
            raise BadInput(problem, value=line.id or line.path, remedy=remedy)
        seen.add(line.id)


def _require_training(samples: pd.DataFrame, names: tuple[str, ...]) -> None:
    trained = set(samples.loc[samples["split"] == "train", "label"])
    for label, name in enumerate(names):
        if trained and label not in trained:
            remedy = "Add some, leave it out, or test only, without training: --test-only."
            raise BadInput("a class has no readable training picture", value=name, remedy=remedy)


def _missing_notes(samples: pd.DataFrame, names: tuple[str, ...]) -> list[str]:
    """Of splits that have pictures, though not of every class."""
    labels = {split: set(samples.loc[samples["split"] == split, "label"]) for split in SPLITS}
    without = {split: [name for label, name in enumerate(names) if label not in labels[split]] for split in SPLITS}
    return [
        f"The {split} split has no picture of {counted(len(missing), 'class', 'classes')}: {listed(missing)}."
        for split, missing in without.items()
        if labels[split] and missing
    ]


def _columns_note(table: Table, columns: Columns) -> str:
    roles = {"the path": columns.path, "the label": columns.label, "the split": columns.split}
    roles |= {"the mask": columns.mask, "the id": columns.id}
    read = ", ".join(f"{role} from {table.columns[place]}" for role, place in roles.items() if place is not None)
    facts = [table.columns[place] for place in columns.facts if table.columns[place]]
    kept = f"; facts: {listed(facts, 12)}" if facts else ""
    return f"Of {table.name} were read {read}{kept}."
