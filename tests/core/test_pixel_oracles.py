"""Pixel methods against Captum called directly, and where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.oracles.models import (
    CLASSES,
    SHAPE,
    LinearModel,
    Plain,
    Residual,
    Tokens,
    model,
    one_dead_row,
    pictures,
    wrap,
)
from tests.oracles.pixel import CLASSES_OF_ROWS, Quadratic, gradient, linear, run
from xai_core.explainers import EXPLAINERS
from xai_core.explainers.engine.baseline import baseline
from xai_core.explainers.integrated_gradients import BASELINES, IGParams
from xai_core.explainers.occlusion import OcclusionParams
from xai_core.explainers.saliency import SaliencyParams
from xai_core.explainers.smoothgrad import SmoothGradParams
from xai_core.models.classifier import Classifier
from xai_core.params import specs


@pytest.mark.parametrize("kind", [Plain, Residual, Tokens])
def test_saliency_is_the_gradient(kind: type[nn.Module]) -> None:
    from captum.attr import Saliency

    classifier, x = model(kind), pictures(4)
    np.testing.assert_allclose(run(classifier, "saliency").maps, gradient(classifier, x).sum(1), atol=1e-6)
    captum = Saliency(classifier.module).attribute(x.clone().requires_grad_(), target=CLASSES_OF_ROWS).detach()
    found = run(classifier, "saliency", SaliencyParams(channels="max")).maps
    np.testing.assert_allclose(found, captum.amax(1), atol=1e-6)


@pytest.mark.parametrize("kind", [Plain, Residual, Tokens])
def test_input_x_gradient_equals_captum(kind: type[nn.Module]) -> None:
    from captum.attr import InputXGradient

    classifier, x = model(kind), pictures(4)
    found = run(classifier, "input_x_gradient").maps
    captum = InputXGradient(classifier.module).attribute(x.clone().requires_grad_(), target=CLASSES_OF_ROWS).detach()
    np.testing.assert_allclose(found, captum.sum(1), atol=1e-6)
    np.testing.assert_allclose(found, (x * gradient(classifier, x)).sum(1), atol=1e-6)


def test_gradients_of_a_linear_model_are_its_weights() -> None:
    classifier, weights = linear()
    x = pictures(4)
    np.testing.assert_allclose(run(classifier, "saliency").maps, weights.sum(1), atol=1e-6)
    np.testing.assert_allclose(run(classifier, "input_x_gradient").maps, (weights * x).sum(1), atol=1e-5)


def covered(length: int, window: int, stride: int) -> list[slice]:
    """Where patches lie along one side, written out: the last one reaches the end."""
    starts = [0]
    while starts[-1] + window < length:
        starts.append(starts[-1] + stride)
    return [slice(start, start + window) for start in starts]


def slow_occlusion(classifier: Classifier, x: Tensor, window: tuple[int, int], stride: tuple[int, int]) -> Tensor:
    """Patch by patch, over the training mean."""
    total, count = torch.zeros(len(x), *x.shape[2:]), torch.zeros(x.shape[2:])
    with torch.no_grad():
        before = classifier.logits(x)[range(4), CLASSES_OF_ROWS]
        for rows in covered(x.shape[2], window[0], stride[0]):
            for columns in covered(x.shape[3], window[1], stride[1]):
                hidden = x.clone()
                hidden[:, :, rows, columns] = 0
                lost = before - classifier.logits(hidden)[range(4), CLASSES_OF_ROWS]
                total[:, rows, columns] += lost[:, None, None]
                count[rows, columns] += 1
    return total / count


@pytest.mark.parametrize("kind", [Plain, Residual, Tokens])
def test_occlusion_equals_covering_patch_by_patch(kind: type[nn.Module]) -> None:
    classifier = model(kind)
    found = run(classifier, "occlusion", OcclusionParams(window=0.3, stride=0.2)).maps
    slow = slow_occlusion(classifier, pictures(4), (5, 4), (3, 2))
    np.testing.assert_allclose(found, slow, atol=1e-5)


def test_occlusion_of_a_linear_model_is_what_the_patch_holds() -> None:
    classifier, weights = linear()
    x = pictures(4)
    found = run(classifier, "occlusion", OcclusionParams(window=0.01, stride=0.01)).maps
    np.testing.assert_allclose(found, (weights * x).sum(1), atol=1e-5)
    whole = run(classifier, "occlusion", OcclusionParams(window=1.0, baseline="black")).maps
    change = (weights * (x - baseline(classifier, x, "black"))).flatten(1).sum(1)
    np.testing.assert_allclose(whole, change[:, None, None].expand(4, *SHAPE[1:]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("side", "at_most"), [(28, 81), (32, 100), (64, 121), (224, 100)])
def test_occlusion_takes_about_a_hundred_forwards(side: int, at_most: int) -> None:
    seen = []
    classifier = wrap(LinearModel(1, side, side, CLASSES), shape=(1, side, side))
    classifier.module.register_forward_hook(lambda _, inputs, out: seen.append(len(out)))
    run(classifier, "occlusion", x=pictures(1, shape=(1, side, side)))
    assert 64 < sum(seen) <= at_most + 1


def test_a_step_wider_than_the_patch_leaves_no_pixel_uncovered() -> None:
    classifier, _ = linear()
    assert np.isfinite(run(classifier, "occlusion", OcclusionParams(window=0.1, stride=0.9)).maps).all()


def test_ig_from_several_baselines_is_the_mean_and_complete() -> None:
    classifier = model(Residual)
    singles = [run(classifier, "ig", IGParams(steps=9, baseline=kind)).maps for kind in BASELINES]
    found = run(classifier, "ig", IGParams(steps=9, baseline="several"))
    np.testing.assert_allclose(found.maps, np.mean(singles, 0), atol=1e-5)
    fine = run(classifier, "ig", IGParams(steps=300, baseline="several"))
    assert (fine.diagnostics["completeness_gap"] < 0.02).all()


def test_the_gap_of_several_baselines_is_against_their_mean_output() -> None:
    """A linear model is complete with any number of steps, so only the wrong reference could leave a gap."""
    classifier, _ = linear()
    found = run(classifier, "ig", IGParams(steps=2, baseline="several"))
    np.testing.assert_allclose(found.diagnostics["completeness_gap"], 0, atol=1e-4)


SMOOTHED = next(spec.choices for spec in specs(SmoothGradParams) if spec.name == "method")


def test_noise_does_not_change_the_gradient_of_a_linear_model() -> None:
    classifier, weights = linear()
    found = run(classifier, "smoothgrad", SmoothGradParams(samples=3, noise=0.5)).maps
    np.testing.assert_allclose(found, weights.sum(1), atol=1e-6)


def test_smoothgrad_of_a_quadratic_model_averages_the_noise_away() -> None:
    """E[a (x + ε)] = a x; E[(x + ε) a (x + ε)] = a x² + a σ², σ = noise / std."""
    classifier, n, sigma = wrap(Quadratic()), 4000, 0.1 / 0.25
    x, weights = pictures(2), classifier.module.weights.detach()[CLASSES_OF_ROWS[:2]]
    found = run(classifier, "smoothgrad", SmoothGradParams("saliency", 0.1, n), x).maps
    error = sigma * (weights**2).sum(1).sqrt() / n**0.5
    assert (np.abs(found - (weights * x).sum(1).numpy()) < 5 * error.numpy()).all()
    found = run(classifier, "smoothgrad", SmoothGradParams("input_x_gradient", 0.1, n), x).maps
    variance = (weights**2 * (4 * x**2 * sigma**2 + 2 * sigma**4)).sum(1)
    expected = (weights * (x**2 + sigma**2)).sum(1)
    assert (np.abs(found - expected.numpy()) < 5 * (variance / n).sqrt().numpy()).all()


@pytest.mark.parametrize("method", SMOOTHED)
def test_smoothgrad_without_noise_is_the_method_itself(method: str) -> None:
    classifier = model(Residual)
    found = run(classifier, "smoothgrad", SmoothGradParams(method, noise=0.0, samples=2))
    np.testing.assert_allclose(found.maps, run(classifier, method).maps, atol=1e-5)


@pytest.mark.parametrize("method", SMOOTHED)
def test_what_is_averaged_uses_gradients_once_and_draws_nothing(method: str) -> None:
    card = EXPLAINERS[method].card
    assert "gradients" in card.needs
    assert "background" not in card.needs
    assert card.cost < 5


def test_smoothgrad_takes_the_layer_of_a_class_activation_map() -> None:
    found = run(model(Residual), "smoothgrad", SmoothGradParams("gradcam", samples=2, layer="block1"))
    assert found.maps.shape == (4, 16, 12)


def test_smoothgrad_refuses_what_its_method_refuses() -> None:
    """Whatever noise falls on the black picture: too little to reach over the bias."""
    classifier, x = one_dead_row()
    found = run(classifier, "smoothgrad", SmoothGradParams("gradcam", noise=1e-6, samples=3), x)
    assert [reason is not None for reason in found.refusals] == [False, True, False, False]
    assert "no gradient" in str(found.refusals[1])
