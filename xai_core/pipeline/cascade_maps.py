"""Maps of some samples by a model in any state, held in memory; how alike two of them are, and small ones to keep."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import adaptive_avg_pool2d

from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.pipeline.explain import NO_MASK, masks_of
from xai_core.pipeline.load import as_input, read, seeds_of
from xai_core.sanity.orders import SPEC
from xai_core.sanity.verdict import MEASURES
from xai_core.similarities import SIMILARITIES
from xai_core.store.run import Run
from xai_core.types import Array, Explanation, Target

if TYPE_CHECKING:
    from xai_core.models.classifier import Classifier
    from xai_core.pipeline.load import Bench

SIDE = 32
"""Pixels of the longer side of maps that are kept to be looked at."""

KEPT = 2**23
"""Bytes of what is kept of a method's maps for one measure: beside models on larger ones it takes no time."""

Asked = Sequence[tuple[str, Any]]
"""Keys of explainers with their parameters, which share a pass."""


class Samples:
    """Those of some samples whose pictures can be read, as a model takes them.

    Attributes:
        rows: `(N,)` row numbers.
        targets: what the trained model predicted of them.
    """

    def __init__(
        self,
        bench: Bench,
        run: Run,
        classifier: Classifier,
        rows: NDArray[np.int64],
        left_out: dict[str, str],
        targets: Sequence[Target] = (),
    ) -> None:
        self._bench, self._run, self._classifier, self._left_out = bench, run, classifier, left_out
        pictures = read(run.study, classifier.preprocess, rows.tolist(), left_out)
        self.rows = np.array(list(pictures), dtype=np.int64)
        self.targets: Sequence[Target] = targets or (run.targets(self.rows, SPEC) if len(self.rows) else [])
        self._x = as_input(classifier, list(pictures.values())) if pictures else None

    def seen_by(self, run: Run, classifier: Classifier) -> Samples:
        """The same samples and targets, as another run's model takes them."""
        return Samples(self._bench, run, classifier, self.rows, self._left_out, self.targets)

    @cached_property
    def _masks(self) -> dict[int, NDArray[np.bool_]]:
        return masks_of(self._run.study, self._classifier, self.rows.tolist(), self._left_out)[0]

    def explain(self, classifier: Classifier, methods: Asked, seed: int | None = None) -> list[Explanation]:
        """Maps of all N samples by the model in some state; refused where a sample lacks what a method needs.

        Args:
            classifier: the trained one, or a copy of it.
            methods: they share a pass.
            seed: of methods that draw; None for what they draw from everywhere else.

        Raises:
            NotApplicable: a method that cannot be used with this model.
        """
        assert self._x is not None, "asked for samples that were read"
        needs = frozenset[str]().union(*(EXPLAINERS[key].card_for(params).needs for key, params in methods))
        fit = np.arange(len(self.rows))
        if "mask" in needs:
            fit = np.flatnonzero(np.isin(self.rows, list(self._masks)))
        if not len(fit):
            return [no_map(len(self.rows), NO_MASK)] * len(methods)
        masks = np.stack([self._masks[row] for row in self.rows[fit].tolist()]) if "mask" in needs else None
        given = ExplainerInput(
            classifier,
            self._x[torch.from_numpy(fit).to(self._x.device)],
            [self.targets[place] for place in fit.tolist()],
            seeds_of(self._run.study, self.rows[fit], seed),
            masks=None if masks is None else torch.from_numpy(masks),
            background=self._background(methods) if "background" in needs else None,
        )
        return [_spread(each, fit, len(self.rows)) for each in explain(given, methods)]

    def _background(self, methods: Asked) -> torch.Tensor:
        count = max(EXPLAINERS[key].background_count(params) for key, params in methods)
        study = self._run.study
        return self._bench.background(study, self._classifier, study.background(count).tolist())


def no_map(count: int, reason: str) -> Explanation:
    """Nothing for any of `count` samples."""
    return Explanation(np.full((count, 1, 1), np.nan, np.float32), {}, (reason,) * count)


def _spread(made: Explanation, places: NDArray[np.int64], count: int) -> Explanation:
    if len(places) == count:
        return made
    maps = np.full((count, *made.maps.shape[1:]), np.nan, np.float32)
    maps[places] = made.maps
    reasons: list[str | None] = [NO_MASK] * count
    for place, reason in zip(places.tolist(), made.refusals, strict=True):
        reasons[place] = reason
    return Explanation(maps, {}, tuple(reasons))


class Compared:
    """Maps that many others are compared with. What a measure looks at in them is worked out once, up to KEPT."""

    def __init__(self, made: Explanation) -> None:
        self.made = made
        self._described = dict[str, NDArray[Any]]()

    def likeness(self, other: Explanation) -> tuple[Array, list[str | None]]:
        """`(N, M)` on every measure, NaN where it has no value; and per sample why one of the two maps is refused."""
        reasons = [one or two for one, two in zip(self.made.refusals, other.refusals, strict=True)]
        values = np.full((len(reasons), len(MEASURES)), np.nan, np.float32)
        if self.made.maps.shape == other.maps.shape:
            for place, key in enumerate(MEASURES):
                values[:, place] = self.alike(key, other.maps)
        values[[reason is not None for reason in reasons]] = np.nan
        return values, reasons

    def alike(self, key: str, maps: Array) -> Array:
        """`(N,)` by one similarity, of maps `(N, h, w)`."""
        measure, own = SIMILARITIES[key], self._described.get(key)
        if own is None:
            own = measure.describe(self.made.maps)
            if own.nbytes <= KEPT:
                self._described[key] = own
        return measure.alike(own, measure.describe(maps))


def small(maps: Array) -> Array:
    """Means of areas, at most SIDE × SIDE of them; `(N, h, w)`."""
    height, width = (min(SIDE, side) for side in maps.shape[1:])
    return np.asarray(adaptive_avg_pool2d(torch.from_numpy(maps)[:, None], (height, width))[:, 0].numpy())
