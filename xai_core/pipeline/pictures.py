"""A study's pictures as training reads them: in memory where they fit, else from files of resized rows in the study."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadInput, StorageFull
from xai_core.files import damaged, locked, read_plain, storage_errors, write_atomic
from xai_core.models.preprocess import LATER, Preprocess
from xai_core.params import digest
from xai_core.store.files import read_json, write_json
from xai_core.store.study import Study
from xai_core.store.versions import digest_of, is_original, reader
from xai_core.task import SEGMENTATION
from xai_core.text import counted
from xai_core.training.data import PictureArrays, TrainingData, batches
from xai_core.training.rows import FileRows, Rows, in_order, write_rows
from xai_core.training.tiles import Tiles
from xai_core.types import CancelToken, Progress, silent
from xai_core.words import percent

CACHE, MANIFEST = "cache", "manifest.json"
ROWS, CHECKSUMS, PRESENT = "rows.bin", "checksums.bin", "present.bin"
MOST_IN_MEMORY = 4 * 2**30
"""Bytes of pictures and masks that are held in memory, if the machine has four times as much; more lie on the disk."""

INVERTED = 0.6
"""Masks that cover more than this share of their pictures and of the edges are taken for their opposite."""

_LONGEST = 2**31


@dataclass(frozen=True)
class Plane:
    """What is kept of each sample of a split: its picture or its mask.

    Attributes:
        split: which samples.
        what: `pictures`, `masks` or `label maps`.
        shape: of one sample.
        fit: how it is brought to that shape.
        version: of label maps, the version of the annotation; "" for the original.
        make: the row of a sample as `shape` uint8; None where a sample has none.
    """

    split: str
    what: str
    shape: tuple[int, ...]
    fit: Any
    make: Callable[[int], NDArray[np.uint8] | None]
    version: str = ""


@dataclass(frozen=True)
class Filled:
    """Rows of a split, and `(n,)` bool which of them are there at all; the others are 0."""

    rows: Rows
    present: NDArray[np.bool_]


def training_data(
    study: Study,
    preprocess: Preprocess,
    *,
    masks: bool = False,
    annotations: str = "",
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> TrainingData:
    """The training and validation pictures, resized, and the training pictures' masks where they are asked for.

    Args:
        annotations: of segmentation, the version of the annotation that is learned from. What chooses the epoch stays
            the original one, as what judges it does: see ADR 55.

    Raises:
        BadInput: a picture or mask that cannot be read, or no picture of the training split has a mask.
        StorageFull: they fit neither in memory nor on the study's disk.
        Cancelled: asked to stop.
    """
    kept = preprocess.canvas
    planes = [_pictures(study, split, kept) for split in ("train", "validation")]
    if study.task.key == SEGMENTATION:
        planes += [
            _label_maps(study, "train", kept, annotations),
            _label_maps(study, "validation", kept),
        ]
    if masks:
        planes.append(_masks(study, kept))
    needed = sum(len(study.rows(plane.split)) * int(np.prod(plane.shape)) for plane in planes)
    fill = partial(_in_memory if needed <= most_in_memory() else _on_disk, study, progress=progress, cancel=cancel)
    found = [fill(plane) for plane in planes]
    splits = [
        PictureArrays(one.rows, study.labels[study.rows(plane.split)])
        for plane, one in zip(planes[:2], found[:2], strict=True)
    ]
    if study.task.key == SEGMENTATION:
        splits = [replace(split, label_maps=one.rows) for split, one in zip(splits, found[2:4], strict=True)]
    if preprocess.tiled:
        rows = [study.rows(plane.split) for plane in planes[:2]]
        splits = [replace(one, tiles=tiles_of(study, some, preprocess)) for one, some in zip(splits, rows, strict=True)]
    if masks:
        mask = found[-1]
        if not mask.present.any():
            remedy = "Make the study with masks (xai new --masks), or train without what needs them."
            raise BadInput("no picture of the training split has a mask", value=study.name, remedy=remedy)
        splits[0] = replace(splits[0], masks=mask.rows, has_mask=mask.present)
    return TrainingData(splits[0], splits[1], study.class_names, preprocess, study.task)


def checked_masks(arrays: PictureArrays) -> list[str]:
    """What a person should know of the masks that are trained with, in sentences.

    Raises:
        BadInput: all are empty.
    """
    assert arrays.masks is not None
    assert arrays.has_mask is not None
    there, empty, area, edge = np.flatnonzero(arrays.has_mask), 0, 0.0, 0.0
    for rows in batches(there, 256):
        planes = arrays.masks[rows] > 0
        empty += int((~planes.any((1, 2))).sum())
        area += float(planes.mean((1, 2)).sum())
        edge += float(np.concatenate([planes[:, [0, -1]], planes[:, :, [0, -1]].swapaxes(1, 2)], 2).mean((1, 2)).sum())
    objects, without = len(there) - empty, len(arrays) - len(there)
    if not objects:
        remedy = "In a mask the object is white. Check the files, or train without what needs masks."
        raise BadInput("every mask of the training split is empty", value=counted(len(there), "mask"), remedy=remedy)
    notes = []
    if without or empty:
        left = f"{without:,} of {len(arrays):,} training pictures have no mask and {empty:,} an empty one"
        notes.append(f"{left}: what goes by masks leaves these out.")
    area, edge = area / objects, edge / objects
    if area > INVERTED and edge > INVERTED:
        covered = f"{percent(area)} of their pictures and {percent(edge)} of the edges"
        notes.append(f"Masks cover {covered}, as a background does: are black and white the wrong way round?")
    return notes


def most_in_memory() -> int:
    """MOST_IN_MEMORY, or a fourth of this machine's memory where that is less."""
    return min(MOST_IN_MEMORY, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4)


def cache_bytes(study: Study) -> int:
    """How much room the study's cache of pictures takes."""
    return sum(file.stat().st_size for file in (study.path / CACHE).rglob("*") if file.is_file())


def _pictures(study: Study, split: str, preprocess: Preprocess) -> Plane:
    shape = (preprocess.height, preprocess.width, preprocess.channels)
    return Plane(split, "pictures", shape, _fit(preprocess), lambda row: preprocess.pixels(study.picture(row)))


def _masks(study: Study, preprocess: Preprocess) -> Plane:
    def make(row: int) -> NDArray[np.uint8] | None:
        mask = study.mask(row)
        return None if mask is None else preprocess.mask(mask).astype(np.uint8)

    return Plane("train", "masks", (preprocess.height, preprocess.width), _fit(preprocess), make)


def _label_maps(study: Study, split: str, preprocess: Preprocess, version: str = "") -> Plane:
    read = reader(study, version)

    def make(row: int) -> NDArray[np.uint8]:
        return preprocess.label_map(read(row), study.has_background)

    shape, known = (preprocess.height, preprocess.width), "" if is_original(version) else version
    return Plane(split, "label maps", shape, _fit(preprocess), make, known)


def tiles_of(study: Study, rows: NDArray[np.int64], preprocess: Preprocess) -> Tiles:
    """How these pictures lie on their canvases, for a model that sees them in tiles."""
    canvas = preprocess.canvas
    sizes = study.samples[["width", "height"]].to_numpy()[rows].tolist()
    inside = np.array([canvas.inside(*size) for size in sizes], np.int64).reshape(-1, 4)
    return Tiles(preprocess.height, preprocess.width, inside, study.has_background)


def _fit(preprocess: Preprocess) -> list[Any]:
    """Everything but the size and what normalises; at the defaults what it was before there were any other."""
    later = {name: value for name, value in preprocess.as_dict().items() if name in LATER and name != "resize"}
    return [preprocess.fit, preprocess.resize, *([later] if later else [])]


def _in_memory(study: Study, plane: Plane, progress: Progress, cancel: CancelToken | None) -> Filled:
    samples = study.rows(plane.split)
    rows = np.zeros((len(samples), *plane.shape), np.uint8)
    present = np.zeros(len(samples), bool)
    for place, made in enumerate(in_order(plane.make, samples, plane.what, progress, cancel)):
        present[place] = made is not None
        if made is not None:
            rows[place] = made
    return Filled(rows, present)


def _on_disk(study: Study, plane: Plane, progress: Progress, cancel: CancelToken | None) -> Filled:
    """The same out of the study's cache, which is made where there is none, or none of what the files now hold.

    Pictures are known by name, size and time of change of their files; masks by their digest, label maps by that of
    their version.
    """
    samples = study.rows(plane.split)
    state = _state(study, plane, progress, cancel)
    about = _about(study, plane, state)
    folder = study.path / CACHE / f"{plane.what.replace(' ', '-')}-{plane.split}-{digest(about['identity'])[:8]}"
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder, cancel):
        try:
            return _kept(folder, about, (len(samples), *plane.shape))
        except (BadInput, OSError):
            _check_room(folder, len(samples) * int(np.prod(plane.shape)))
            _fill(folder, about, in_order(plane.make, samples, plane.what, progress, cancel), plane)
    return _kept(folder, about, (len(samples), *plane.shape))


def _state(study: Study, plane: Plane, progress: Progress, cancel: CancelToken | None) -> str:
    if plane.what == "pictures":
        return _stamps(study, plane.split)
    return digest_of(study, plane.version) if plane.version else study.digest_masks(progress, cancel)


def _about(study: Study, plane: Plane, state: str) -> dict[str, Any]:
    """What a cache is of, and what tells that it is no longer so."""
    version = {"version": plane.version} if plane.version else {}  # caches of before knew the original alone
    identity = version | {
        "samples": study.info.samples_digest,
        "dataset": [study.info.dataset, study.info.dataset_params],
        "plane": [plane.what, plane.split, list(plane.shape), plane.fit],
    }
    return {"identity": identity, "state": state}


def _stamps(study: Study, split: str) -> str:
    """Digest of size and time of change of a split's files, and of those on top of the data folder: archives."""
    paths = [study.data / path for path in sorted(set(study.samples["path"].to_numpy()[study.rows(split)]))]
    if study.data.is_dir():
        paths += sorted(path for path in study.data.iterdir() if path.is_file())
    return digest([_stamp(path) for path in paths])


def _stamp(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]


def _kept(folder: Path, about: Mapping[str, Any], shape: tuple[int, ...]) -> Filled:
    """What lies in a folder. Raises BadInput or OSError where it is not whole, or not `about` this."""
    manifest = read_json(folder / MANIFEST)
    if any(manifest.get(name) != value for name, value in about.items()):
        raise damaged(folder / MANIFEST, "it is about other files")
    sums = np.frombuffer(read_plain(folder / CHECKSUMS, _LONGEST), "<u4").astype(np.uint32)
    present = np.frombuffer(read_plain(folder / PRESENT, _LONGEST), np.bool_)
    if manifest.get("content") != _content(sums, present) or len(present) != shape[0]:
        raise damaged(folder / CHECKSUMS, "it is not as it was written")
    return Filled(FileRows(folder / ROWS, shape, sums), present)


def _fill(folder: Path, about: Mapping[str, Any], rows: Iterator[NDArray[np.uint8] | None], plane: Plane) -> None:
    """Write it anew; whole once its manifest is there. Whoever has the former rows open keeps them."""
    present: list[bool] = []
    nothing = np.zeros(plane.shape, np.uint8)

    def each() -> Iterator[NDArray[np.uint8]]:
        for row in rows:
            present.append(row is not None)
            yield nothing if row is None else row

    try:
        with storage_errors(folder):
            for name in (MANIFEST, ROWS):
                (folder / name).unlink(missing_ok=True)
        sums = write_rows(folder / ROWS, each())
        there = np.array(present, np.bool_)
        write_atomic(folder / CHECKSUMS, sums.astype("<u4").tobytes())
        write_atomic(folder / PRESENT, there.tobytes())
        write_json(folder / MANIFEST, {**about, "content": _content(sums, there)})
    except BaseException:
        with contextlib.suppress(OSError):
            (folder / ROWS).unlink()  # gives its room back at once
        raise


def _content(sums: NDArray[np.uint32], present: NDArray[np.bool_]) -> str:
    return digest([sums.tolist(), present.tolist()])


def _check_room(folder: Path, needed: int) -> None:
    with storage_errors(folder):
        free = shutil.disk_usage(folder).free
    if free < needed:
        value = f"{needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free"
        remedy = "Free some space, use a smaller --size, or put the study on another disk."
        raise StorageFull("the resized pictures do not fit on the study's disk", value=value, remedy=remedy)


@contextlib.contextmanager
def _alone(folder: Path, cancel: CancelToken | None) -> Iterator[None]:
    """Whoever else fills this folder is waited for. Where the file system knows no locks, nobody is."""
    with contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(locked(folder, wait=False))
                break
            except BlockingIOError:
                if cancel is not None:
                    cancel.check()
                time.sleep(0.2)
            except OSError:
                break
        yield
