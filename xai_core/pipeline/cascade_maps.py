"""Maps of some samples by a model in any state, held in memory; how alike two of them are, and small ones to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import adaptive_avg_pool2d

from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.pipeline.load import as_input, note, read, seeds_of
from xai_core.pipeline.places import NOWHERE, Places, among, inside_of, masks_of, planes, refused, regions_of, together
from xai_core.sanity.orders import SPEC
from xai_core.sanity.verdict import MEASURES
from xai_core.similarities import SIMILARITIES
from xai_core.store.data_folder import MissingData
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
        pictures = read(run.study, classifier.preprocess.canvas, rows.tolist(), left_out)
        self.rows = np.array(list(pictures), dtype=np.int64)
        self.targets: Sequence[Target] = targets or (run.targets(self.rows, SPEC) if len(self.rows) else [])
        self._x = as_input(classifier, list(pictures.values())) if pictures else None

    def seen_by(self, run: Run, classifier: Classifier) -> Samples:
        """The same samples and targets, as another run's model takes them."""
        return Samples(self._bench, run, classifier, self.rows, self._left_out, self.targets)

    @cached_property
    def _masks(self) -> Places:
        return self._noted(masks_of(self._run, self.rows, self.targets))

    @cached_property
    def _regions(self) -> Places:
        return self._noted(regions_of(self._run, self.rows, self.targets)) if self._classifier.output_size else NOWHERE

    def _noted(self, found: Places) -> Places:
        for place, error in found.unread.items():
            if isinstance(error, MissingData):
                raise error
            note(self._left_out, self._run.study, int(self.rows[place]), error)
        return found

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
        masks, regions = self._masks if "mask" in needs else NOWHERE, self._regions
        short = together(masks, regions)
        reasons = dict(short.lacking) | {place: str(error) for place, error in short.unread.items()}
        fit = np.setdiff1d(np.arange(len(self.rows)), list(reasons))
        if not len(fit):
            return [refused([reasons[place] for place in range(len(self.rows))])] * len(methods)
        given = ExplainerInput(
            classifier,
            self._x[torch.from_numpy(fit).to(self._x.device)],
            [self.targets[place] for place in fit.tolist()],
            seeds_of(self._run.study, self.rows[fit], seed),
            regions=planes(regions, fit, classifier),
            masks=planes(masks, fit, classifier),
            background=self._background(methods) if "background" in needs else None,
            inside=inside_of(self._run, self.rows[fit]),
        )
        return [replace(among(each, fit, reasons), diagnostics={}) for each in explain(given, methods)]

    def _background(self, methods: Asked) -> torch.Tensor:
        count = max(EXPLAINERS[key].background_count(params) for key, params in methods)
        study = self._run.study
        return self._bench.background(study, self._classifier, study.background(count).tolist())


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
