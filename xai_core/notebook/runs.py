"""A run and its heatmaps as a program holds them."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadParameter, NotFound
from xai_core.notebook.inline import run_html
from xai_core.task import SEGMENTATION
from xai_core.types import SPLITS, TARGET_SPECS

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

    from xai_core.notebook.studies import Study
    from xai_core.store.run import Run as StoredRun
    from xai_core.triage.looks import Look

LOG = logging.getLogger("xai")

Rows = Sequence[int] | NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Maps:
    """Heatmaps of some samples by one method.

    Attributes:
        method: its key.
        rows: `(n,)` row numbers, as asked.
        target: what is explained: one of TARGET_SPECS or a class index as text.
        maps: `(n, h, w)` float32, NaN where there is none.
        refusals: per sample None, or why its map must not be shown.
    """

    method: str
    rows: NDArray[np.int64]
    target: str
    maps: NDArray[np.float32]
    refusals: tuple[str | None, ...]


class Explained(dict[str, Maps]):
    """Heatmaps by method; at the end of a notebook's cell, the picture that `figure` makes."""

    def __init__(self, run: StoredRun, maps: Mapping[str, Maps], methods: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(maps)
        self._run, self._methods = run, methods

    def figure(self, most: int = 8, look: Look = "heat") -> Image.Image:
        """The samples with their heatmaps side by side, as the dashboard's sheets show them.

        Args:
            most: samples that are shown, the first ones.
            look: `heat`, `cells`, `outline` or `alone`; see `xai_core.triage.looks`.

        Raises:
            NotFound: no such look.
        """
        from xai_core.notebook.inline import sheet_of

        first = next(iter(self.values()))
        return sheet_of(self._run, self._methods, first.rows, first.target, most, look)

    def _repr_png_(self) -> bytes:
        """What a notebook shows of it."""
        content = io.BytesIO()
        self.figure().save(content, "PNG")
        return content.getvalue()

    def __repr__(self) -> str:
        counts = ", ".join(f"{key} {maps.maps.shape}" for key, maps in self.items())
        return f"Heatmaps of {self._run.name}: {counts}"


class Run:
    """A model on a study, with its predictions and heatmaps.

    Attributes:
        study: its study.
        stored: the run as the library keeps it.
    """

    def __init__(self, study: Study, stored: StoredRun) -> None:
        self.study = study
        self.stored = stored

    @property
    def name(self) -> str:
        """Its name."""
        return self.stored.name

    @property
    def predictions(self) -> pd.DataFrame:
        """One line per predicted sample: `row`, `id`, `split`, `true`, `predicted` (names), `confidence`, `loss`.

        Raises BadInput where there are none.
        """
        from xai_core.answers.cell import members_table
        from xai_core.answers.scope import Scope

        scope = Scope(self.stored, "all")
        table = members_table(scope, scope.predictions.rows)
        return table.rename(columns={"p_predicted": "confidence"})[
            ["row", "id", "split", "true", "predicted", "confidence", "loss"]
        ]

    @property
    def mistakes(self) -> NDArray[np.int64]:
        """Rows of the test samples that are wrong (of all samples where there is no test split), surest first."""
        from xai_core.answers.scope import Scope, best_split, in_order

        scope = Scope(self.stored, best_split(self.study.stored, self.stored))
        return in_order(scope, scope.members.mistakes, "confidence")

    def predict(self, *splits: str) -> dict[str, dict[str, float]]:
        """Predict what is not predicted yet; accuracy with its 95 % interval and n per split.

        Of a segmenter the accuracy is that of pixels, its interval and n of pictures.
        """
        from xai_core.answers.runs import by_split, doubts
        from xai_core.answers.segments import segments
        from xai_core.pipeline.predict import predict

        wanted = splits or SPLITS
        for split in wanted:
            if split not in SPLITS:
                raise BadParameter("not a split", value=split, remedy=f"Choose from {', '.join(SPLITS)}.")
        _left_out(predict(self.stored, self.study.bench.classifier(self.stored), wanted).left_out)
        if self.study.stored.info.task == SEGMENTATION:
            return {split: segments(self.stored, split).right for split in wanted}
        found = by_split(self.stored)
        for doubt in doubts(found, len(self.study.classes)):
            LOG.warning("%s", doubt)
        return found

    def explain(
        self, rows: Rows, methods: str | Sequence[str] | Mapping[str, Mapping[str, Any]], target: str = "predicted"
    ) -> Explained:
        """Heatmaps of samples by method, computed where they are not stored yet. A notebook shows them as a picture.

        Of a model without a layer for class activation maps, methods that need one are left out, with a warning,
        unless no other is asked for.

        Args:
            rows: `(n,)` row numbers.
            methods: keys (`xai list explainers`), or keys with parameters: `{"ig": {"steps": 100}}`.
            target: one of TARGET_SPECS, or the name of a class.

        Raises:
            NotFound, BadParameter: an unknown method, parameter, class or row.
            BadInput: samples without a prediction.
        """
        from xai_core.explainers import EXPLAINERS
        from xai_core.params import build
        from xai_core.pipeline.explain import Request, check_methods, explain_steps
        from xai_core.pipeline.steps import noted
        from xai_core.store.obstacles import usable

        asked = np.asarray(rows, dtype=np.int64).reshape(-1)
        wanted, spec = _with_values(methods), self._spec(target)
        if not len(asked):
            raise BadParameter("no samples", remedy="Name row numbers, as run.mistakes has them.")
        wanted, without = usable(self.stored, wanted)
        request = Request(self.stored, asked.tolist(), spec, wanted)
        check_methods(self.study.bench, request)
        left_out: dict[str, str] = {}
        for _ in noted(explain_steps(self.study.bench, request), len(asked), left_out):
            pass
        _left_out(without | left_out)
        keys, made = [one.key for one in self.stored.targets(asked, spec)], dict[str, Maps]()
        for key, values in wanted:
            store = self.stored.maps(key, build(EXPLAINERS[key].params, values))
            assert store is not None, "it was filled just now"
            found = store.get(asked, keys)
            made[key] = Maps(key, asked, spec, found.maps, tuple(found.refusals))
        return Explained(self.stored, made, dict(wanted))

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        return run_html(self.stored)

    def _spec(self, target: str) -> str:
        if target in TARGET_SPECS:
            return target
        if target not in self.study.classes:
            raise NotFound.among("class", target, self.study.classes)
        return str(self.study.classes.index(target))


def _with_values(
    methods: str | Sequence[str] | Mapping[str, Mapping[str, Any]],
) -> list[tuple[str, Mapping[str, Any]]]:
    if isinstance(methods, str):
        return [(methods, {})]
    given = methods if isinstance(methods, Mapping) else {key: {} for key in methods}
    return [(key, values) for key, values in given.items()]


def _left_out(reasons: Mapping[str, str]) -> None:
    for name, reason in reasons.items():
        LOG.warning("left out %s: %s", name, reason)
