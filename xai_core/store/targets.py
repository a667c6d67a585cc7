"""What a run's maps are about: what a user asks for, as the target of each sample, and where in the picture that is."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadInput, NotFound
from xai_core.label_maps import dense
from xai_core.models.preprocess import Preprocess
from xai_core.regions import CONFUSED, Mask, check_region, region_mask
from xai_core.task import SEGMENTATION
from xai_core.types import TARGET_SPECS, Target, resolve_target

if TYPE_CHECKING:
    from xai_core.store.run import Run

Rows = NDArray[np.int64]


def targets(run: Run, rows: Rows, spec: str) -> list[Target]:
    """What `spec` means for each of these rows: see `Run.targets`."""
    classes = len(run.study.class_names)
    if run.study.info.task == SEGMENTATION:
        fixed = None if spec in TARGET_SPECS else _fixed(spec, classes)
        background = run.study.has_background
        return [fixed or _main(confusion, spec, background) for confusion in _confusions(run, rows)]
    predictions = run.predictions
    if predictions is None or not predictions.have(rows).all():
        raise _unpredicted(run)
    if spec not in TARGET_SPECS and not (spec.isdecimal() and int(spec[:9]) < classes):
        raise NotFound.among("target", spec, [*TARGET_SPECS, *map(str, range(classes))])
    pairs = zip(predictions.at(rows).predicted.tolist(), run.study.labels[rows].tolist(), strict=True)
    return [resolve_target(spec, predicted, label) for predicted, label in pairs]


def predicted_rows(run: Run, rows: Rows) -> Rows:
    """Those of the rows of which the run said something: a class, or a class for every pixel."""
    if run.study.info.task != SEGMENTATION:
        return rows[run.predictions.have(rows)] if run.predictions is not None else rows[:0]
    return rows[[each is not None for each in _counts(run, rows)]] if len(rows) else rows


def cell_rows(run: Run, rows: Rows, true: int, predicted: int) -> Rows:
    """Those of the rows that are of a cell of the confusion matrix; of a segmenter those with a pixel in it."""
    if run.study.info.task != SEGMENTATION:
        known = predicted_rows(run, rows)
        if run.predictions is None:
            return known
        return known[(run.study.labels[known] == true) & (run.predictions.at(known).predicted == predicted)]
    return rows[pixels_of(run, rows, (true, predicted)) > 0]


def pixels_of(run: Run, rows: Rows, cell: tuple[int, int] | None) -> NDArray[np.int64]:
    """`(n,)` of a segmenter, how many pixels of each picture are of a cell of the confusion; without one, are wrong."""
    found = np.zeros(len(rows), np.int64)
    for place, each in enumerate(_counts(run, rows)):
        if each is not None:
            inside = each[:, 0] != each[:, 1] if cell is None else (each[:, :2] == cell).all(1)
            found[place] = each[inside, 2].sum()
    return found


def pictures_by_cell(run: Run, rows: Rows) -> NDArray[np.int64]:
    """`(K, K)` of a segmenter, in how many of the pictures a cell of the confusion has a pixel."""
    classes = len(run.study.class_names)
    found = np.zeros((classes, classes), np.int64)
    for each in _counts(run, rows):
        if each is not None:
            found[each[:, 0], each[:, 1]] += each[:, 2] > 0
    return found


def confusion_of(run: Run, row: int) -> NDArray[np.int64] | None:
    """`(K, K)` pixels of a picture, truth in rows; None where nothing was said of it."""
    (found,) = _counts(run, [row])
    return None if found is None else dense(found, len(run.study.class_names))


def region_of(run: Run, row: int, target: Target) -> Mask:
    """`(height, width)`: where in a picture a segmenter's target is. Raises BadInput where nothing was said of it."""
    store = run.label_maps()
    found = store.get(row) if store is not None else None
    if found is None:
        raise _unpredicted(run)
    return region_mask(target, run.study.label_map(row), found.label_map)


def mask_of(run: Run, row: int, target: Target) -> Mask | None:
    """`(height, width)`: the object that a map of the target ought to be on, or None where the sample has none.

    Of a classifier that is the sample's mask, of a segmenter the pixels that are annotated as the class.
    """
    if run.study.info.task != SEGMENTATION:
        return run.study.mask(row)
    there: Mask = run.study.label_map(row) == target.positive
    return there if there.any() else None


def asked_about(run: Run, row: int, target: Target, preprocess: Preprocess) -> Mask | None:
    """`(H, W)` on the pixels that the model sees: where what a map explains is; None where there is none.

    Of a segmenter every place that counts in the target's region. A classifier's output has no places: of it the
    sample's object. Raises as `region_of` and `mask_of`.
    """
    if run.study.info.task == SEGMENTATION:
        return preprocess.share(region_of(run, row, target)) > 0
    mask = mask_of(run, row, target)
    return None if mask is None else preprocess.mask(mask)


def _main(confusion: NDArray[np.int64], spec: str, background: bool) -> Target:
    """Of a picture the object with most pixels, as predicted or as annotated; or the mistake with most pixels."""
    wrong = confusion - np.diag(np.diag(confusion))
    if spec == "difference" and wrong.any():
        true, predicted = np.unravel_index(wrong.argmax(), wrong.shape)
        return Target(int(predicted), int(true), CONFUSED)
    region = "true" if spec == "true" else "predicted"
    pixels = confusion.sum(1 if region == "true" else 0)
    if background:
        pixels[0] = 0
    return Target(int(pixels.argmax()), region=region)


def _fixed(spec: str, classes: int) -> Target:
    target = check_region(Target.parse(spec))
    for index in (target.positive, target.negative):
        if index is not None and index >= classes:
            raise NotFound.among("class", str(index), map(str, range(classes)))
    return target


def _confusions(run: Run, rows: Rows) -> list[NDArray[np.int64]]:
    counts, classes = _counts(run, rows), len(run.study.class_names)
    if any(each is None for each in counts):
        raise _unpredicted(run)
    return [dense(each, classes) for each in counts if each is not None]


def _counts(run: Run, rows: Sequence[int] | Rows) -> list[NDArray[np.int64] | None]:
    store = run.label_maps()
    return [None] * len(rows) if store is None else store.counts(rows)


def _unpredicted(run: Run) -> BadInput:
    line = shlex.join(["xai", "predict", str(run.study.path), "--run", run.name])
    problem = "this run has no predictions for all of these samples"
    return BadInput(problem, value=run.name, remedy=f"Run this first: {line}.")
