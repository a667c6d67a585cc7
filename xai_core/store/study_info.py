"""What `study.json` holds, and how one of an earlier version is brought up to this one.

Reading changes nothing: an older study is brought up in memory, so that it opens wherever it lies, also where it cannot
be written. Whoever is about to write into a study brings its file up first; from then on an older program says that it
must be updated rather than take what it finds for damage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xai_core.errors import NewerSchema, XaiError
from xai_core.files import damaged, locked
from xai_core.store import files
from xai_core.task import CLASSIFICATION, task

SCHEMA = 2
STUDY_FILE = "study.json"


@dataclass(frozen=True)
class StudyInfo:
    """What `study.json` holds.

    Attributes:
        schema: version of the folder's layout.
        task: key of what the study's models do.
        dataset: key of the dataset; `dataset_params` are its parameters.
        data: the data folder: relative to the study where it lies inside, else absolute.
        class_names: K names; labels index them.
        seed: from which every random choice of the study derives.
        created: ISO time, UTC.
        samples_digest: sha256 of the sample table's content.
        unreadable: (relative path, reason) of files left out.
        notes: facts a person should know, one sentence each.
        class_ids: K ids that the data has for its classes where people have other names; else ().
    """

    schema: int
    task: str
    dataset: str
    dataset_params: dict[str, Any]
    data: str
    class_names: tuple[str, ...]
    seed: int
    created: str
    samples_digest: str
    unreadable: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    class_ids: tuple[str, ...] = ()


def write(folder: Path, info: StudyInfo) -> None:
    """Write the file anew. Raises StorageFull and BadInput; the old one is then untouched."""
    files.write_json(folder / STUDY_FILE, asdict(info))


def read(folder: Path) -> StudyInfo:
    """What the file of a study says, whichever version wrote it.

    Raises:
        NewerSchema: a newer version did.
        BadInput: it is damaged.
    """
    path = folder / STUDY_FILE
    values, _ = _read(path)
    try:
        if _typed(values, "seed", int) < 0:
            raise ValueError("a seed below 0")
        if "\0" in _typed(values, "data", str):
            raise ValueError("data is no path")
        return StudyInfo(
            schema=SCHEMA,
            task=task(_typed(values, "task", str)).key,
            **{name: _typed(values, name, str) for name in ("dataset", "data", "created", "samples_digest")},
            dataset_params=_typed(values, "dataset_params", dict),
            class_names=_texts(values, "class_names"),
            seed=_typed(values, "seed", int),
            unreadable=tuple((str(file), str(reason)) for file, reason in _typed(values, "unreadable", list)),
            notes=_texts(values, "notes"),
            class_ids=_ids(values),
        )
    except (TypeError, ValueError, XaiError) as error:
        raise damaged(path, error) from None


def bring_up(folder: Path) -> None:
    """Bring the file of an older study up to this version, in place; a current one is left alone.

    One file is replaced as a whole, so a kill at any moment leaves the old version or the new one, which say the same.

    Raises:
        NewerSchema: a newer version wrote it.
        BadInput: it is damaged, or cannot be written.
        StorageFull: no room.
    """
    with changing(folder):
        pass


@contextmanager
def changing(folder: Path) -> Iterator[dict[str, Any]]:
    """The values of the file, brought up, to change; they are written when the block ends, if anything is new.

    Others who change it wait meanwhile. Raises as `bring_up`.
    """
    path = folder / STUDY_FILE
    with ExitStack() as held:
        with suppress(OSError):  # without locks on this file system the last one who writes counts
            held.enter_context(locked(folder, wait=True))
        values, stored = _read(path)
        before = dict(values)
        yield values
        if stored < SCHEMA or values != before:
            files.write_json(path, values)


def _read(path: Path) -> tuple[dict[str, Any], int]:
    """The values as this version has them, and the version in which they are stored."""
    values = files.read_json(path)
    stored = values.get("schema")
    if type(stored) is not int or stored < 1:
        raise damaged(path, "no schema version")
    if stored > SCHEMA:
        raise NewerSchema("a newer version wrote this study", value=path.parent.name, remedy="Update Second Look.")
    for version in range(stored, SCHEMA):
        values = {**_STEPS[version](values), "schema": version + 1}
    return values, stored


def _with_task(values: dict[str, Any]) -> dict[str, Any]:
    """Version 1 knew classifiers alone."""
    return {"schema": 2, "task": CLASSIFICATION, **{name: value for name, value in values.items() if name != "task"}}


_STEPS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _with_task}
"""By version, how it becomes the next one."""


def _texts(values: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = _typed(values, name, list)
    if not all(isinstance(text, str) for text in found):
        raise TypeError(f"{name} holds something other than text")
    return tuple(found)


def _ids(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Of a study of earlier versions, and of one whose classes have no ids of their own, there are none."""
    found = _texts(values, "class_ids") if "class_ids" in values else ()
    if found and len(found) != len(values["class_names"]):
        raise ValueError("not one of class_ids for each of class_names")
    return found


def _typed(values: Mapping[str, Any], name: str, kind: type) -> Any:
    if not isinstance(values.get(name), kind):
        raise TypeError(f"{name} is missing or of the wrong type")
    return values[name]
