"""One file of COCO, read as what may come from anybody: its pictures, what is annotated in each, and its categories."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xai_core.datasets import runs
from xai_core.errors import BadInput
from xai_core.files import read_plain
from xai_core.label_maps import IGNORE, LabelMap
from xai_core.pictures import MAX_MEGAPIXELS
from xai_core.text import counted, plain_name

_LARGEST = 2 * 2**30
_EXPORT = "Export it anew as COCO."

CROWDS = IGNORED, OBJECTS = "ignored", "objects"
"""What annotations with `iscrowd` are: several objects that nobody told apart, as COCO means it, or objects as others.
Some tools write all run lengths so: Datumaro, by which CVAT writes masks that were painted."""


@dataclass(frozen=True)
class Annotation:
    """One object: its category's name, its outline as the file has it, and whether it is a crowd. `id` for people."""

    id: str
    category: str
    outline: Any
    box: Any
    crowd: bool


def crowds_note(count: int, option: str) -> list[str]:
    """What is told of crowds that are ignored, and the option that takes them as objects; nothing without any."""
    if not count:
        return []
    many = counted(count, "annotation is a crowd", "annotations are crowds")
    return [f"{many} (iscrowd 1), of whose pixels nothing is learned. If a tool wrote objects so: {option}."]


@dataclass
class Annotated:
    """A picture of the file: `name` with `/`, `size` width and height as the file says, None where unusable."""

    name: str
    size: tuple[int, int] | None
    annotations: list[Annotation] = field(default_factory=list)


@dataclass(frozen=True)
class CocoFile:
    """What a file says.

    Attributes:
        pictures: in the file's order.
        categories: names, each once, in the file's order.
        lost: annotations left out, by reason.
    """

    pictures: Sequence[Annotated]
    categories: tuple[str, ...]
    lost: Mapping[str, Sequence[str]]


def read_coco(path: Path, shown: str, crowds: str = IGNORED) -> CocoFile:
    """The file at `path`, which errors call `shown`.

    Ids may be numbers or texts. An annotation of no known picture or category is left out; everything else that is
    wrong with the lists is an error, since it says that this is no file of COCO, or half of one.

    Raises:
        BadInput: it cannot be read, is no JSON or no COCO, or an id stands for two pictures or two categories.
    """
    content = _content(path, shown)
    lists = {}
    for key in ("images", "annotations", "categories"):
        value = content.get(key) if isinstance(content, dict) else None
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise BadInput("no file of COCO", value=shown, remedy=f'It has no list "{key}" of objects. {_EXPORT}')
        lists[key] = value
    categories = _by_id(lists["categories"], "categories", "name", shown)
    pictures = {
        key: Annotated(name.replace("\\", "/"), _size(entry))
        for key, (name, entry) in _by_id(lists["images"], "images", "file_name", shown).items()
    }
    names = {key: plain_name(name) for key, (name, _) in categories.items()}
    lost: dict[str, list[str]] = {}
    for place, entry in enumerate(lists["annotations"], 1):
        known = _id(entry.get("id")) or f"the one in place {place:,}"
        picture, category = pictures.get(_id(entry.get("image_id"))), names.get(_id(entry.get("category_id")))
        if picture is None or category is None:
            lost.setdefault(f"of no {'category' if picture else 'picture'} of the file", []).append(known)
            continue
        crowd = crowds == IGNORED and entry.get("iscrowd") in (1, "1")
        picture.annotations.append(Annotation(known, category, entry.get("segmentation"), entry.get("bbox"), crowd))
    return CocoFile(list(pictures.values()), tuple(dict.fromkeys(names.values())), lost)


def _content(path: Path, shown: str) -> Any:
    try:
        return json.loads(read_plain(path, _LARGEST))
    except OSError as error:
        remedy = f"Check the file: {error.strerror}."
        raise BadInput("the annotations cannot be read", value=shown, remedy=remedy) from None
    except (ValueError, RecursionError) as error:  # of text that is not UTF-8, too
        reason = " ".join(str(error).split()) or "it is nested too deeply"
        raise BadInput("the annotations are no JSON", value=shown, remedy=f"{_EXPORT} ({reason}.)") from None


def _by_id(entries: Sequence[Any], what: str, name: str, shown: str) -> dict[str, tuple[str, Any]]:
    """Name and entry by id."""
    found: dict[str, tuple[str, Any]] = {}
    for place, entry in enumerate(entries, 1):
        key, called = _id(entry.get("id")), entry.get(name)
        if not key or not isinstance(called, str) or not plain_name(called) or "\0" in called:
            value = f"{shown}, {what}, place {place:,}"
            raise BadInput(f"an entry without id or {name}", value=value, remedy=_EXPORT)
        if key in found and found[key][0] != called:
            value = f"{shown}, {what}, id {key}"
            raise BadInput("one id stands for two", value=value, remedy=f"{found[key][0]} and {called} need their own.")
        found[key] = called, entry
    return found


def _id(value: Any) -> str:
    """An id as text: 7, 7.0 and "7" are one. "" for what is no id."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() if isinstance(value, (int, str)) and not isinstance(value, bool) else ""


def _size(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    width, height = _id(entry.get("width")), _id(entry.get("height"))
    if all(side.isascii() and side.isdigit() and 0 < len(side) < 10 and int(side) for side in (width, height)):
        return (int(width), int(height)) if int(width) * int(height) <= MAX_MEGAPIXELS * 1e6 else None
    return None


def shape_of(annotation: Annotation, size: tuple[int, int]) -> tuple[runs.Runs, str]:
    """The annotation's pixels in a picture of this width and height, and "" or why only its box is known.

    Raises:
        BadShape: neither outline nor box can be used.
    """
    width, height = size
    try:
        return _outline(annotation.outline, width, height), ""
    except runs.BadShape as error:
        try:
            left, top, wide, high = (float(number) for number in annotation.box)
            corners = [left, top, left + wide, top, left + wide, top + high, left, top + high]
            box = runs.of_polygons([corners], height, width)
        except (TypeError, ValueError, OverflowError):  # of which BadShape is one
            raise error from None
        if not runs.area(box):
            raise error from None
        return box, str(error)


def _outline(outline: Any, width: int, height: int) -> runs.Runs:
    if isinstance(outline, dict):
        if outline.get("size") != [height, width]:
            raise runs.BadShape("run lengths of a picture of another size")
        return runs.of_counts(outline.get("counts"), height, width)
    if not isinstance(outline, list):
        raise runs.BadShape("no outline")
    nested = outline if any(isinstance(part, list) for part in outline) else [outline] if outline else []
    whole = [part for part in nested if not isinstance(part, list) or len(part) >= 6]  # others have no inside
    return runs.of_polygons(whole or nested, height, width)


def label_map_of(
    annotations: Sequence[Annotation], labels: Mapping[str, int], size: tuple[int, int]
) -> tuple[LabelMap, dict[str, list[str]]]:
    """The label map of a picture, `(height, width)` uint8, and the ids of annotations that are not whole, by reason.

    Crowds, and the boxes of objects whose outline cannot be used, are to be ignored wherever no object is annotated.
    Over them come objects, the largest first, so that a thin or small one is not hidden; of equal ones the later
    annotation is on top. A box that lies beside its own outline, as Label Studio's converter writes it, is none.

    Args:
        labels: class index by name of category; others are background.
        size: width and height that the outlines are drawn in.
    """
    shapes: list[tuple[bool, int, runs.Runs, int]] = []
    told: dict[str, list[str]] = {}
    outlined = {_box_of(each) for each in annotations if each.outline} - {None}
    for annotation in annotations:
        if annotation.category not in labels or (not annotation.outline and _box_of(annotation) in outlined):
            continue
        try:
            found, why = shape_of(annotation, size)
        except runs.BadShape as error:
            told.setdefault(f"{error}: not in the label map", []).append(annotation.id)
            continue
        area = runs.area(found)
        if why or not area:
            told.setdefault(f"{why}: its box is ignored" if why else "not a pixel of the picture", []).append(
                annotation.id
            )
        unknown = annotation.crowd or bool(why)
        shapes.append((not unknown, -area, found, IGNORE if unknown else labels[annotation.category]))
    shapes.sort(key=lambda shape: shape[:2])
    return runs.painted([(found, value) for _, _, found, value in shapes], size[1], size[0]), told


def _box_of(annotation: Annotation) -> tuple[str, tuple[int, ...]] | None:
    """Category and box on whole pixels, by which an object is known again; None without a box."""
    try:
        return annotation.category, tuple(round(float(number)) for number in annotation.box)
    except (TypeError, ValueError, OverflowError):
        return None
