"""On a CUDA device: every method gives the maps that it gives on the CPU, and a study goes all the way through."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.core.explainer_cases import SEEDS, TARGETS
from tests.oracles.models import pictures
from tests.oracles.table import HELD, MODELS, TABLE
from tests.tiny_study import make, xai
from xai_core.explainers import ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.models.classifier import Classifier
from xai_core.models.wrappers import placed
from xai_core.params import NoParams
from xai_core.store.maps import STORED
from xai_core.types import Explanation

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
CUDA = torch.device("cuda")
TOLERANCE = 0.05
"""Of a map's length. Sums in another order turn a rectifier here and there, and a gradient with it."""


def on_cuda(classifier: Classifier) -> Classifier:
    return replace(classifier, module=placed(classifier.module, CUDA), fingerprint=f"{classifier.fingerprint}-cuda")


def maps(classifier: Classifier, key: str) -> Explanation:
    shape, device = classifier.input_shape, classifier.device
    x, context = pictures(4, shape=shape).to(device), pictures(6, seed=9, shape=shape).to(device)
    masks = (pictures(4, seed=5, shape=shape)[:, 0] > 0).to(device)
    given = ExplainerInput(classifier, x, TARGETS, SEEDS, masks=masks, background=context)
    return explain(given, [(key, TABLE[key].params)])[0]


@pytest.mark.parametrize(("key", "name"), HELD)
def test_maps_are_those_of_the_cpu(key: str, name: str) -> None:
    expected, found = maps(MODELS[name](), key), maps(on_cuda(MODELS[name]()), key)
    assert found.refusals == expected.refusals
    for one, other in zip(found.maps, expected.maps, strict=True):
        np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
        assert np.linalg.norm(np.nan_to_num(one - other)) <= TOLERANCE * np.linalg.norm(np.nan_to_num(other))


def test_a_study_all_the_way_through(tmp_path: Path) -> None:
    study = make(tmp_path)
    run = study.run("baseline")
    known = run.predictions
    assert known is not None
    rows = study.rows("test")
    xai("explain", study.path, "--run", "baseline", "--methods", "gradcam,lrp,ig,random", "--split", "test")
    stored = run.maps("lrp", NoParams())
    assert stored is not None
    assert stored.made_with()["device"] == "cuda"
    (run.path / "predictions.parquet").unlink()
    xai("predict", study.path, "--run", "baseline", "--device", "cpu")
    again = study.run("baseline").predictions
    assert again is not None
    np.testing.assert_allclose(again.at(rows).probabilities, known.at(rows).probabilities, atol=1e-5)
    targets = [target.key for target in run.targets(rows, "predicted")]
    assert (stored.get(rows, targets).state == STORED).all()
