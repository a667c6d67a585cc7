"""Runs any explainers on the same samples: checks the request once, shares what can be shared, leaves no trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadInput, NotApplicable
from xai_core.explainers.base import EXPLAINERS, Explainer, ExplainerInput, Run
from xai_core.explainers.engine.guard import told, untouched
from xai_core.types import Explanation, Target

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.models.classifier import Classifier

ONE_AT_A_TIME = RLock()
"""Hooks on a model and the global random state belong to one thread at a time; a method may call another."""

IN_TILES = "its maps of tiles do not add up to one of the picture"

Method = tuple[str, Any]
"""`(explainer key, its params)`; params None for the defaults."""


def explain(
    given: ExplainerInput, methods: Sequence[Method], rows: NDArray[np.int64] | None = None
) -> list[Explanation]:
    """Maps of several methods for the same N targets, in the order of `methods`.

    Memory bounds how many samples go through the model at once; results are those of one batch, to rounding.

    Args:
        given: pictures and targets. Its classifier is exactly as before after the call, also after an exception.
        methods: which explainers; class activation maps at one layer share one forward, and one backward for the
            first target of every sample, one more for the second, …
        rows: `(N,)` which of M pictures in `x` each target belongs to; None for one target per picture, in order.

    Raises:
        NotFound: an unknown method or layer.
        BadInput: input or targets that do not fit the classifier.
        NotApplicable: a method that cannot be used with this model at all. To learn of each method separately,
            call once per entry of `groups`.
    """
    places = np.arange(len(given.x)) if rows is None else np.asarray(rows)
    given = checked(given, places)
    if given.classifier.preprocess.tiled:
        return _in_tiles(given, places, methods)
    results: dict[int, Explanation] = {}
    for group in groups(given.classifier, methods):
        chosen = [(EXPLAINERS[key], params) for key, params in (methods[index] for index in group)]
        members = [member.bound(params or member.params()) for member, params in chosen]
        params = chosen[0][1] or members[0].params()
        with ONE_AT_A_TIME, told(given.classifier), untouched(given.classifier):
            run = members[0].run
            found = [_run(given, places, run, params)] if run else _cams(given, places, members, params.layer)
        results.update(zip(group, map(_finished, found), strict=True))
    return [results[index] for index in range(len(methods))]


def _in_tiles(given: ExplainerInput, rows: NDArray[np.int64], methods: Sequence[Method]) -> list[Explanation]:
    """Of a model that sees tiles. Raises NotApplicable of a method whose maps of tiles do not add up."""
    from xai_core.explainers.engine.tiled import explain_in_tiles

    for key, params in methods:
        card = EXPLAINERS[key].card_for(params or EXPLAINERS[key].params())
        if "whole" in card.needs:
            raise NotApplicable(f"{card.title}: {IN_TILES}", remedy="Choose another method, such as HiResCAM.")
    with ONE_AT_A_TIME:
        return list(map(_finished, explain_in_tiles(given, rows, methods)))


def groups(classifier: Classifier, methods: Sequence[Method]) -> list[list[int]]:
    """Positions in `methods` that are served by one pass; cheap groups first."""
    found: dict[object, list[int]] = {}
    for index, (key, params) in enumerate(methods):
        member = EXPLAINERS[key]
        layer = (params or member.params()).layer if member.formula else ""
        found.setdefault((layer or classifier.cam_layer) if member.formula else index, []).append(index)
    return sorted(found.values(), key=lambda group: EXPLAINERS[methods[group[0]][0]].card.cost)


def checked(given: ExplainerInput, rows: NDArray[np.int64]) -> ExplainerInput:
    """The same with `x` detached and float32, and with the masks, on the classifier's device.

    Raises:
        BadInput: a wrong shape, a number that is not finite, a class that does not exist, or unequal lengths.
    """
    import torch

    classifier, x = given.classifier, given.x
    canvas, tiled = classifier.preprocess.canvas, classifier.preprocess.tiled
    expected = (canvas.channels, canvas.height, canvas.width)
    if x.ndim != 4 or len(x) == 0 or tuple(x.shape[1:]) != expected:
        wanted = f"Give at least one sample of shape {expected}: channels, height, width."
        raise BadInput("the input has the wrong shape for this model", value=tuple(x.shape), remedy=wanted)
    if len(given.targets) != len(rows) or len(given.seeds) != len(rows):
        counts = f"{len(rows)} samples, {len(given.targets)} targets, {len(given.seeds)} seeds"
        raise BadInput("unequal lengths", value=counts, remedy="Give one target and one seed per sample.")
    if len(rows) == 0 or not ((rows >= 0) & (rows < len(x))).all():
        raise BadInput("targets of samples that are not given", value=rows.tolist(), remedy="Name rows of the input.")
    # The sum first: it takes a tenth of the time. Only finite numbers add up to one, though theirs may overflow.
    bad = [] if x.sum().isfinite() else (~torch.isfinite(x).flatten(1).all(1)).nonzero().flatten().tolist()
    if bad:
        raise BadInput("the input holds NaN or infinity", value=f"row {bad[0]}", remedy="Leave such samples out.")
    for target in given.targets:
        _check_target(target, len(classifier.class_names))
    _check_places("masks", given.masks, (len(rows), *expected[1:]))
    _check_places("regions", given.regions, (len(rows), *(expected[1:] if tiled else classifier.output_size)))
    if given.regions is None and (unknown := next(filter(None, (target.region for target in given.targets)), "")):
        raise BadInput("nobody says where this region is", value=unknown, remedy="Give regions, a place's share each.")
    masks = None if given.masks is None else given.masks.to(classifier.device)
    return replace(given, x=x.detach().to(classifier.device, torch.float32), masks=masks)


def _check_target(target: Target, classes: int) -> None:
    for index in (target.positive, target.negative):
        if index is not None and not 0 <= index < classes:
            raise BadInput("there is no class of this index", value=index, remedy=f"Choose from 0 to {classes - 1}.")
    if target.positive == target.negative:
        raise BadInput("a difference of a class and itself", value=target.key, remedy="Choose two classes.")


def _check_places(what: str, found: Tensor | None, shape: tuple[int, ...]) -> None:
    if found is None:
        return
    if len(shape) != 3:
        raise BadInput(f"{what} for a model whose output has no places", remedy="Leave them out.")
    if tuple(found.shape) != shape:
        raise BadInput(f"the {what} have the wrong shape", value=tuple(found.shape), remedy=f"Give {shape}.")


def _run(given: ExplainerInput, rows: NDArray[np.int64], run: Run, params: Any) -> Explanation:
    """One method that runs the model itself, a row of input per target."""
    from xai_core.explainers.engine.batches import in_batches

    def part(at: slice) -> Explanation:
        here = rows[at]
        few = replace(
            given,
            x=given.x[here],
            targets=given.targets[at],
            seeds=given.seeds[at],
            regions=None if given.regions is None else given.regions[at],
            masks=None if given.masks is None else given.masks[at],
        )
        return run(few, params)

    parts = list(in_batches(given.classifier, given.x, part, len(rows)))
    return Explanation(
        np.concatenate([each.maps for each in parts]),
        {name: np.concatenate([each.diagnostics[name] for each in parts]) for name in parts[0].diagnostics},
        tuple(reason for each in parts for reason in each.refusals),
    )


def _cams(
    given: ExplainerInput, rows: NDArray[np.int64], members: Sequence[Explainer], layer: str
) -> list[Explanation]:
    """Methods that share one pass."""
    from xai_core.explainers.engine.cams import cams

    return cams(given, rows, members, layer)


def _finished(explanation: Explanation) -> Explanation:
    """Refused maps are NaN, and maps that are not finite are refused."""
    finite: list[bool] = np.isfinite(explanation.maps).all(axis=(1, 2)).tolist()  # type: ignore[assignment]
    refusals = tuple(
        reason or (None if fine else "the map is not finite: the model gives NaN or infinity for this sample")
        for reason, fine in zip(explanation.refusals, finite, strict=True)
    )
    maps = np.ascontiguousarray(explanation.maps, dtype=np.float32)
    maps[[reason is not None for reason in refusals]] = np.nan
    return replace(explanation, maps=maps, refusals=refusals)
