"""Expected gradients: local accuracy within the stated error; at layers, where the answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.oracles.models import CLASSES, LinearModel, Plain, Residual, Tokens, model, pictures, wrap
from tests.oracles.pixel import BACKGROUND, CLASSES_OF_ROWS, SEEDS, Quadratic, gradient, run
from xai_core.errors import NotApplicable
from xai_core.explainers import ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.explainers.gradient_shap import ShapLayerParams, ShapParams
from xai_core.models.classifier import Classifier
from xai_core.types import Target


def test_the_sampling_error_of_shap_is_that_of_its_own_draws() -> None:
    """Drawn again, and differentiated one point at a time."""
    classifier, x, n = model(Plain), pictures(2), 7
    found = run(classifier, "shap", ShapParams(samples=n), x, BACKGROUND)
    for row in range(2):
        draws, sums = np.random.RandomState(SEEDS[row]), []
        for _ in range(n):
            start = BACKGROUND[draws.choice(6)]
            point = start + draws.uniform() * (x[row] - start)
            slope = gradient(classifier, torch.stack([point] * 2))[row]
            sums.append(float((slope * (x[row] - start)).sum()))
        np.testing.assert_allclose(found.diagnostics["sum"][row], np.mean(sums), rtol=1e-4)
        np.testing.assert_allclose(found.diagnostics["sum_error"][row], np.std(sums, ddof=1) / n**0.5, rtol=1e-4)


@pytest.mark.parametrize("kind", [Plain, Residual, Tokens])
@pytest.mark.parametrize(
    ("key", "params"), [("shap", ShapParams(samples=40)), ("shap_layer", ShapLayerParams(samples=40))]
)
def test_local_accuracy_holds_within_the_stated_error(kind: type[nn.Module], key: str, params: object) -> None:
    """Of 24 independent estimates: all within four standard errors, and their spread is what is stated."""
    classifier, x = model(kind), pictures(3).repeat(8, 1, 1, 1)
    targets = [Target(index) for index in (0, 3, 1)] * 8
    (found,) = explain(ExplainerInput(classifier, x, targets, np.arange(24), background=BACKGROUND), [(key, params)])
    notes = found.diagnostics
    off = (notes["sum"] - notes["expected_difference"]) / notes["sum_error"]
    assert (np.abs(off) < 4).all(), off
    assert 0.6 < off.std() < 1.5
    with torch.no_grad():
        change = classifier.logits(x) - classifier.logits(BACKGROUND).mean(0)
    expected = change[range(24), [target.positive for target in targets]]
    np.testing.assert_allclose(notes["expected_difference"], expected, atol=1e-5)


class Then(nn.Module):
    """A layer, rectified in place, and what comes after it."""

    def __init__(self, layer: nn.Module, after: nn.Module) -> None:
        super().__init__()
        self.layer, self.relu, self.after = layer, nn.ReLU(inplace=True), after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.relu(self.layer(x)))


def test_shap_at_a_layer_with_a_linear_model_above_it() -> None:
    """One background picture leaves nothing to chance: weight times change, on the layer's grid."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.Tanh(), LinearModel(4, 7, 5, CLASSES))
    classifier, x, background = wrap(module, "1"), pictures(4), pictures(1, seed=8)
    found = run(classifier, "shap_layer", ShapLayerParams(samples=3), context=background)
    weights = module[2].linear.weight.detach().view(CLASSES, 4, 7, 5)[CLASSES_OF_ROWS]
    change = (module[:2](x) - module[:2](background)).detach()
    np.testing.assert_allclose(found.maps, (weights * change).sum(1), atol=1e-5)
    np.testing.assert_allclose(found.diagnostics["sum_error"], 0, atol=1e-5)
    np.testing.assert_allclose(found.diagnostics["completeness_gap"], 0, atol=1e-4)
    assert "beside_map" not in found.diagnostics


def test_shap_at_the_picture_itself_with_a_quadratic_model_above_it() -> None:
    """The integral of a (b + t (x - b)) (x - b) over t is a (x^2 - b^2) / 2, whatever way b is chosen."""
    quadratic, n = Quadratic(), 4000
    classifier = wrap(nn.Sequential(nn.Identity(), quadratic), "0")
    x, background = pictures(2), BACKGROUND
    found = run(classifier, "shap_layer", ShapLayerParams(samples=n), x, BACKGROUND).maps
    weights = quadratic.weights.detach()[CLASSES_OF_ROWS[:2]]
    expected = (weights * (x**2 - (background**2).mean(0)) / 2).sum(1)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.995


def test_shap_at_a_layer_that_a_layer_in_place_follows() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Then(nn.Conv2d(3, 4, 3), LinearModel(4, 14, 10, CLASSES))
    context, params = pictures(1, seed=8), ShapLayerParams(samples=50)
    found = run(wrap(module, "layer"), "shap_layer", params, context=context)
    safe = Then(nn.Conv2d(3, 4, 3), module.after)
    safe.load_state_dict(module.state_dict())
    safe.relu = nn.ReLU()
    np.testing.assert_array_equal(run(wrap(safe, "layer"), "shap_layer", params, context=context).maps, found.maps)


class UsedTwice(Residual):
    """A convolution with a ReLU that runs four times; one more that nobody calls."""

    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Conv2d(3, 3, 1)


@pytest.mark.parametrize(
    ("layer", "match"),
    [
        ("block2.conv1", "goes around this layer.*block2.conv1"),
        ("block2.bn2", "goes around"),
        ("block1.relu", "uses this layer several times"),
        ("spare", "does not use this layer"),
        ("head", "not a grid"),
    ],
)
def test_shap_refuses_a_layer_that_does_not_decide_alone(layer: str, match: str) -> None:
    with pytest.raises(NotApplicable, match=match):
        run(wrap(UsedTwice()), "shap_layer", ShapLayerParams(layer, samples=3), context=BACKGROUND)


class Bypassed(nn.Module):
    """A very bright corner goes around the layer `relu`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.head = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        around = torch.relu(x[:, :1, 0, 0] - 5)
        return self.head(self.relu(self.conv(x)).mean((2, 3))) + around


@pytest.mark.parametrize("bright", range(3))
def test_shap_refuses_the_pictures_of_which_something_gets_around_the_layer(bright: int) -> None:
    """Each by itself: neither its place in the batch nor the pictures beside it matter."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        classifier = wrap(Bypassed(), "relu")
    x = pictures(3)
    x[bright, 0, 0, 0] = 9
    found = run(classifier, "shap_layer", ShapLayerParams(samples=20), x, BACKGROUND)
    assert [reason is not None for reason in found.refusals] == [row == bright for row in range(3)]
    assert "goes around the layer" in str(found.refusals[bright])
    notes = found.diagnostics
    off = np.abs(notes["sum"] - notes["expected_difference"]) / notes["sum_error"]
    assert (off[[row for row in range(3) if row != bright]] < 5).all()
    alone = run(classifier, "shap_layer", ShapLayerParams(samples=20), x[bright:][:1], BACKGROUND)
    assert alone.refusals == (found.refusals[bright],)


def transformer() -> Classifier:
    from torchvision.models import VisionTransformer

    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = VisionTransformer(16, 4, 2, 2, 8, 16, num_classes=CLASSES)
        nn.init.normal_(module.heads.head.weight)
    square = wrap(module, "encoder.layers.encoder_layer_1.ln_1", shape=(3, 16, 16))
    return replace(square, restore_grid=lambda tokens: tokens[:, 1:].transpose(1, 2).reshape(len(tokens), -1, 4, 4))


def test_shap_at_a_transformers_block_tells_what_the_class_token_takes() -> None:
    classifier, blocks = transformer(), "encoder.layers.encoder_layer_"
    context = pictures(4, seed=8, shape=(3, 16, 16))
    found = run(classifier, "shap_layer", ShapLayerParams(f"{blocks}0", samples=300), context=context)
    notes = found.diagnostics
    np.testing.assert_allclose(found.maps.sum((1, 2)) + notes["beside_map"], notes["sum"], atol=1e-5)
    assert (np.abs(notes["sum"] - notes["expected_difference"]) < 4 * notes["sum_error"]).all()
    assert (np.abs(notes["beside_map"]) > 1e-3).any()
    for layer, match in (
        (f"{blocks}1", "no gradient .* grid"),
        (f"{blocks}1.ln_1", "goes around"),
        ("", "goes around"),
    ):
        with pytest.raises(NotApplicable, match=match):
            run(classifier, "shap_layer", ShapLayerParams(layer, samples=3), context=context)
