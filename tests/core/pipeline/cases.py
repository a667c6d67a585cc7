"""Maps that are made and read back, which the tests of the work over a study share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.explainers import EXPLAINERS
from xai_core.pipeline.asked import Given
from xai_core.pipeline.explain import Request, explain_steps
from xai_core.pipeline.load import Bench
from xai_core.store.run import Run
from xai_core.training.config import TrainConfig

CPU = Given(device="cpu")


CONFIG = TrainConfig(architecture="small_cnn", epochs=1, batch_size=8)


def explained(run: Run, rows: NDArray[np.int64], *methods: tuple[str, dict[str, Any]]) -> None:
    list(explain_steps(Bench("cpu"), Request(run, rows.tolist(), "predicted", methods)))


def stored(run: Run, rows: NDArray[np.int64], method: str, **values: object) -> NDArray[np.float32]:
    maps = run.maps(method, EXPLAINERS[method].params(**values))
    assert maps is not None
    return maps.get(rows, [target.key for target in run.targets(rows, "predicted")]).maps
