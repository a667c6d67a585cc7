"""Explanations of a run's samples, through the store: what is there is not computed again.

The work is a generator of small steps, so that one warm process can put an urgent request between two steps of a
long one, and a cancelled or killed job keeps every finished row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from xai_core import __version__
from xai_core.errors import BadInput, LeftOut, NotApplicable, NotFound, XaiError
from xai_core.explainers import EXPLAINERS, Explainer, ExplainerInput
from xai_core.explainers.engine.pauses import working_time
from xai_core.explainers.engine.plan import explain
from xai_core.models.build import pick_device
from xai_core.models.classifier import Classifier
from xai_core.models.tiles import starts
from xai_core.params import build
from xai_core.pipeline.load import TRAINED, Bench, as_input, note, read, seed_of, seeds_of
from xai_core.pipeline.places import (
    NOWHERE,
    among,
    inside_of,
    masks_of,
    planes,
    preprocess_of,
    refused,
    regions_of,
    together,
)
from xai_core.pipeline.steps import first_size, next_size, seconds_of_a_forward
from xai_core.store.data_folder import MissingData
from xai_core.store.maps import FORWARD, MISSING, SECONDS, MapStore
from xai_core.store.obstacles import lacking
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.types import Card, Explanation, Specs, Target, several


@dataclass(frozen=True)
class Request:
    """Which maps are wanted. `rows` in the order of importance; of each of them every one of the targets."""

    run: Run
    rows: Sequence[int]
    target: Specs
    methods: Sequence[tuple[str, Mapping[str, Any]]]
    weights: str = TRAINED


@dataclass
class Wanted:
    """One method of a request, with the place its maps go to: made with the first of them, and not before.

    A request may come by a link: one for a layer or a method that is not there leaves nothing in the study.
    """

    explainer: Explainer
    params: Any
    place: Callable[..., MapStore | None]
    maps: MapStore | None = None

    @property
    def card(self) -> Card:
        """Of the method with these parameters."""
        return self.explainer.card_for(self.params)

    def missing(self, rows: NDArray[np.int64], keys: Sequence[str]) -> NDArray[np.bool_]:
        """Which maps are still to be made."""
        self.maps = self.place(create=False)
        return np.ones(len(rows), dtype=bool) if self.maps is None else self.maps.state(rows, keys) == MISSING

    def put(self, rows: NDArray[np.int64], keys: Sequence[str], made: Explanation) -> None:
        """Store maps, or why there are none."""
        self.maps = self.maps or self.place(create=True)
        assert self.maps is not None, "asked to create"
        self.maps.put(rows, keys, made.maps, made.diagnostics, made.refusals)

    def remember(self, took: Sequence[float], classifier: Classifier) -> None:
        """Note in the store what a map took, and one forward pass beside it, which is taken once.

        Args:
            took: seconds a map of each step. The first is slow to start: it counts last.
            classifier: the model.
        """
        if self.maps is None:
            return
        known, fresh = self.maps.made_with(), {}
        if len(took) > 1 or SECONDS not in known:
            fresh[SECONDS] = float(f"{np.median(took[1:] or took):.2g}")
        if FORWARD not in known and (forward := seconds_of_a_forward(classifier)) is not None:
            fresh[FORWARD] = float(f"{forward:.2g}")
        if fresh:
            self.maps.note(fresh)


def explain_steps(bench: Bench, request: Request) -> Iterator[tuple[int, int]]:
    """Fill the store step by step, cheap methods first; yields (maps done, maps in all).

    Raises:
        BadInput: samples without predictions, or a run without a model.
        NotFound, BadParameter: an unknown method, parameter or device; an unknown layer once all else is done.
        NotApplicable: what a method needs and the study lacks; once all else is done.
        LeftOut: pictures or masks that cannot be read; once all else is done. Nothing is stored of them.
    """
    run = request.run
    if not run.info.fingerprint:
        raise NotApplicable("a run without a model", value=run.name, remedy="Choose a run that has a model.")
    seed_of(request.weights)  # told now, before anything is computed
    rows = np.asarray(request.rows, dtype=np.int64)
    rows, targets = _pairs(run, rows, request.target)
    made_with = {"program": f"second-look {__version__}", "device": str(pick_device(bench.device))}
    wanted = [_wanted(run, key, params, request.weights, made_with) for key, params in request.methods]
    wanted.sort(key=lambda w: (w.explainer.card.cost, w.explainer.card.key))
    groups = [(group, _missing(group, rows, targets)) for group in _sharing_a_pass(wanted)]
    total = len(rows) * len(wanted)
    done = total - sum(len(group) * len(missing) for group, missing in groups)
    yield done, total  # what is stored already counts at once: the time left is about the rest
    problems, left_out = list[XaiError](), dict[str, str]()
    for group, missing in groups:
        try:
            for item in group:
                _check_study(run, item.explainer, item.params)
            for count in _fill(bench, request, group, rows[missing], [targets[i] for i in missing], left_out):
                done += count
                yield done, total
        except (NotFound, NotApplicable) as problem:  # the other methods need not wait until it is corrected
            problems.append(problem)
    if problems:
        raise problems[0]
    if left_out:
        raise LeftOut(left_out, "heatmaps")


def _pairs(run: Run, rows: NDArray[np.int64], specs: Specs) -> tuple[NDArray[np.int64], list[Target]]:
    """Every sample with every one of its targets, once: those of one sample stand side by side, to share its pass."""
    meant = zip(*(run.targets(rows, spec) for spec in several(specs)), strict=True)
    pairs = dict.fromkeys(
        (row, target) for row, targets in zip(rows.tolist(), meant, strict=True) for target in targets
    )
    return np.array([row for row, _ in pairs], dtype=np.int64), [target for _, target in pairs]


def _fill(
    bench: Bench,
    request: Request,
    group: Sequence[Wanted],
    rows: NDArray[np.int64],
    targets: list[Target],
    left_out: dict[str, str],
) -> Iterator[int]:
    """Maps of these rows, in steps of about a second; yields how many maps each step was to give."""
    size, first = first_size(group[0].explainer.card.cost * _tiles_each(request.run)), 0
    keys, writing, took = [target.key for target in targets], list[Future[None]](), list[float]()
    with ThreadPoolExecutor(len(group)) as writers:
        while first < len(rows):
            began, part = working_time(), slice(first, _whole(group, rows, first + size))
            stored, results = _compute(bench, request, group, rows[part], targets[part], left_out)
            seconds, count = working_time() - began, len(rows[part]) * len(group)
            first, size = part.stop, next_size(size, seconds)
            took.append(seconds / count)
            _settled(writing)
            # While the disk takes these, the next ones are computed.
            writing = [
                writers.submit(wanted.put, rows[part][stored], [keys[part][i] for i in stored], each)
                for wanted, each in zip(group, results, strict=True)
            ]
            if first >= len(rows):
                _settled(writing)
                for wanted in group:
                    wanted.remember(took, bench.classifier(request.run, request.weights))
            yield count


def _tiles_each(run: Run) -> int:
    """How many tiles cover a square of a picture's longer side; 1 of pictures seen whole."""
    preprocess = preprocess_of(run)
    return len(starts(preprocess.canvas.height, preprocess.height)) ** 2 if preprocess.tiled else 1


def _whole(group: Sequence[Wanted], rows: NDArray[np.int64], stop: int) -> int:
    """Where a step that would end at `stop` ends, so that targets that share a sample's pass are not parted."""
    while group[0].explainer.formula and stop < len(rows) and rows[stop] == rows[stop - 1]:
        stop += 1
    return stop


def _settled(writing: Sequence[Future[None]]) -> None:
    """Wait until all is stored. Raises what a writer raised."""
    for each in writing:
        each.result()


def check_methods(bench: Bench, request: Request) -> None:
    """Raise now, not after the other methods are done, where one asks for what is not there.

    Raises:
        NotFound: a layer that the model does not have.
        NotApplicable: a method that cannot be used on this study.
    """
    classifier = bench.classifier(request.run, request.weights)
    for key, values in request.methods:
        params: Any = build(EXPLAINERS[key].params, values)
        if layer := getattr(params, "layer", ""):
            classifier.layer(layer)
        _check_study(request.run, EXPLAINERS[key], params)


def _check_study(run: Run, explainer: Explainer, params: Any) -> None:
    """Raise NotApplicable for what the study lacks; of layers the model itself tells more, when it is asked."""
    for need, sentence in lacking(run, explainer, params).items():
        if need != "cam_layer":
            remedy = f"{explainer.card_for(params).title} cannot do without: choose another method."
            raise NotApplicable(sentence.removesuffix("."), value=run.study.name, remedy=remedy)


def _wanted(run: Run, key: str, values: Mapping[str, Any], weights: str, made_with: Mapping[str, Any]) -> Wanted:
    explainer = EXPLAINERS[key]
    params: Any = build(explainer.params, values)
    return Wanted(explainer, params, partial(run.maps, key, params, weights=weights, made_with=made_with))


def _sharing_a_pass(wanted: Sequence[Wanted]) -> list[list[Wanted]]:
    """Class activation maps of one layer in one group, everything else alone, in the given order.

    One method with two sets of parameters is two groups: each has a background of its own.
    """

    def pass_of(item: Wanted) -> object:
        return item.params.layer if item.explainer.formula is not None else id(item)

    return [list(group) for _, group in groupby(wanted, key=pass_of)]


def _missing(group: Sequence[Wanted], rows: NDArray[np.int64], targets: Sequence[Target]) -> NDArray[np.int64]:
    keys = [target.key for target in targets]
    return np.flatnonzero(np.any([wanted.missing(rows, keys) for wanted in group], axis=0))


def _compute(
    bench: Bench,
    request: Request,
    group: Sequence[Wanted],
    rows: NDArray[np.int64],
    targets: list[Target],
    left_out: dict[str, str],
) -> tuple[NDArray[np.int64], list[Explanation]]:
    """The places, among N targets, of those whose samples can be read; and what each method makes of these."""
    run, study = request.run, request.run.study
    classifier = bench.classifier(run, request.weights)
    needs = frozenset[str]().union(*(wanted.card.needs for wanted in group))
    background = background_of(bench, study, classifier, group) if "background" in needs else None
    masks = masks_of(run, rows, targets) if "mask" in needs else NOWHERE
    regions = regions_of(run, rows, targets) if classifier.output_size else NOWHERE
    short = together(masks, regions)
    for place, error in short.unread.items():
        if isinstance(error, MissingData):
            raise error
        note(left_out, study, int(rows[place]), error)
    asked = np.setdiff1d(np.arange(len(rows)), [*short.lacking, *short.unread])
    pictures = read(study, classifier.preprocess.canvas, np.unique(rows[asked]).tolist(), left_out)
    fit = asked[np.isin(rows[asked], list(pictures))]
    stored = np.union1d(fit, np.setdiff1d(list(short.lacking), list(short.unread))).astype(np.int64)
    reasons = {at: short.lacking[place] for at, place in enumerate(stored.tolist()) if place in short.lacking}
    if not len(fit):
        return stored, [refused(list(reasons.values()))] * len(group)
    given = ExplainerInput(
        classifier,
        as_input(classifier, list(pictures.values())),
        [targets[place] for place in fit],
        seeds_of(study, rows[fit]),
        regions=planes(regions, fit, classifier),
        masks=planes(masks, fit, classifier),
        background=background,
        inside=inside_of(run, np.array(list(pictures))),
    )
    methods = [(wanted.explainer.card.key, wanted.params) for wanted in group]
    try:
        found = explain(given, methods, np.searchsorted(list(pictures), rows[fit]))
    except NotApplicable as refusal:
        found = [refused([str(refusal)] * len(fit))] * len(group)
    return stored, [among(each, np.searchsorted(stored, fit), reasons) for each in found]


def background_of(bench: Bench, study: Study, classifier: Classifier, group: Sequence[Wanted]) -> Tensor:
    """`(B, C, H, W)`: as many training pictures as the method asks for that takes most.

    Raises NotApplicable where one cannot be read: fewer would be another background.
    """
    count = max(wanted.explainer.background_count(wanted.params) for wanted in group)
    try:
        return bench.background(study, classifier, study.background(count).tolist())
    except MissingData:
        raise
    except BadInput as error:
        remedy = f"{error.remedy} {group[0].card.title} compares with it."
        raise NotApplicable("a training picture cannot be read", value=error.value, remedy=remedy) from None
