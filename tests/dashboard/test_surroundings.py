"""The object or its surroundings? The part of the page Explanation quality that says how far evidence lies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from dashboard.frame.context import Services, Studies, use_services
from tests.dashboard.fakes import FakeWorker
from tests.dashboard.pages import opened, words
from tests.dashboard.segmenters import squares
from xai_core.explainers import EXPLAINERS
from xai_core.metrics import METRICS
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.types import Scores


@pytest.fixture
def study(tmp_path: object) -> Study:
    return squares(tmp_path)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def served(study: Study) -> Iterator[None]:
    use_services(Services(Studies([study.path]), FakeWorker()))
    yield
    use_services(None)


def put(run: Run, method: str, evidence: slice) -> None:
    """Maps of all pictures with evidence in these columns of twelve, and one score so that there are results."""
    rows = np.arange(len(run.study.labels))
    keys = [target.key for target in run.targets(rows, "predicted")]
    maps = np.zeros((len(rows), 12, 12), np.float32)
    maps[:, :, evidence] = 1
    maps[:, 0, 0] += 0.001
    params = EXPLAINERS[method].params()
    store = run.maps(method, params, create=True)
    assert store is not None
    store.put(rows, keys, maps)
    sparseness = METRICS["sparseness"]
    scores = run.scores(("sparseness", sparseness.params()), (method, params), create=True)
    assert scores is not None
    scores.put(rows, keys, Scores(np.full(len(rows), 0.5, np.float32)))


def test_each_method_stands_beside_area_and_controls(study: Study) -> None:
    run = study.run("unet")
    put(run, "gradcam", slice(4, 8))
    put(run, "random", slice(0, 12))
    app = opened("quality", study="squares", run="unet", split="all", methods="gradcam", metrics="sparseness")
    said = words(app)
    assert "The object or its surroundings?" in said
    assert "Distances are shares of the picture's shorter side" in said.replace("&#x27;", "'")
    assert "less those of controls" in said
    assert "Random" in said


def test_without_maps_the_part_is_not_there(study: Study) -> None:
    app = opened("quality", study="squares", run="unet", split="all", methods="gradcam", metrics="sparseness")
    assert "The object or its surroundings?" not in words(app)
