"""The contract that every explainer keeps: every method on a member of every architecture's family."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.core.explainer_cases import RUN_MODEL, SEEDS, TARGETS, run
from tests.oracles.models import Plain, Residual, model, pictures
from tests.oracles.table import HABITS, HELD, MODELS, OF_CLASSIFIERS, REFUSED, TABLE
from xai_core.errors import NotApplicable
from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.base import CamParams
from xai_core.explainers.engine.plan import explain, groups
from xai_core.models.architectures import architectures_for
from xai_core.models.grids import layouts
from xai_core.models.layers import layer_candidates
from xai_core.task import CLASSIFICATION
from xai_core.types import Explanation, Target


def test_no_pair_of_method_and_architecture_is_missing() -> None:
    """A pair that no row refuses must give maps, so that naming every method and every model decides all pairs."""
    assert set(TABLE) == set(EXPLAINERS.keys())
    assert {member.card.key for member in architectures_for(CLASSIFICATION)} < set(MODELS)
    for row in TABLE.values():
        assert set(row.refused) <= set(MODELS)
    assert len(HELD) + len(REFUSED) == len(TABLE) * len(MODELS)


@cache
def whole(key: str, name: str) -> Explanation:
    """The maps of all four rows; for reading only."""
    return run(MODELS[name](), key)


@pytest.mark.parametrize(("key", "name"), HELD)
def test_maps_are_float32_finite_or_refused(key: str, name: str) -> None:
    classifier, found = MODELS[name](), whole(key, name)
    assert found.maps.dtype == np.float32
    assert found.maps.ndim == 3
    assert len(found.maps) == len(found.refusals) == 4
    for row, reason in zip(found.maps, found.refusals, strict=True):
        assert np.isnan(row).all() if reason else np.isfinite(row).all()
    assert found.refusals.count(None) >= 3
    for values in found.diagnostics.values():
        assert values.shape == (4,)
        assert values.dtype == np.float32
    sizes = {classifier.input_shape[1:]}
    if "cam_layer" in EXPLAINERS[key].card.needs:
        sizes |= {shape[1:] for _, shape in layer_candidates(classifier)}
    assert found.maps.shape[1:] in sizes


@pytest.mark.parametrize(("key", "name"), REFUSED)
def test_what_does_not_hold_is_refused_with_a_reason(key: str, name: str) -> None:
    try:
        reasons = run(MODELS[name](), key).refusals
    except NotApplicable as refusal:
        reasons = (str(refusal),)
    assert all(re.search(TABLE[key].refused[name], reason or "") for reason in reasons), reasons


@pytest.mark.parametrize(("key", "name"), [pair for pair in HELD if pair[1] in (*HABITS, "vit_b_16")])
def test_same_call_same_map(key: str, name: str) -> None:
    first, second = whole(key, name), run(MODELS[name](), key)
    np.testing.assert_array_equal(first.maps, second.maps)
    for number, values in first.diagnostics.items():
        np.testing.assert_array_equal(values, second.diagnostics[number])


def digests(name: str) -> str:
    """Of the maps of every method that holds for a model."""
    keys = [key for key in TABLE if (key, name) in HELD]
    return "\n".join(f"{key} {hashlib.sha256(whole(key, name).maps.tobytes()).hexdigest()}" for key in keys)


def test_another_process_gives_the_same_bytes() -> None:
    code = "from tests.core.test_explainers import digests; print(digests('resnet18'))"
    env = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=env)
    assert done.stdout.strip() == digests("resnet18")


@pytest.mark.parametrize(("key", "name"), HELD)
def test_a_batch_equals_its_samples_alone(key: str, name: str) -> None:
    """Each with its own target; the rows beside it make no difference."""
    classifier, together = MODELS[name](), whole(key, name)
    for row in range(4) if name in HABITS else (1, 2):
        alone = run(classifier, key, slice(row, row + 1))
        near = 1e-4 * max(1.0, float(np.nanmax(np.abs(together.maps))))
        np.testing.assert_allclose(alone.maps[0], together.maps[row], atol=near)
        assert alone.refusals == together.refusals[row : row + 1]


@pytest.mark.parametrize(
    ("key", "name"), [pair for pair in HELD if pair[1] in ("resnet18", "efficientnet_b0", "convnext_tiny", "vit_b_16")]
)
def test_a_model_in_bfloat16_gives_nearly_the_same_maps_or_none(key: str, name: str) -> None:
    single = MODELS[name]()
    found = run(replace(single, module=single.module.bfloat16(), fingerprint=f"{name} in bfloat16"), key)
    assert found.maps.dtype == np.float32
    pairs = zip(found.maps, whole(key, name).maps, found.refusals, strict=True)
    # Rounding may turn the sign of an eigenvector.
    near = [abs(np.corrcoef(ours.ravel(), exact.ravel())[0, 1]) for ours, exact, reason in pairs if reason is None]
    assert not near or np.median(near) > 0.9, near


@pytest.mark.parametrize("key", [key for key, row in TABLE.items() if row.seeded])
def test_a_seed_belongs_to_its_row(key: str) -> None:
    classifier, x = model(Plain), pictures(1).repeat(3, 1, 1, 1)
    context = pictures(6, seed=9)
    targets, seeds = [Target(0)] * 3, np.array([5, 6, 5])
    (found,) = explain(ExplainerInput(classifier, x, targets, seeds, background=context), [(key, TABLE[key].params)])
    np.testing.assert_array_equal(found.maps[0], found.maps[2])
    assert not np.allclose(found.maps[0], found.maps[1])


@pytest.mark.parametrize("key", [key for key in RUN_MODEL if TABLE[key].linear])
def test_a_difference_is_the_difference_of_the_logits(key: str) -> None:
    classifier, x, seeds = model(Residual), pictures(3)[2:].repeat(3, 1, 1, 1), SEEDS[[2, 2, 2]]
    context = pictures(6, seed=9)
    targets = [Target(1, 2), Target(1), Target(2)]
    (found,) = explain(ExplainerInput(classifier, x, targets, seeds, background=context), [(key, TABLE[key].params)])
    np.testing.assert_allclose(found.maps[0], found.maps[1] - found.maps[2], atol=1e-5)


@pytest.mark.parametrize("key", OF_CLASSIFIERS)
def test_a_card_says_whether_the_class_matters(key: str) -> None:
    classifier, x = model(Plain), pictures(1).repeat(2, 1, 1, 1)
    context = pictures(6, seed=9)
    targets, masks = [Target(0), Target(3)], x.mean(1) > 0
    given = ExplainerInput(classifier, x, targets, SEEDS[[1, 1]], masks=masks, background=context)
    (found,) = explain(given, [(key, TABLE[key].params)])
    same = np.allclose(found.maps[0], found.maps[1], atol=1e-6 * np.abs(found.maps).max())
    assert same != EXPLAINERS[key].card.class_specific


def test_cams_of_one_layer_share_one_forward() -> None:
    classifier, calls = model(Residual), []
    layouts(classifier, ["block1", "block2"])
    classifier.module.register_forward_hook(lambda *_: calls.append(1))
    methods = [("gradcam", None), ("gradcam++", CamParams(layer="block2")), ("gradcam", CamParams(layer="block1"))]
    assert groups(classifier, methods) == [[0, 1], [2]]
    found = explain(ExplainerInput(classifier, pictures(4), TARGETS, SEEDS), methods)
    assert len(calls) == 2
    assert [f.maps.shape[1:] for f in found] == [(8, 6), (8, 6), (16, 12)]


def test_results_come_in_the_order_of_the_methods() -> None:
    classifier = model(Residual)
    methods = [("ig", TABLE["ig"].params), ("edges", None), ("gradcam", None)]
    found = explain(ExplainerInput(classifier, pictures(4), TARGETS, SEEDS), methods)
    for (key, _), result in zip(methods, found, strict=True):
        np.testing.assert_array_equal(result.maps, run(classifier, key).maps)


def test_listing_imports_no_heavy_library() -> None:
    code = (
        "import sys; from xai_core.explainers import EXPLAINERS; from xai_core.similarities import SIMILARITIES;"
        "EXPLAINERS.keys(); SIMILARITIES.keys();"
        "print([m for m in ('torch', 'captum', 'shap', 'sklearn', 'torchvision', 'skimage') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
