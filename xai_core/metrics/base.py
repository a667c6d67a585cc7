"""The contract of a metric of maps, how to register one, and how it is asked.

Modules of this package import torch inside functions only: listing metrics must stay instant, and a metric that needs
no model is scored without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import NotApplicable
from xai_core.metrics.grids import positive, ranked
from xai_core.metrics.memo import Memo, shared
from xai_core.params import NoParams
from xai_core.registry import Registry
from xai_core.types import Array, Card, Explanation, Scores, Target

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.models.classifier import Classifier


OF_PLACES = frozenset({"mask", "region"})
"""Needs of a metric that asks where in the picture evidence lies: it gets `masks`."""

NO_PARTS = "what the sample is made of is not known"


class Again(Protocol):
    """The method whose maps are scored, asked once more with the same parameters."""

    def __call__(self, classifier: Classifier, x: Tensor, rows: NDArray[np.int64], /) -> Explanation:
        """Maps of `x` `(M, C, H, W)` by any classifier; `rows` `(M,)` say whose target and seed each has."""
        ...


@dataclass(frozen=True, eq=False)
class ModelInput:
    """What a metric gets that runs the model.

    Attributes:
        classifier: the model, in eval mode, exactly as before after the metric.
        x: `(N, C, H, W)` float32, its inputs.
        weights: `(N, *output)`; what is explained is `(output · weights)` summed over all but the sample.
        explain: the method again.
        memo: what was worked out of these samples, whatever the map: metrics and methods of one pass share it.
    """

    classifier: Classifier
    x: Tensor
    weights: Tensor
    explain: Again
    memo: Memo = field(default_factory=Memo, init=False)

    def take(self, rows: NDArray[np.int64]) -> ModelInput:
        """The same input for some of the samples only."""
        chosen = rows.tolist()

        def explain(classifier: Classifier, x: Tensor, inner: NDArray[np.int64]) -> Explanation:
            return self.explain(classifier, x, rows[inner])

        memo = self.memo.part(rows, len(self.x))
        return shared(ModelInput(self.classifier, self.x[chosen], self.weights[chosen], explain), memo)


@dataclass(frozen=True, eq=False)
class SampleParts:
    """What a sample is made of, and what each part counts.

    Attributes:
        names: P of them.
        masks: `(P, H, W)` bool, on the model's input grid. A part may hold another, which goes with it.
        importance: `(P,)` float64: what the explained output loses when this part alone is drawn away, NaN where it
            cannot be. Parts that stand in for each other each lose nothing.
    """

    names: tuple[str, ...]
    masks: NDArray[np.bool_]
    importance: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MetricInput:
    """N maps and what is known of their samples. A metric reads what it uses and says so in its card's `needs`.

    Attributes:
        maps: `(N, h, w)` float32, raw and signed, of one method.
        explainer: that method's card, for the parameters in force: `signed` says whether zero is meaningful.
        targets: N of them: what each map explains.
        seeds: `(N,)` int64; random numbers come from these alone.
        masks: `(N, H, W)` bool on the model's input grid: the object, or where the card needs `region`, what the map is
            about (a segmenter's region, a classifier's object); nowhere true where it needs neither.
        has_mask: `(N,)` bool: an empty mask and none are two things.
        refusals: per map None, or why it must not be shown.
        asked: the model, where the card needs it.
        parts: per map the sample's parts, or None where they are not known; () where the card needs none.
        memo: what was worked out of these maps: metrics of one pass share it.
    """

    maps: Array
    explainer: Card
    targets: Sequence[Target]
    seeds: NDArray[np.int64]
    masks: NDArray[np.bool_]
    has_mask: NDArray[np.bool_]
    refusals: Sequence[str | None] = ()
    asked: ModelInput | None = None
    parts: Sequence[SampleParts | None] = ()
    memo: Memo = field(default_factory=Memo, init=False)

    @property
    def size(self) -> tuple[int, int]:
        """`(H, W)` of the model's input."""
        return self.masks.shape[1], self.masks.shape[2]

    @property
    def evidence(self) -> Array:
        """`(N, H, W)` float32 the evidence for the target on the input's grid: see `grids.positive`."""
        return self.memo.get("evidence", lambda: positive(self.maps, self.size))

    @property
    def order(self) -> NDArray[np.int64]:
        """`(N, H·W)` the places of the input's grid, those with the most evidence first: see `grids.ranked`."""
        return self.memo.get("order", lambda: ranked(self.maps, self.size, signed=self.explainer.signed))

    @property
    def model(self) -> ModelInput:
        """What runs the model. Raises TypeError where the card does not need it."""
        if self.asked is None:
            raise TypeError("a metric that runs the model says so: needs={'model'}")
        return self.asked

    def take(self, rows: NDArray[np.int64]) -> MetricInput:
        """The same record for some of the samples only."""
        part = MetricInput(
            self.maps[rows],
            self.explainer,
            [self.targets[row] for row in rows],
            self.seeds[rows],
            self.masks[rows],
            self.has_mask[rows],
            [self.refusals[row] for row in rows] if self.refusals else (),
            self.asked.take(rows) if self.asked else None,
            [self.parts[row] for row in rows] if self.parts else (),
        )
        return shared(part, self.memo.part(rows, len(self.maps)))


Run = Callable[[MetricInput, Any], Scores]
"""`(given, params) -> Scores`."""


@dataclass(frozen=True)
class Metric:
    """A registered metric; `score` asks it."""

    card: Card
    params: type
    run: Run


METRICS: Registry[Metric] = Registry("metric", "xai_core.metrics")


def metric(card: Card, params: type = NoParams) -> Callable[[Run], Run]:
    """Register a metric."""

    def register(run: Run) -> Run:
        METRICS.add(Metric(card, params, run))
        return run

    return register


def score(member: Metric, given: MetricInput, params: Any = None) -> Scores:
    """What a metric says of N maps.

    What no metric can score never reaches one: a map that was refused, is not finite or is the same everywhere, and,
    where a mask is needed, none, an empty one, or one that is everywhere.

    Args:
        member: the metric.
        given: the maps; not changed.
        params: an instance of the metric's params type; None for the defaults.
    """
    reasons = _unfit(member.card, given)
    fit = np.array([row for row, reason in enumerate(reasons) if reason is None], dtype=np.int64)
    if not len(fit):
        return unscored(reasons)
    part = given.take(fit)
    try:
        with _held(part.asked):
            made = member.run(part, member.params() if params is None else params)
    except NotApplicable as refusal:
        return unscored([reason or str(refusal) for reason in reasons])
    for row, reason in zip(fit.tolist(), made.reasons, strict=True):
        reasons[row] = reason
    curves = None if made.curves is None else _spread(made.curves, fit, len(reasons))
    beside = {name: _spread(values, fit, len(reasons)) for name, values in made.beside.items()}
    return Scores(_spread(made.values, fit, len(reasons)), tuple(reasons), curves, beside)


def unscored(reasons: Sequence[str | None]) -> Scores:
    """Scores of which there are none, each with its reason."""
    return Scores(np.full(len(reasons), np.nan, np.float32), tuple(reasons))


def _unfit(card: Card, given: MetricInput) -> list[str | None]:
    reasons = [_no_map(pixels) for pixels in given.maps]
    for row, refusal in enumerate(given.refusals):
        reasons[row] = f"the map was refused: {refusal}" if refusal else reasons[row]
    if card.needs & OF_PLACES:
        pairs = zip(reasons, given.has_mask, given.masks, strict=True)
        reasons = [reason or _no_object(bool(has), mask) for reason, has, mask in pairs]
    if "parts" in card.needs:
        known = given.parts or (None,) * len(reasons)
        reasons = [reason or (NO_PARTS if part is None else None) for reason, part in zip(reasons, known, strict=True)]
    return reasons


def _no_map(pixels: Array) -> str | None:
    if not pixels.size or not np.isfinite(pixels).all():
        return "the map holds NaN or infinity"
    return "the map is the same everywhere" if pixels.max() == pixels.min() else None


def _no_object(has_mask: bool, mask: NDArray[np.bool_]) -> str | None:
    if not has_mask:
        return "no mask"
    if not mask.any():
        return "the mask is empty where the model looks"
    return "the mask is everywhere" if mask.all() else None


def _held(asked: ModelInput | None) -> AbstractContextManager[object]:
    """Within, the model and the global random state are this metric's, and as before afterwards."""
    stack = ExitStack()
    if asked is not None:
        from xai_core.explainers.engine.guard import told, untouched
        from xai_core.explainers.engine.plan import ONE_AT_A_TIME

        stack.enter_context(ONE_AT_A_TIME)
        stack.enter_context(told(asked.classifier))
        stack.enter_context(untouched(asked.classifier))
    return stack


def _spread(values: Array, rows: NDArray[np.int64], count: int) -> Array:
    """Of some rows, as of all: NaN elsewhere."""
    result = np.full((count, *values.shape[1:]), np.nan, np.float32)
    result[rows] = values
    return result
