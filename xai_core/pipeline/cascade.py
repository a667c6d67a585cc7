"""The cascade of a run's methods, through the store: what is there is not computed again.

One randomised copy of the model serves all methods and samples; what is kept of its maps is how alike they are to the
trained model's, and a few small ones to look at. Yardsticks come first, then copies with all weights random, then the
rest of each order: whoever looks meanwhile sees a verdict early.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core import __version__
from xai_core.errors import BadInput, LeftOut, NotApplicable, NotFound, XaiError
from xai_core.explainers import EXPLAINERS
from xai_core.explainers.engine.plan import groups
from xai_core.models.build import pick_device
from xai_core.params import build
from xai_core.pipeline.cascade_maps import Asked, Compared, Samples, small
from xai_core.sanity.orders import DEFAULT, SPEC, Order, ranges
from xai_core.sanity.randomise import Randomiser, Statistics
from xai_core.sanity.stages import stages
from xai_core.sanity.verdict import Range
from xai_core.store import cascade
from xai_core.store.likenesses import LikenessStore, State
from xai_core.store.recipes import related
from xai_core.store.run import Run
from xai_core.types import Explanation

if TYPE_CHECKING:
    from xai_core.models.classifier import Classifier
    from xai_core.pipeline.load import Bench
from xai_core.pipeline.places import refused

SHOWN = 3
"""Samples of which small maps are kept, under the first seed and from the output down."""
MOST_PIXELS, MOST_ROWS = 2**23, 64
"""Of the model's input, of all samples that are held at once; and how many these are at most."""


@dataclass(frozen=True)
class CascadeRequest:
    """What is wanted.

    Attributes:
        run: a run with a model and predictions.
        rows: row numbers, at least two.
        methods: keys of explainers, with the parameters that are not at their defaults.
        orders: in which stages become random, see `sanity.orders`.
        seeds: of the random weights, and of methods that draw.
        statistics: what becomes of BatchNorm's.
    """

    run: Run
    rows: Sequence[int]
    methods: Sequence[tuple[str, Mapping[str, Any]]]
    orders: Sequence[Order] = DEFAULT
    seeds: Sequence[int] = (0, 1, 2)
    statistics: Statistics = "reset"


@dataclass
class _Method:
    """One method, with the places of what is stored: made with the first of it, and not before."""

    key: str
    params: Any
    stored: Any
    pictures: Any
    problem: XaiError | None = None

    def put(self, rows: NDArray[np.int64], keys: Sequence[str], values: Any, reasons: Sequence[str | None]) -> None:
        store: LikenessStore | None = self.stored(create=True)
        assert store is not None, "asked to create"
        store.put(rows, keys, values, reasons)

    def missing(self, rows: NDArray[np.int64], keys: Sequence[str]) -> NDArray[np.bool_]:
        store: LikenessStore | None = self.stored(create=False)
        return np.ones(len(rows), dtype=bool) if store is None else store.state(rows, keys) == 0


@dataclass
class _Work:
    """A request, looked up. `done` counts maps."""

    bench: Bench
    request: CascadeRequest
    classifier: Classifier
    methods: list[_Method]
    tensors: list[tuple[str, ...]]
    states: list[State]
    others: dict[str, Run]
    randomiser: Randomiser
    left_out: dict[str, str] = field(default_factory=dict)


def cascade_steps(bench: Bench, request: CascadeRequest) -> Iterator[tuple[int, int]]:
    """Fill the stores step by step; yields (maps done, maps in all).

    Raises:
        BadInput: fewer than two samples, samples without predictions, or a run without a model.
        NotFound, BadParameter: an unknown method, parameter or layer; nothing is computed then.
        NotApplicable: what a method needs and the study lacks; once all else is done.
        LeftOut: pictures or masks that cannot be read; once all else is done.
    """
    rows = np.asarray(request.rows, dtype=np.int64)
    if len(rows) < 2:
        remedy = "The comparison needs at least 2. Choose another cell or split."
        raise BadInput("too few samples", value=len(rows), remedy=remedy)
    work = _looked_up(bench, request)
    total, done = len(rows) * sum(_applies(work, m, s) for m in work.methods for s in work.states), 0
    yield done, total
    size = max(2, min(MOST_ROWS, MOST_PIXELS // int(np.prod(work.classifier.input_shape[1:]))))
    for part in np.array_split(rows, -(-len(rows) // size)):
        for count in _of_some(work, part):
            done += count
            yield done, total
    if problems := [method.problem for method in work.methods if method.problem]:
        raise problems[0]
    if work.left_out:
        raise LeftOut(work.left_out, "maps")


def _looked_up(bench: Bench, request: CascadeRequest) -> _Work:
    run, classifier = request.run, bench.classifier(request.run)
    found = stages(classifier)
    if not found:
        raise NotApplicable("a model that has learned nothing", value=run.name, remedy="Check another run.")
    made_with = {
        "program": f"second-look {__version__}",
        "device": str(pick_device(bench.device)),
        cascade.STAGES: [stage.name for stage in found],
    }
    others = related(run)
    return _Work(
        bench,
        request,
        classifier,
        [_method(classifier, request, made_with, *each) for each in request.methods],
        [stage.tensors for stage in found],
        _states(request, len(found), others),
        {other.info.fingerprint[:8]: other for _, other in others},
        Randomiser(classifier, request.statistics),
    )


def _method(
    classifier: Classifier, request: CascadeRequest, made_with: Mapping[str, Any], key: str, values: Mapping[str, Any]
) -> _Method:
    run, statistics = request.run, request.statistics
    params: Any = build(EXPLAINERS[key].params, values)
    if layer := getattr(params, "layer", ""):
        classifier.layer(layer)
    return _Method(
        key,
        params,
        partial(cascade.likenesses, run, key, params, statistics=statistics, made_with=made_with),
        partial(cascade.pictures, run, key, params, statistics=statistics),
    )


def _states(request: CascadeRequest, count: int, others: Sequence[tuple[str, Run]]) -> list[State]:
    """All that is compared with, the most telling first."""
    found = [State("other"), *(State("repeat", seed=seed) for seed in request.seeds)]
    found += [State(kind, other.info.fingerprint[:8]) for kind, other in others]
    whole: Range = (0, count - 1)
    every = dict.fromkeys(each for order in request.orders for each in ranges(order, count))
    wanted = [whole, *(each for each in every if each != whole)]
    first = [_random(whole, seed) for seed in request.seeds]
    return found + first + [_random(each, seed) for seed in request.seeds for each in wanted[1:]]


def _random(stages: Range, seed: int) -> State:
    return State("random", f"{stages[0]}-{stages[1]}", seed)


def _of_some(work: _Work, rows: NDArray[np.int64]) -> Iterator[int]:
    """All states of some samples; yields how many maps each step was to give."""
    run = work.request.run
    targets = [target.key for target in run.targets(rows, SPEC)]
    keys = {state: _keys(state, rows, targets) for state in work.states}
    asked = {s: [_applies(work, method, s) for method in work.methods] for s in work.states}
    lacking = {
        s: [
            wanted and bool(method.missing(rows, keys[s]).any())
            for method, wanted in zip(work.methods, asked[s], strict=True)
        ]
        for s in work.states
    }
    todo = sum(map(sum, lacking.values()))
    yield (sum(map(sum, asked.values())) - todo) * len(rows)  # what is stored counts at once
    if not todo:
        return
    samples = Samples(work.bench, run, work.classifier, rows, work.left_out)
    if len(samples.rows) < 2:
        yield len(rows) * todo
        return
    trained: dict[int, Compared] = {}
    passes = groups(work.classifier, [(method.key, method.params) for method in work.methods])
    for state in work.states:
        for group in passes:
            some = [index for index in group if lacking[state][index] and work.methods[index].problem is None]
            if some:
                _compare(work, samples, state, some, trained)
            yield len(rows) * sum(lacking[state][index] for index in group)


def _applies(work: _Work, method: _Method, state: State) -> bool:
    """Whether a method is compared with a state: a control knows no model, and one random model shows it."""
    whole = f"0-{len(work.tensors) - 1}"
    return state.kind != "random" or state.about == whole or not EXPLAINERS[method.key].card.control


def _compare(work: _Work, samples: Samples, state: State, chosen: Sequence[int], trained: dict[int, Compared]) -> None:
    """One state, for methods that share a pass."""
    methods = [work.methods[index] for index in chosen]
    asked: Asked = [(method.key, method.params) for method in methods]
    if unknown := [index for index in chosen if index not in trained]:
        try:
            trained |= dict(zip(chosen, map(Compared, samples.explain(work.classifier, asked)), strict=True))
        except (NotApplicable, NotFound) as problem:
            for method in methods:
                method.problem = problem
            return
    made = [trained[index] for index in chosen]
    found = [_shifted(each.made) for each in made] if state.kind == "other" else _maps(work, samples, state, asked)
    targets = [target.key for target in samples.targets]
    keys = _keys(state, samples.rows, targets)
    shown = samples.rows[:SHOWN]
    for method, before, after in zip(methods, made, found, strict=True):
        method.put(samples.rows, keys, *before.likeness(after))
        if unknown and _are_shown(work, shown):
            _show(method, shown, [f"{target}~trained" for target in targets], before.made)
        if _are_shown(work, shown) and _is_shown(work, state):
            _show(method, shown, keys, after)


def _maps(work: _Work, samples: Samples, state: State, asked: Asked) -> list[Explanation]:
    """The maps that the trained model's are compared with; one that fails says why for each sample."""
    try:
        if state.kind == "repeat":
            return samples.explain(work.classifier, asked, state.seed)
        if state.kind == "random":
            first, last = map(int, state.about.split("-"))
            names = {name for stage in work.tensors[first : last + 1] for name in stage}
            about = f"randomised:{state.seed}:{state.about}:{work.request.statistics}"
            return samples.explain(work.randomiser.at(state.seed or 0, names, about), asked, state.seed)
        other = work.others[state.about]
        return samples.seen_by(other, work.bench.classifier(other)).explain(work.bench.classifier(other), asked)
    except (NotApplicable, NotFound) as problem:
        return [refused([str(problem)] * len(samples.rows))] * len(asked)


def _shifted(made: Explanation) -> Explanation:
    """Of each sample the map of the next one."""
    return Explanation(np.roll(made.maps, -1, axis=0), {}, (*made.refusals[1:], made.refusals[0]))


def _keys(state: State, rows: NDArray[np.int64], targets: Sequence[str]) -> list[str]:
    """As lines are kept by; another picture is the next of these."""
    if state.kind != "other":
        return [state.key(target) for target in targets]
    return [State("other", str(beside)).key(key) for key, beside in zip(targets, np.roll(rows, -1), strict=True)]


def _are_shown(work: _Work, shown: NDArray[np.int64]) -> bool:
    return bool(np.isin(shown, np.asarray(work.request.rows)[:SHOWN]).all())


def _is_shown(work: _Work, state: State) -> bool:
    down = {f"{first}-{last}" for first, last in ranges("output-down", len(work.tensors))}
    return state.kind == "random" and state.seed == work.request.seeds[0] and state.about in down


def _show(method: _Method, rows: NDArray[np.int64], keys: Sequence[str], made: Explanation) -> None:
    store = method.pictures(create=True)
    refusals = made.refusals[: len(rows)]
    store.put(rows, keys[: len(rows)], small(made.maps[: len(rows)]), {}, refusals)
