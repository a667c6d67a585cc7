"""Metrics beside those of other libraries: where these are right ours are the same, and where they are not, how."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks import peers
from tests.core.test_metrics import UNSIGNED, given
from xai_core.metrics import METRICS, MetricInput, score
from xai_core.metrics.imputation import imputed
from xai_core.params import build
from xai_core.types import Array, Target


def alone(card: Any = UNSIGNED) -> MetricInput:
    """Maps of the input's size without any two places that are alike, each for one class."""
    asked = given(4, card=card, shape=(16, 24))
    targets = [Target(row % 3) for row in range(4)]
    weights = torch.nn.functional.one_hot(torch.tensor([each.positive for each in targets]), 5).float()
    model = type(asked.model)(asked.model.classifier, asked.model.x, weights, asked.model.explain)
    maps = np.abs(asked.maps) + np.float32(1e-3)
    maps /= maps.max(axis=(1, 2), keepdims=True)
    return MetricInput(maps, card, targets, asked.seeds, asked.masks, asked.has_mask, asked=model)


def ours(key: str, asked: MetricInput, **values: Any) -> Array:
    found = score(METRICS[key], asked, build(METRICS[key].params, values))
    assert set(found.reasons) == {None}
    return found.values


def of(asked: MetricInput) -> tuple[nn.Module, Tensor, Array, list[int]]:
    """As other libraries take them."""
    return asked.model.classifier.module, asked.model.x, asked.maps, [each.positive for each in asked.targets]


def test_deletion_and_insertion_are_torchcams() -> None:
    theirs = peers.torchcam_areas(*of(alone()), steps=8)
    np.testing.assert_allclose(ours("deletion", alone(), steps=8).mean(), theirs["deletion_auc"], rtol=1e-5)
    found = ours("insertion", alone(), steps=8, fill="mean")
    np.testing.assert_allclose(found.mean(), theirs["insertion_auc"], rtol=1e-5)


def test_drop_is_torchcams_where_the_models_input_is_multiplied() -> None:
    theirs = peers.torchcam_drop(*of(alone()))
    np.testing.assert_allclose(ours("average-drop", alone(), fill="mean").mean(), theirs["avg_drop"], rtol=1e-4)
    np.testing.assert_allclose(ours("increase", alone(), fill="mean").mean(), theirs["conf_increase"])
    assert abs(ours("average-drop", alone()).mean() - theirs["avg_drop"]) > 1e-3, "the paper multiplies the picture"


def test_the_drop_of_grad_cams_library_is_not_divided() -> None:
    found = score(METRICS["average-drop"], alone(), build(METRICS["average-drop"].params, {"fill": "mean"}))
    expected = found.values * found.beside["probability"]
    np.testing.assert_allclose(peers.gradcam_drop(*of(alone())), expected, atol=1e-6)
    assert not np.allclose(expected, found.values, rtol=0.1)


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # theirs
def test_imputation_is_the_authors() -> None:
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer

    rng = np.random.default_rng(0)
    picture, gone = rng.random((3, 9, 11), np.float32), rng.random((9, 11)) < 0.7
    theirs = NoisyLinearImputer(noise=0)(torch.from_numpy(picture), torch.from_numpy((~gone).astype(np.float32)))
    np.testing.assert_allclose(imputed(picture.astype(np.float64), gone), theirs.numpy(), atol=1e-5)


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # theirs
def test_grad_cams_library_removes_everything_from_a_map_that_is_mostly_zero_and_we_do_not() -> None:
    from pytorch_grad_cam.metrics.road import ROADMostRelevantFirst

    asked = alone()
    asked.maps[:, :, 3:] = 0
    seen: list[Tensor] = []
    asked.model.classifier.module.register_forward_pre_hook(lambda _module, args: seen.append(args[0].clone()))
    try:
        model, x, maps, classes = of(asked)
        targets = peers._softmax_targets(classes)
        _, theirs = ROADMostRelevantFirst(50)(x, maps, targets, model, return_visualization=True)
        assert (theirs != x).any(1).float().mean() > 0.99, "half was asked for"
        seen.clear()
        ours("road", asked, steps=2)
        pictures = torch.cat([each for each in seen if len(each) > 1])
        changed = torch.stack([(one != x[row // 2]).any(0).float().mean() for row, one in enumerate(pictures)])
        np.testing.assert_allclose(changed, 0.5, atol=0.01)
    finally:
        asked.model.classifier.module._forward_pre_hooks.clear()


def test_infidelity_is_captums_best_scaled_one_divided_by_the_mean_square() -> None:
    from captum.metrics import infidelity

    asked = alone(given().explainer)
    found = score(METRICS["infidelity"], asked, build(METRICS["infidelity"].params, {"patches": 12}))
    model, x, _, classes = of(asked)
    for row in range(4):
        draw = np.random.default_rng(int(asked.seeds[row]))
        corners = list(zip(draw.integers(0, 13, 12).tolist(), draw.integers(0, 19, 12).tolist(), strict=True))

        def hide(inputs: Tensor, corners: Any = corners) -> tuple[Tensor, Tensor]:
            """Of a map with a number per place, what is told is its sum: one third from each channel."""
            hidden, told = inputs.clone(), torch.zeros_like(inputs)
            for number, (top, left) in enumerate(corners):
                here = (number, slice(None), slice(top, top + 4), slice(left, left + 6))
                hidden[here], told[here] = 0, 1 / 3
            return told, hidden

        one = torch.from_numpy(asked.maps[row])[None, None].expand(1, 3, -1, -1)
        theirs = infidelity(
            model, hide, x[row : row + 1], one, target=classes[row], n_perturb_samples=12, normalize=True
        )
        best = float(found.values[row] * found.beside["change"][row] ** 2)
        assert float(theirs) <= best * (1 + 1e-4), "whose scale may be negative"
        if found.values[row] < 0.999:
            np.testing.assert_allclose(float(theirs), best, rtol=1e-3)


@pytest.fixture(scope="module")
def quantus() -> Any:
    """Not among what is installed for development: it brings another OpenCV. `pip install --no-deps quantus`."""
    return pytest.importorskip("quantus", reason="quantus is not installed: pip install --no-deps quantus cachetools")


QUIET = {"disable_warnings": True, "abs": False, "normalise": False}


def as_quantus(asked: MetricInput) -> dict[str, Any]:
    model, x, maps, classes = of(asked)
    named = {"model": model, "x_batch": x.numpy(), "y_batch": np.array(classes), "device": "cpu"}
    return {**named, "a_batch": maps[:, None].copy(), "s_batch": asked.masks[:, None].copy()}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_is_sound_in_quantus_is_ours(quantus: Any) -> None:
    asked, boxes = alone(), alone()
    pairs = {
        "bbox": quantus.RelevanceRankAccuracy(**QUIET),
        "energy-pointing-game": quantus.RelevanceMassAccuracy(**QUIET),
        "pointing-game": quantus.PointingGame(**QUIET),
        "sparseness": quantus.Sparseness(**QUIET),
    }
    for key, metric in pairs.items():
        theirs = np.array(metric(**as_quantus(boxes)), np.float32)
        np.testing.assert_allclose(ours(key, asked), theirs, atol=1e-4, err_msg=key)
    entropy = np.array(quantus.Complexity(**QUIET)(**as_quantus(asked)), np.float32)
    np.testing.assert_allclose(ours("complexity", asked), entropy / np.log(16 * 24), atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_an_empty_mask_is_a_hit_of_quantus_and_not_scored_here(quantus: Any) -> None:
    asked = alone()
    asked.masks[1] = False
    theirs = quantus.PointingGame(**QUIET)(**as_quantus(asked))
    assert bool(theirs[1])
    found = score(METRICS["pointing-game"], asked)
    assert found.reasons[1] == "the mask is empty where the model looks"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_quantus_cannot_give_an_area_nor_remove_pixels_of_a_coloured_picture(quantus: Any) -> None:
    flipping = quantus.PixelFlipping(features_in_step=64, return_auc_per_sample=True, **QUIET)
    with pytest.raises(AttributeError, match="trapz"):
        flipping(**as_quantus(alone()))
    steps = quantus.PixelFlipping(features_in_step=96, **QUIET)(**as_quantus(alone()))
    assert np.array(steps).shape[-1] == 12, "of single channels; 4 steps of pixels"
    with pytest.raises(IndexError):
        quantus.ROAD(percentages=[50], **QUIET)(**as_quantus(alone()))
