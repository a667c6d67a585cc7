"""Scores of a run's maps, through the store: what is there is not computed again.

Maps that are missing are made first, by the code that explains. Then samples are scored in steps: all methods and
metrics of one request share the maps, masks and pictures of a step, and a killed job keeps every finished one. Pictures
and the model are loaded only where a metric's card needs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core import __version__
from xai_core.errors import LeftOut, NotApplicable, NotFound
from xai_core.explainers import EXPLAINERS
from xai_core.explainers.engine.pauses import working_time
from xai_core.metrics import METRICS, Metric, score
from xai_core.metrics.memo import Memo
from xai_core.params import build
from xai_core.pipeline.load import TRAINED, seed_of
from xai_core.pipeline.metric_inputs import Method, Samples, input_size
from xai_core.pipeline.steps import MOST_ROWS, first_size, next_size
from xai_core.store.maps import MISSING, StoredMaps
from xai_core.store.obstacles import in_tiles, metric_obstacle, out_of_reach
from xai_core.store.run import Run
from xai_core.store.scores import ScorePlace
from xai_core.types import Scores, Target

if TYPE_CHECKING:
    from xai_core.pipeline.load import Bench

MOST_PIXELS = 2**23
"""Of the model's input, of all samples of a step: what bounds its memory."""

Rows = NDArray[np.int64]
Chosen = NDArray[np.bool_]


@dataclass(frozen=True)
class ScoreRequest:
    """Which scores are wanted: every metric on every method.

    Attributes:
        run: a run with a model.
        rows: row numbers, in the order of importance.
        target: what the maps explain: one of TARGET_SPECS or a class index.
        methods: keys of explainers, with the parameters that are not at their defaults.
        metrics: keys of metrics, likewise.
        weights: whose maps: `trained`, or `randomised:SEED`.
    """

    run: Run
    rows: Sequence[int]
    target: str
    methods: Sequence[tuple[str, Mapping[str, Any]]]
    metrics: Sequence[tuple[str, Mapping[str, Any]]]
    weights: str = TRAINED


@dataclass
class Pair:
    """One metric on one method. Its store is made with the first scores, and not before."""

    method: Method
    metric: Metric
    params: Any
    place: ScorePlace

    def missing(self, rows: Rows, keys: Sequence[str]) -> Chosen:
        """Which scores are still to be made."""
        stored = self.place(create=False)
        return np.ones(len(rows), dtype=bool) if stored is None else stored.state(rows, keys) == MISSING

    def put(self, rows: Rows, keys: Sequence[str], made: Scores) -> None:
        """Store scores, or why there are none."""
        stored = self.place(create=True)
        assert stored is not None, "asked to create"
        stored.put(rows, keys, made)


@dataclass(frozen=True)
class Wanted:
    """A request, looked up.

    Attributes:
        rows, targets: of N samples.
        pairs: P of them, those of one method together.
        lacking: `(P, N)` which scores are missing.
    """

    request: ScoreRequest
    rows: Rows
    targets: Sequence[Target]
    methods: Sequence[Method]
    pairs: Sequence[Pair]
    lacking: Chosen

    def lacking_of(self, method: Method) -> Chosen:
        """`(N,)` whether any score of a method is missing."""
        of_method = [pair.method is method for pair in self.pairs]
        return np.asarray(self.lacking[of_method].any(axis=0))

    def maps(self, method: Method, chosen: Rows) -> StoredMaps | None:
        """The maps of some samples, by their places among the N; None where none are stored."""
        request = self.request
        stored = request.run.maps(method.explainer.card.key, method.params, weights=request.weights)
        return stored.get(self.rows[chosen], self.keys(chosen)) if stored else None

    def keys(self, chosen: Rows) -> list[str]:
        """Target keys of some samples, by their places."""
        return [self.targets[place].key for place in chosen]


def score_steps(bench: Bench, request: ScoreRequest) -> Iterator[tuple[int, int]]:
    """Fill the store step by step; yields (maps and scores done, maps and scores in all).

    Raises:
        BadInput: samples without predictions, or a data folder that is gone where masks or pictures are needed.
        NotApplicable: a run without a model.
        NotFound, BadParameter: an unknown method, metric, parameter or device; an unknown layer once all else is done.
        LeftOut: pictures or masks that cannot be read, which maps need; once all else is done.
    """
    wanted = _look_up(request)
    done, total = int((~wanted.lacking).sum()), wanted.lacking.size
    made, of, problem = 0, 0, None
    yield done, total  # what is stored already counts at once: the time left is about the rest
    try:
        for made, of in _explain(bench, wanted):
            yield done + made, total + of
    except (NotFound, LeftOut) as short:  # a layer, a picture: what else there is need not wait until it is corrected
        problem = short
    for count in _fill(bench, wanted):
        done += count
        yield done + made, total + of
    if problem:
        raise problem


def _look_up(request: ScoreRequest) -> Wanted:
    run = request.run
    if not run.info.fingerprint:
        raise NotApplicable("a run without a model", value=run.name, remedy="Choose a run that has a model.")
    seed_of(request.weights)  # told now, before anything is computed
    rows = np.asarray(request.rows, dtype=np.int64)
    targets = run.targets(rows, request.target)
    methods = [_method(key, values) for key, values in request.methods]
    pairs = [_pair(request, method, key, values) for method in methods for key, values in request.metrics]
    keys = [target.key for target in targets]
    lacking = np.array([pair.missing(rows, keys) for pair in pairs], dtype=bool).reshape(len(pairs), len(rows))
    return Wanted(request, rows, targets, methods, pairs, lacking)


def _method(key: str, values: Mapping[str, Any]) -> Method:
    explainer = EXPLAINERS[key]
    params: Any = build(explainer.params, values)
    return Method(explainer, params, values, explainer.card_for(params))


def _pair(request: ScoreRequest, method: Method, key: str, values: Mapping[str, Any]) -> Pair:
    metric = METRICS[key]
    tiled = in_tiles(request.run)
    if reason := metric_obstacle(request.run, metric) if tiled else out_of_reach(request.run.study, metric):
        remedy = f"{metric.card.title} cannot do without: choose another metric."
        raise NotApplicable(reason.rstrip("."), value=request.run.study.name, remedy=remedy)
    params: Any = build(metric.params, values)
    place = request.run.score_place(
        (key, params),
        (method.explainer.card.key, method.params),
        weights=request.weights,
        made_with={"program": f"second-look {__version__}"},
    )
    return Pair(method, metric, params, place)


def _explain(bench: Bench, wanted: Wanted) -> Iterator[tuple[int, int]]:
    """Make the maps that scores still need; yields (maps made, maps to make)."""
    request, short, methods = wanted.request, np.zeros(len(wanted.rows), dtype=bool), []
    keys = wanted.keys(np.arange(len(wanted.rows)))
    for method in wanted.methods:
        key = method.explainer.card.key
        stored = request.run.maps(key, method.params, weights=request.weights)
        there = np.zeros(len(keys), dtype=bool) if stored is None else stored.state(wanted.rows, keys) != MISSING
        needed = wanted.lacking_of(method) & ~there
        if needed.any():
            methods.append((key, method.values))
            short |= needed
    if not methods:
        return
    from xai_core.pipeline.explain import Request, explain_steps  # which needs torch

    rows = wanted.rows[short].tolist()
    steps = explain_steps(bench, Request(request.run, rows, request.target, methods, request.weights))
    first, whole = next(steps)
    for done, _ in steps:
        yield done - first, whole - first


def _fill(bench: Bench, wanted: Wanted) -> Iterator[int]:
    """Scores of the samples that lack some, in steps of about a second; yields how many each gave."""
    request, first = wanted.request, 0
    todo = np.flatnonzero(wanted.lacking.any(axis=0))
    height, width = input_size(request.run)
    most = max(1, min(MOST_ROWS, MOST_PIXELS // (height * width)))
    size = min(most, first_size(max((pair.metric.card.cost for pair in wanted.pairs), default=0.0)))
    while first < len(todo):
        chosen, slowest = todo[first : first + size], 0.0
        samples = Samples(
            bench, request.run, request.weights, wanted.rows[chosen], [wanted.targets[place] for place in chosen]
        )
        for method in wanted.methods:
            maps, memo = wanted.maps(method, chosen), Memo()
            for pair, lacking in zip(wanted.pairs, wanted.lacking, strict=True):
                if maps is None or pair.method is not method:
                    continue
                began = working_time()
                some = np.flatnonzero(lacking[chosen] & (maps.state != MISSING))
                if len(some):
                    pair.put(samples.rows[some], wanted.keys(chosen[some]), _scores(samples, pair, maps, some, memo))
                    slowest = max(slowest, working_time() - began)
                    yield len(some)
        first, size = first + size, next_size(size, slowest, most)


def _scores(samples: Samples, pair: Pair, maps: StoredMaps, some: Rows, memo: Memo) -> Scores:
    """Of some of the samples, by their places. A mask or parts that cannot be had are a reason of their own."""
    needs = pair.metric.card.needs
    made = score(pair.metric, samples.given(pair.method, maps, needs, memo).take(some), pair.params)
    unread = samples.unread(needs)
    if not unread:
        return made
    reasons = tuple(unread.get(place, reason) for place, reason in zip(some.tolist(), made.reasons, strict=True))
    return Scores(made.values, reasons, made.curves, made.beside)
