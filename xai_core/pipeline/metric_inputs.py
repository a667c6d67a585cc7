"""What metrics are given of some samples, each read when a metric first needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.explainers.base import ExplainerInput
from xai_core.metrics import MetricInput, ModelInput
from xai_core.metrics.memo import Memo, shared
from xai_core.pipeline.load import seeds_of
from xai_core.pipeline.parts import PartsFound, parts_of
from xai_core.pipeline.places import Places, asked_about, masks_of, preprocess_of, regions_of
from xai_core.store.maps import StoredMaps
from xai_core.types import Card, Explanation, Target

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.explainers.base import Explainer
    from xai_core.metrics.base import Again
    from xai_core.models.classifier import Classifier
    from xai_core.pipeline.load import Bench
    from xai_core.store.run import Run


@dataclass(frozen=True)
class Method:
    """One method of a request, with its parameters and what these make of its card."""

    explainer: Explainer
    params: Any
    values: Mapping[str, Any]
    card: Card


@dataclass(frozen=True)
class Masks:
    """Of N samples: `pixels` `(N, H, W)` on the input's grid, `there` `(N,)`, and why some cannot be read, by place."""

    pixels: NDArray[np.bool_]
    there: NDArray[np.bool_]
    unread: Mapping[int, str]


@dataclass(frozen=True, eq=False)
class Samples:
    """N samples of a run whose maps are scored.

    Attributes:
        rows: `(N,)` row numbers.
        targets: N of them: what the maps explain.
    """

    bench: Bench
    run: Run
    weights: str
    rows: NDArray[np.int64]
    targets: Sequence[Target]

    @cached_property
    def keys(self) -> list[str]:
        """The targets as maps and scores are kept by."""
        return [target.key for target in self.targets]

    @cached_property
    def seeds(self) -> NDArray[np.int64]:
        """`(N,)`, the same that the maps were made with."""
        return seeds_of(self.run.study, self.rows)

    @cached_property
    def size(self) -> tuple[int, int]:
        """`(H, W)` of the model's input."""
        return input_size(self.run)

    @cached_property
    def no_masks(self) -> Masks:
        """For a metric that needs none."""
        count = len(self.rows)
        return Masks(np.broadcast_to(np.False_, (count, *self.size)), np.zeros(count, dtype=bool), {})

    @cached_property
    def masks(self) -> Masks:
        """The object of each. One that cannot be read costs no other."""
        return self._planes(masks_of(self.run, self.rows, self.targets, preprocess_of(self.run).whole))

    @cached_property
    def asked_about(self) -> Masks:
        """What each map is about: a segmenter's region, a classifier's object."""
        return self._planes(asked_about(self.run, self.rows, self.targets))

    def _planes(self, found: Places) -> Masks:
        pixels = np.zeros((len(self.rows), *self.size), dtype=bool)
        there = np.zeros(len(self.rows), dtype=bool)
        for place, mask in found.there.items():
            pixels[place], there[place] = mask, True
        return Masks(pixels, there, {place: str(error) for place, error in found.unread.items()})

    @cached_property
    def weights_of_output(self) -> Tensor:
        """`(N, *output)` what each number of the model's output counts in the targets; 0 where a region is empty."""
        from xai_core.explainers.engine.output import weights_of

        return weights_of(self.model[0], self.targets, self.regions)

    @cached_property
    def regions(self) -> Tensor | None:
        """`(N, H, W)` of a segmenter, on the grid of its output; an empty one is 0 everywhere."""
        import torch

        classifier, _ = self.model
        if not classifier.output_size:
            return None
        shares = np.zeros((len(self.rows), *classifier.output_size), np.float32)
        for place, share in regions_of(self.run, self.rows, self.targets).there.items():
            shares[place] = share
        return torch.from_numpy(shares).to(classifier.device)

    @cached_property
    def parts(self) -> PartsFound:
        """Of all samples, with what each counts for its target. One that cannot be shown costs no other."""
        classifier, x = self.model
        return parts_of(self.run.study, classifier, x, self.weights_of_output, self.rows)

    def unread(self, needs: frozenset[str]) -> Mapping[int, str]:
        """Why what a metric with these needs asks of a sample cannot be had, by place."""
        return {**self._places(needs).unread, **(self.parts.unread if "parts" in needs else {})}

    @cached_property
    def model(self) -> tuple[Classifier, Tensor]:
        """The classifier, and the samples as its input."""
        from xai_core.pipeline.load import inputs

        classifier = self.bench.classifier(self.run, self.weights)
        return classifier, inputs(self.run.study, classifier, self.rows.tolist())

    def given(self, method: Method, stored: StoredMaps, needs: frozenset[str], memo: Memo) -> MetricInput:
        """What a metric with these needs gets of a method's maps of all samples.

        Args:
            memo: one for all metrics of these maps.
        """
        masks = self._places(needs)
        asked = self._asked(method) if "model" in needs else None
        made = MetricInput(
            stored.maps,
            method.card,
            self.targets,
            self.seeds,
            masks.pixels,
            masks.there,
            stored.refusals,
            asked,
            self.parts.parts if "parts" in needs else (),
        )
        return shared(made, memo)

    def _places(self, needs: frozenset[str]) -> Masks:
        """What a metric with these needs compares maps with."""
        if "region" in needs:
            return self.asked_about
        return self.masks if "mask" in needs else self.no_masks

    @cached_property
    def _memo(self) -> Memo:
        """Of what does not depend on the method."""
        return Memo()

    def _asked(self, method: Method) -> ModelInput:
        made = ModelInput(*self.model, self.weights_of_output, self._again(method))
        return shared(made, self._memo)

    def _again(self, method: Method) -> Again:
        """The method, asked once more of any inputs, for the targets and with the seeds of these samples."""
        from xai_core.explainers.engine.plan import explain

        background = self._background(method) if "background" in method.card.needs else None

        def again(classifier: Classifier, x: Tensor, rows: NDArray[np.int64], /) -> Explanation:
            given = ExplainerInput(
                classifier,
                x,
                [self.targets[row] for row in rows],
                self.seeds[rows],
                regions=None if self.regions is None else self.regions[rows.tolist()],
                masks=self._as_tensor(rows) if "mask" in method.card.needs else None,
                background=background,
            )
            return explain(given, [(method.explainer.card.key, method.params)])[0]

        return again

    def _background(self, method: Method) -> Tensor:
        study, count = self.run.study, method.explainer.background_count(method.params)
        return self.bench.background(study, self.model[0], study.background(count).tolist())

    def _as_tensor(self, rows: NDArray[np.int64]) -> Tensor:
        import torch

        return torch.from_numpy(self.masks.pixels[rows]).to(self.model[0].device)


def input_size(run: Run) -> tuple[int, int]:
    """`(H, W)` of the model's input; of tiles of the grid that maps of whole pictures lie on."""
    preprocess = preprocess_of(run).whole
    return preprocess.height, preprocess.width
