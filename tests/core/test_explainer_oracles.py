"""Explainers against a second, slow writing of the papers, against other libraries, and where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.oracles.cam import grad_cam, grad_cam_plus_plus
from tests.oracles.models import CLASSES, SHAPE, LinearModel, Plain, Residual, Tokens, grid, model, pictures, wrap
from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.engine.baseline import baseline
from xai_core.explainers.engine.plan import explain
from xai_core.explainers.gradient_shap import ShapParams
from xai_core.explainers.integrated_gradients import IGParams
from xai_core.models.classifier import Classifier
from xai_core.types import Explanation, Target

TARGETS = [Target(0), Target(3), Target(1), Target(4)]
SEEDS = np.arange(4)


def run(classifier: Classifier, key: str, params: object = None, context: torch.Tensor | None = None) -> Explanation:
    x = pictures(4, shape=classifier.input_shape)
    (found,) = explain(ExplainerInput(classifier, x, TARGETS, SEEDS, background=context), [(key, params)])
    return found


def random_grids(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Activations as after a ReLU, gradients of order one, one channel without gradient."""
    generator = torch.Generator().manual_seed(seed)
    activations = torch.randn(3, 4, 5, 3, generator=generator).relu()
    gradients = torch.randn(3, 4, 5, 3, generator=generator)
    gradients[:, 1] = 0
    return activations, gradients


@pytest.mark.parametrize("seed", range(5))
def test_grad_cam_equals_the_papers_equations(seed: int) -> None:
    activations, gradients = random_grids(seed)
    slow = [grad_cam(a.double().numpy(), g.double().numpy()) for a, g in zip(activations, gradients, strict=True)]
    fast = EXPLAINERS["gradcam"].formula(activations, gradients)
    np.testing.assert_allclose(fast, slow, atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 1e-4])
@pytest.mark.parametrize("seed", range(5))
def test_grad_cam_plus_plus_equals_the_papers_equations(seed: int, scale: float) -> None:
    activations, gradients = random_grids(seed)
    gradients *= scale
    slow = [
        grad_cam_plus_plus(a.double().numpy(), g.double().numpy(), logit=1.7)
        for a, g in zip(activations, gradients, strict=True)
    ]
    fast = EXPLAINERS["gradcam++"].formula(activations, gradients)
    np.testing.assert_allclose(fast / scale, np.array(slow) / scale, atol=1e-5)


@pytest.mark.parametrize("kind", [Plain, Residual])
def test_grad_cam_equals_captum(kind: type[nn.Module]) -> None:
    from captum.attr import LayerGradCam

    classifier = model(kind)
    expected = LayerGradCam(classifier.module, classifier.layer()).attribute(
        pictures(4), target=[target.positive for target in TARGETS]
    )
    np.testing.assert_allclose(run(classifier, "gradcam").maps, expected.detach()[:, 0], atol=1e-5)


@pytest.mark.parametrize("kind", [Plain, Residual, Tokens])
@pytest.mark.parametrize("key", ["gradcam", "gradcam++"])
def test_cams_equal_pytorch_grad_cam(key: str, kind: type[nn.Module]) -> None:
    """It rectifies, scales each map to 0…1, and resizes; so the same is done to ours.

    Gradients are made large: its Grad-CAM++ adds 1e-6 to a denominator of the order of the gradient's square.
    """
    from pytorch_grad_cam import GradCAM, GradCAMPlusPlus
    from pytorch_grad_cam.utils.image import scale_cam_image
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    classifier = model(kind)
    other = {"gradcam": GradCAM, "gradcam++": GradCAMPlusPlus}[key]
    restore = grid if kind is Tokens else None
    with torch.no_grad():
        list(classifier.module.parameters())[-2].mul_(1e5)
    with other(classifier.module, [classifier.layer()], reshape_transform=restore) as cam:
        expected = cam(pictures(4), [ClassifierOutputTarget(target.positive) for target in TARGETS])
    ours = np.maximum(run(classifier, key).maps, 0)
    scaled = scale_cam_image(scale_cam_image(ours, (SHAPE[2], SHAPE[1])))
    np.testing.assert_allclose(scaled, expected, atol=1e-5)


def test_cams_keep_magnitude_and_sign() -> None:
    """Twice the logit, twice the map: nothing is normalised on the way; and evidence against stays negative."""
    classifier = model(Residual)
    before = run(classifier, "gradcam").maps
    with torch.no_grad():
        classifier.module.head.weight.mul_(2)
    np.testing.assert_allclose(run(classifier, "gradcam").maps, 2 * before, rtol=1e-5)
    assert (before < 0).any()


def linear_classifier() -> tuple[Classifier, torch.Tensor]:
    """A linear model and its weights, `(classes, C, H, W)`."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = LinearModel(*SHAPE, CLASSES)
    return wrap(module), module.linear.weight.detach().view(CLASSES, *SHAPE)


@pytest.mark.parametrize("kind", ["black", "mean", "blur"])
def test_ig_of_a_linear_model_is_weight_times_change(kind: str) -> None:
    classifier, weight = linear_classifier()
    x = pictures(4)
    start = baseline(classifier, x, kind)
    expected = (weight[[target.positive for target in TARGETS]] * (x - start)).sum(1)
    found = run(classifier, "ig", IGParams(steps=5, baseline=kind))
    np.testing.assert_allclose(found.maps, expected, atol=1e-5)
    np.testing.assert_allclose(found.diagnostics["completeness_gap"], 0, atol=1e-4)


def test_ig_baselines_are_what_they_say() -> None:
    classifier, _ = linear_classifier()
    x = pictures(2)
    black = baseline(classifier, x, "black")
    np.testing.assert_allclose(black * 0.25 + 0.5, torch.zeros_like(x), atol=1e-7)
    assert not baseline(classifier, x, "mean").any()
    blurred = baseline(classifier, x, "blur")
    assert blurred.std() < x.std()
    flat = torch.ones_like(x)
    np.testing.assert_allclose(baseline(classifier, flat, "blur"), flat, atol=1e-6)


@pytest.mark.parametrize("kind", [Plain, Residual, Tokens])
def test_ig_becomes_complete_with_more_steps(kind: type[nn.Module]) -> None:
    classifier = model(kind)
    gap = run(classifier, "ig", IGParams(steps=300)).diagnostics["completeness_gap"]
    assert (gap < 0.02).all(), gap


def test_ig_without_a_change_of_output_has_no_gap_to_report() -> None:
    classifier, _ = linear_classifier()
    zero = torch.zeros(1, *SHAPE)
    (found,) = explain(ExplainerInput(classifier, zero, TARGETS[:1], SEEDS[:1]), [("ig", IGParams(4, "mean"))])
    assert np.isnan(found.diagnostics["completeness_gap"]).all()
    assert not found.maps.any()


def test_shap_of_a_linear_model_sums_to_the_expected_difference() -> None:
    """Each map is w · (x − the drawn backgrounds' mean); with many samples that mean is the background's."""
    classifier, weight = linear_classifier()
    x, background = pictures(4), pictures(5, seed=8)
    found = run(classifier, "shap", ShapParams(samples=2000), background)
    classes = [target.positive for target in TARGETS]
    expected = (weight[classes] * (x - background.mean(0))).sum(1)
    assert np.corrcoef(found.maps.ravel(), expected.ravel())[0, 1] > 0.999
    logits = classifier.logits(x).gather(1, torch.tensor(classes)[:, None])[:, 0]
    change = (logits - classifier.logits(background).mean(0)[classes]).detach()
    np.testing.assert_allclose(found.diagnostics["expected_difference"], change, atol=1e-5)
    np.testing.assert_allclose(found.diagnostics["sum"], change, atol=0.1)
    np.testing.assert_allclose(found.diagnostics["sum"], found.maps.sum((1, 2)), atol=1e-4)


def test_shap_equals_the_library_called_directly() -> None:
    from xai_core.explainers.gradient_shap import _explainer_type

    classifier, background = model(Plain), pictures(6, seed=8)
    found = run(classifier, "shap", ShapParams(samples=10, background=3), background)
    library = _explainer_type()(classifier.module, background[:3])
    for row, target in enumerate(TARGETS):
        values = library.shap_values(pictures(4)[row : row + 1], nsamples=10, rseed=int(SEEDS[row]))
        np.testing.assert_allclose(found.maps[row], values[0, ..., target.positive].sum(0), atol=1e-6)


def test_edges_are_strong_at_an_edge_only_and_ignore_the_model() -> None:
    classifier = model(Plain)
    x = torch.zeros(1, *SHAPE)
    x[..., 6:] = 4.0
    (found,) = explain(ExplainerInput(classifier, x, TARGETS[:1], SEEDS[:1]), [("edges", None)])
    assert (found.maps[0][:, [5, 6]] == 4.0).all()
    assert not found.maps[0][:, [0, 1, 2, 3, 4, 7, 8, 9, 10, 11]].any()


def test_a_map_at_layer_resolution_lies_over_the_pixels_it_came_from() -> None:
    """One bright corner, one channel that finds it: the map's maximum is in that corner."""

    class Bright(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.AvgPool2d(4)
            self.head = nn.Conv2d(3, CLASSES, 1)
            nn.init.ones_(self.head.weight)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.features(x)).mean((2, 3))

    x = torch.zeros(1, *SHAPE)
    x[..., 12:, 8:] = 1.0
    (found,) = explain(ExplainerInput(wrap(Bright(), "features"), x, TARGETS[:1], SEEDS[:1]), [("gradcam", None)])
    assert found.maps.shape == (1, 4, 3)
    np.testing.assert_allclose(np.kron(found.maps[0], np.ones((4, 4))) > 0, x[0, 0] > 0)
