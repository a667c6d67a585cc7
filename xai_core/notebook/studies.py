"""A study as a program holds it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from xai_core.notebook.inline import study_html
from xai_core.notebook.runs import Run
from xai_core.notebook.serving import Served
from xai_core.types import SPLITS

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from xai_core.models.preprocess import Fit
    from xai_core.models.resample import Interpolation
    from xai_core.pipeline.load import Bench
    from xai_core.store.study import Study as StoredStudy


class Study:
    """A study: pictures with their labels, and the runs of models on them.

    Attributes:
        stored: the study as the library keeps it.
    """

    def __init__(self, stored: StoredStudy) -> None:
        self.stored = stored
        self._served: Served | None = None

    @cached_property
    def bench(self) -> Bench:
        """Where models are kept loaded."""
        from xai_core.pipeline.load import Bench
        from xai_core.settings import load

        return Bench(load({}).device)

    @property
    def samples(self) -> pd.DataFrame:
        """One line a sample (`id`, `split`, `label`, `path`, …); its position is its row number."""
        return self.stored.samples

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; `label` indexes them."""
        return self.stored.class_names

    @property
    def runs(self) -> list[str]:
        """Names of the runs, oldest first."""
        return self.stored.runs()

    def run(self, name: str) -> Run:
        """A run by its name. Raises NotFound."""
        return Run(self, self.stored.run(name))

    def add_model(
        self,
        model: nn.Module,
        name: str,
        *,
        size: int | tuple[int, int],
        mean: Sequence[float],
        std: Sequence[float],
        resize: int | None = None,
        fit: Fit | None = None,
        crop_share: float | None = None,
        interpolation: Interpolation | None = None,
        antialias: bool | None = None,
        fill: tuple[int, ...] | None = None,
        classes: Sequence[str | tuple[str, ...]] | None = None,
        cam_layer: str | None = None,
        code: str | None = None,
        predict: Sequence[str] = SPLITS,
    ) -> Run:
        """Keep a model as a run, and let it predict.

        The model is copied as it is now. Weights are kept in the study. So that other programs (the dashboard, the
        command) can build it again, it is looked whether it is one of the registered architectures, or its class can
        be called from a file; what is found must answer alike. Otherwise only this process can ask it, and the run
        says so; what it stores is seen everywhere.

        Args:
            model: maps `(N, C, H, W)` to logits `(N, K)`, or to a tuple or table that holds them.
            name: of the run.
            size, mean, std: its input, as it was trained: a side or height and width; on the 0…1 scale.
            resize, fit, crop_share, interpolation, antialias, fill: how pictures become that size, see
                `models.build.make_preprocess`; without them they are squashed.
            classes: names of its outputs in order, or for each all that it goes by; the study's classes are picked out
                of them. Left out, they are the study's.
            cam_layer: dotted name of the layer for class activation maps; left out, the architecture's own or the last
                layer that can hold a map.
            code: `package.module:function` that builds it, where that cannot be guessed.
            predict: splits to predict at once.

        Raises:
            BadParameter: a name, size, class or layer that does not fit, or code that builds another model.
            BadInput: the model does not answer with logits.
        """
        from xai_core.pipeline.imports import Model
        from xai_core.pipeline.live import add_live

        look = Model(
            spec=code or "",
            classes=tuple(classes) if classes is not None else None,
            cam_layer=cam_layer,
            size=size,
            mean=tuple(mean),
            std=tuple(std),
            resize=resize,
            fit=fit,
            crop_share=crop_share,
            interpolation=interpolation,
            antialias=antialias,
            fill=fill,
        )
        added = Run(self, add_live(self.stored, self.bench, name, model, look))
        if predict:
            added.predict(*predict)
        return added

    def show(self, port: int = 0) -> str:
        """Serve the dashboard on this study in the background, until this process ends; prints and gives the address.

        Args:
            port: to listen at, on this machine alone; 0 for any that is free.

        Raises BadInput where it does not answer.
        """
        self.stop()
        self._served = Served(self.stored.path, port)
        print(f"Second Look: {self._served.address}")
        return self._served.address

    def stop(self) -> None:
        """End the dashboard that `show` began, if there is one."""
        served, self._served = self._served, None
        if served is not None:
            served.stop()

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        return study_html(self.stored)
