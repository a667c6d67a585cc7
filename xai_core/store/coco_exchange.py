"""A version of the annotation as a file of COCO, and such a file, edited elsewhere, as changes of a version."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xai_core import __version__
from xai_core.datasets.coco_file import IGNORED, Annotated, Annotation, crowds_note, label_map_of, read_coco
from xai_core.datasets.coco_out import annotations_of
from xai_core.errors import BadInput, BadParameter
from xai_core.files import write_atomic
from xai_core.label_maps import BACKGROUND, IGNORE, LabelMap, resized
from xai_core.pictures import same_shape
from xai_core.store import versions
from xai_core.store.files import check_new_file
from xai_core.store.journal import Entry
from xai_core.store.patches import Patch
from xai_core.store.study import Study
from xai_core.text import counted, listed
from xai_core.types import CancelToken, Progress, silent

POLYGONS, RUN_LENGTHS = "polygons", "rle"
FORMS = (POLYGONS, RUN_LENGTHS)


@dataclass(frozen=True)
class Exported:
    """What was written: pictures, annotations, and how many of these are run lengths."""

    pictures: int
    annotations: int
    run_lengths: int


@dataclass
class Imported:
    """What was read.

    Attributes:
        pictures: of the study, that the file names; `changed` of them were changed.
        notes: what a person should know.
    """

    pictures: int = 0
    changed: int = 0
    notes: list[str] = field(default_factory=list)


def write_coco(
    study: Study,
    name: str,
    path: Path,
    form: str = POLYGONS,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Exported:
    """The pictures of train and validation with a version's annotation, or with the original one.

    Raises:
        BadParameter: something is at `path`, or no such form.
        NotFound: no such version. Cancelled: nothing is written then.
    """
    check_new_file(path, "file of COCO")
    if form not in FORMS:
        raise BadParameter("no form of regions", value=form, remedy=f"Choose from {', '.join(FORMS)}.")
    content = _content(study, name, form == POLYGONS, progress, cancel)
    write_atomic(path, json.dumps(content, ensure_ascii=False).encode("utf-8", "backslashreplace"))
    run_lengths = sum(isinstance(one["segmentation"], dict) for one in content["annotations"])
    return Exported(len(content["images"]), len(content["annotations"]), run_lengths)


def _content(study: Study, name: str, outlines: bool, progress: Progress, cancel: CancelToken | None) -> dict[str, Any]:
    read, rows = versions.reader(study, name), _rows(study)
    first = 1 if study.has_background else 0
    categories = {index: index + 1 - first for index in range(first, len(study.class_names))}
    images, found = list[dict[str, Any]](), list[dict[str, Any]]()
    for number, row in enumerate(rows, 1):
        if cancel is not None:
            cancel.check()
        label_map, sample = read(row), study.samples.iloc[row]
        images.append(
            {
                "id": number,
                "file_name": str(sample["id"]),
                "width": label_map.shape[1],
                "height": label_map.shape[0],
                "split": str(sample["split"]),
            }
        )
        for one in annotations_of(label_map, categories, outlines=outlines):
            found.append({"id": len(found) + 1, "image_id": number, **one})
        progress(number, len(rows), "pictures")
    kinds = [{"id": category, "name": study.class_names[index]} for index, category in categories.items()]
    about = f"{study.name}, annotation {name or 'original'}, by Second Look {__version__}"
    return {"info": {"description": about}, "images": images, "annotations": found, "categories": kinds}


def read_changes(
    study: Study,
    name: str,
    path: Path,
    by: str,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
    crowds: str = IGNORED,
) -> Imported:
    """Make what a file of COCO says of the study's pictures part of a version, as one act that can be taken back.

    A picture that the file does not list stays as it is. Pixels to ignore stay so where the file has no object: tools
    that know no crowds lose them. All or nothing is taken.

    Raises:
        BadInput: no COCO, a category that is no class of the study, no picture of the study, a picture of another
            aspect ratio, or an annotation of the test split that differs from the study's.
        BadParameter: no name for a version, or nobody is named. Cancelled: nothing is changed then.
    """
    version, found = versions.Version(study, name), read_coco(path, path.name, crowds)
    who = versions.checked_person(by)
    labels = _labels(study, found.categories, path.name)
    places, told = _places(study, found.pictures, path.name), Imported()
    entries, problems, unseen = list[Entry](), Counter[str](), 0
    for done, (row, picture) in enumerate(places.items(), 1):
        if cancel is not None:
            cancel.check()
        before = version.label_map(row)
        after, reasons = _drawn(study, picture, labels, before)
        problems.update({reason: len(ids) for reason, ids in reasons.items()})
        if ((after == IGNORE) & (before != IGNORE)).any():
            unseen += sum(one.crowd for one in picture.annotations)
        if (before != after).any():
            entries.append(Entry(row, "import", "import", "", Patch.between(before, after)))
        progress(done, len(places), "pictures")
    tested = [str(study.samples["id"].iat[one.row]) for one in entries if study.samples["split"].iat[one.row] == "test"]
    if tested:
        remedy = "The test split judges every model as it is: take these pictures out of the file, or put them back."
        raise BadInput("the file changes pictures of the test split", value=listed(tested), remedy=remedy)
    if entries:
        version.record(entries, who)
    told.pictures, told.changed = len(places), len(entries)
    lost = len(found.pictures) - len(places)
    if lost:
        told.notes.append(f"{counted(lost, 'picture', 'pictures')} of the file not in this study: left out.")
    told.notes += [f"{counted(count, 'annotation')} {reason}." for reason, count in problems.items()]
    told.notes += [f"{counted(len(ids), 'annotation')} {reason}: left out." for reason, ids in found.lost.items()]
    told.notes += crowds_note(unseen, "--crowds objects")
    return told


def _rows(study: Study) -> list[int]:
    return sorted(int(row) for split in versions.CHANGED for row in study.rows(split))


def _labels(study: Study, categories: Sequence[str], shown: str) -> dict[str, int]:
    """Class by name of category."""
    classes = {name.casefold(): index for index, name in enumerate(study.class_names)}
    if study.has_background:
        classes[BACKGROUND] = 0
    unknown = [name for name in categories if name.casefold() not in classes]
    if unknown:
        remedy = f"The study's classes are {listed(list(study.class_names))}: rename or remove the category."
        raise BadInput("a category that is no class of the study", value=f"{shown}: {listed(unknown)}", remedy=remedy)
    return {name: classes[name.casefold()] for name in categories}


def _places(study: Study, pictures: Sequence[Annotated], shown: str) -> dict[int, Annotated]:
    """By row what the file says of it: pictures go by id, else by its longest end that is one's alone.

    Label Studio writes where it serves a picture from (`/data/local-files/?d=train/0001.jpg`), and before the name of
    one that was uploaded eight digits (`images/1a2b3c4d-0001.jpg`).
    """
    ids = [str(key) for key in study.samples["id"]]
    many = Counter(end for key in ids for end in _ends(key))
    rows = {end: row for row, key in enumerate(ids) for end in _ends(key) if many[end] == 1 or end == key}
    found: dict[int, Annotated] = {}
    for picture in pictures:
        name = picture.name.rpartition("?d=")[2]
        row = next((rows[end] for end in (*_ends(name), *_ends(_UPLOADED.sub("", name))) if end in rows), None)
        if row is None:
            continue
        if row in found:
            raise BadInput("a picture is listed twice", value=f"{shown}: {picture.name}", remedy="List each once.")
        found[row] = picture
    if not found:
        first = pictures[0].name if pictures else "none"
        remedy = f"It names {first}; the study's first is {next(iter(ids), 'none')}."
        raise BadInput("the file names no picture of this study", value=shown, remedy=remedy)
    return found


_UPLOADED = re.compile(r"(?<![^/])[0-9a-f]{8}-(?=[^/]+$)")


def _ends(name: str) -> list[str]:
    """`a/b/c`, `b/c`, `c`."""
    parts = name.split("/")
    return ["/".join(parts[at:]) for at in range(len(parts))]


def _drawn(
    study: Study, picture: Annotated, labels: Mapping[str, int], before: LabelMap
) -> tuple[LabelMap, Mapping[str, Sequence[str]]]:
    """The picture's label map by the file, on the study's pixels, and annotations that are not whole, by reason."""
    high, wide = before.shape
    size_of = picture.size or (None if picture.annotations else (wide, high))  # Label Studio says none without objects
    if size_of is None or not same_shape(size_of, (wide, high)):
        size = "×".join(map(str, size_of or ("?", "?")))
        remedy = "Annotate the picture as the study reads it."
        raise BadInput("a picture of another shape", value=f"{picture.name}: {size} for {wide}×{high}", remedy=remedy)
    width, height = size_of
    annotations = list(picture.annotations)
    if not study.has_background and labels:  # what nobody annotated is of no known class
        corners = [[0, 0, width, 0, width, height, 0, height]]
        annotations.insert(0, Annotation("", next(iter(labels)), corners, None, True))
    drawn, told = label_map_of(annotations, labels, size_of)
    found = resized(drawn, (0.0, 0.0, float(width), float(height)), high, wide, study.has_background)
    if not any(one.crowd for one in picture.annotations):
        found = np.where((before == IGNORE) & (found == 0), IGNORE, found) if study.has_background else found
    return found.astype(np.uint8), told
