"""New pictures that somebody looks at: predicted and explained in steps, into a folder of the session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from xai_core.explainers import EXPLAINERS
from xai_core.explainers.engine.pauses import working_time
from xai_core.params import build
from xai_core.pipeline.load import Bench
from xai_core.pipeline.new_pictures import (
    Given,
    Methods,
    NewPicture,
    ask_pictures,
    check_picture_methods,
    explain_pictures,
    target_of,
)
from xai_core.pipeline.steps import Steps, first_size, next_size
from xai_core.store.maps import MISSING
from xai_core.store.new_pictures import NewPictures
from xai_core.store.run import Run

BATCH = 8
"""Pictures that are read and predicted in one step."""


def look_steps(
    bench: Bench, run: Run, given: Mapping[int, Given], methods: Methods, target: str, into: NewPictures
) -> Steps:
    """Predict pictures and make their heatmaps, step by step; what is there already is not made again.

    Yields (pictures predicted, pictures in all) without methods, else (maps done, maps in all).

    Args:
        bench: whose models.
        run: which.
        given: pictures by their numbers; their names differ.
        methods: keys and parameters; none for predictions alone.
        target: as of `explain_pictures`.
        into: where it is kept.

    Raises:
        BadInput, UnsafeFile: the run's model cannot be loaded.
        NotFound, BadParameter, NotApplicable: as of `check_picture_methods`.
    """
    total, numbers = len(given) * max(1, len(methods)), list(given)
    yield 0, total
    check_picture_methods(bench, run, methods)
    pictures: dict[int, NewPicture] = {}
    for first in range(0, len(numbers), BATCH):
        part = numbers[first : first + BATCH]
        pictures |= _asked(bench, run, {number: given[number] for number in part}, into)
        yield 0 if methods else first + len(part), total
    done = total - len(pictures) * len(methods)
    for key, values in methods:
        for count in _explained(bench, run, pictures, key, values, target, into):
            done += count
            yield done, total


def _asked(bench: Bench, run: Run, given: Mapping[int, Given], into: NewPictures) -> dict[int, NewPicture]:
    """What could be read and predicted of these, by number; of the others it is noted why not."""
    numbers, left_out = {each.name: number for number, each in given.items()}, dict[str, str]()
    found = [each for batch in ask_pictures(bench, run, list(given.values()), left_out) for each in batch]
    for each in found:
        if into.said(numbers[each.name]) is None:
            into.put(numbers[each.name], each.picture, each.probabilities, each.regions, each.label_map)
    for name, reason in left_out.items():
        into.leave_out(numbers[name], reason)
    return {numbers[each.name]: each for each in found}


def _explained(
    bench: Bench,
    run: Run,
    pictures: Mapping[int, NewPicture],
    key: str,
    values: Mapping[str, Any],
    target: str,
    into: NewPictures,
) -> Iterator[int]:
    """Make what is missing of one method's maps; yields how many maps each step was to give."""
    params: Any = build(EXPLAINERS[key].params, values)
    targets = {number: target_of(each, target).key for number, each in pictures.items()}
    known = into.maps(key, params)
    state = known.state(list(targets), list(targets.values())) if known else np.full(len(targets), MISSING)
    missing = [number for number, one in zip(targets, state, strict=True) if one == MISSING]
    yield len(targets) - len(missing)
    first, size = 0, first_size(EXPLAINERS[key].card.cost)
    while first < len(missing):
        began, part = working_time(), missing[first : first + size]
        [made] = explain_pictures(bench, run, [pictures[number] for number in part], [(key, values)], target)
        maps = into.maps(key, params, create=True)
        assert maps is not None, "asked to create"
        maps.put(part, [targets[number] for number in part], made.maps, made.diagnostics, made.refusals)
        first, size = first + len(part), next_size(size, working_time() - began, BATCH)
        yield len(part)
