"""Pixel methods against Captum called directly, and where the answer is known."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.oracles.models import CLASSES, SHAPE, LinearModel, Plain, Residual, Tokens, model, pictures, wrap
from xai_core.errors import NotApplicable
from xai_core.explainers import EXPLAINERS, Context
from xai_core.explainers.base import CamParams
from xai_core.explainers.deeplift import DeepLiftParams
from xai_core.explainers.engine.baseline import baseline
from xai_core.explainers.gradient_shap import ShapLayerParams, ShapParams
from xai_core.explainers.integrated_gradients import BASELINES, IGParams
from xai_core.explainers.occlusion import OcclusionParams
from xai_core.explainers.plan import explain
from xai_core.explainers.saliency import SaliencyParams
from xai_core.explainers.smoothgrad import SmoothGradParams
from xai_core.models.classifier import Classifier
from xai_core.params import specs
from xai_core.types import Explanation, Target

CLASSES_OF_ROWS = [0, 3, 1, 4]
TARGETS = [Target(index) for index in CLASSES_OF_ROWS]
SEEDS = np.arange(4)


def run(
    classifier: Classifier, key: str, params: object = None, x: Tensor | None = None, context: Context | None = None
) -> Explanation:
    x = pictures(4, shape=classifier.input_shape) if x is None else x
    (found,) = explain(classifier, x, TARGETS[: len(x)], [(key, params)], context or Context(), SEEDS[: len(x)])
    return found


def linear() -> tuple[Classifier, Tensor]:
    """A linear model, and its weights for each row's class, `(4, C, H, W)`."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = LinearModel(*SHAPE, CLASSES)
    return wrap(module), module.linear.weight.detach().view(CLASSES, *SHAPE)[CLASSES_OF_ROWS]


class Quadratic(nn.Module):
    """Logit k is the sum over pixels of a_k x² / 2: its gradient is a_k x."""

    def __init__(self) -> None:
        super().__init__()
        weights = torch.randn(CLASSES, *SHAPE, generator=torch.Generator().manual_seed(4))
        self.weights = nn.Parameter(weights)

    def forward(self, x: Tensor) -> Tensor:
        return (self.weights * x[:, None] ** 2).flatten(2).sum(2) / 2


def gradient(classifier: Classifier, x: Tensor) -> Tensor:
    """Of each row's own class, by autograd."""
    x = x.clone().requires_grad_()
    chosen = classifier.logits(x)[range(len(x)), CLASSES_OF_ROWS[: len(x)]]
    return torch.autograd.grad(chosen.sum(), x)[0]


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
    """A black picture that switches off the head whatever noise falls on it: too little to reach over the bias."""
    classifier, x = model(Plain), pictures(4)
    x[1] = 0
    with torch.no_grad():
        for part in (classifier.module.features[0], classifier.module.features[3]):
            part.bias.zero_()
        classifier.module.head[3].bias.fill_(-0.01)
    found = run(classifier, "smoothgrad", SmoothGradParams("gradcam", noise=1e-6, samples=3), x)
    assert [reason is not None for reason in found.refusals] == [False, True, False, False]
    assert "no gradient" in str(found.refusals[1])


def two_layers() -> Classifier:
    """Two pixels, two hidden rectified units, `CLASSES` logits of which the first is 3 h1 - h2 + 0.5."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, CLASSES))
    with torch.no_grad():
        module[1].weight.copy_(torch.tensor([[2.0, -1.0], [1.0, 1.0]]))
        module[1].bias.copy_(torch.tensor([1.0, -3.0]))
        module[3].weight.zero_()
        module[3].bias.fill_(0.5)
        module[3].weight[0] = torch.tensor([3.0, -1.0])
    return wrap(module, shape=(1, 1, 2))


def test_deeplift_of_two_layers_worked_out_by_hand() -> None:
    """x = (1, 4), baseline the mean, (0, 0).

    Hidden inputs: -1 and 2; at the baseline 1 and -3. Rectified: 0 and 2; at the baseline 1 and 0.
    Rescale multipliers: (0 - 1) / (-1 - 1) = 1/2 and (2 - 0) / (2 + 3) = 2/5.
    Pixel multipliers: 3/2 * (2, -1) - 2/5 * (1, 1) = (2.6, -1.9); shares: 2.6 and -7.6; their sum -5.
    f(x) - f(b) = (0.5 - 2) - (0.5 + 3) = -5.
    """
    classifier, x = two_layers(), torch.tensor([[[[1.0, 4.0]]]])
    found = run(classifier, "deeplift", DeepLiftParams(baseline="mean"), x)
    np.testing.assert_allclose(found.maps, [[[2.6, -7.6]]], atol=1e-6)
    np.testing.assert_allclose(found.diagnostics["completeness_gap"], 0, atol=1e-6)


@pytest.mark.parametrize("kind", [Plain, Residual])
@pytest.mark.parametrize("start", BASELINES)
def test_deeplift_is_complete(kind: type[nn.Module], start: str) -> None:
    classifier, x = model(kind), pictures(4)
    found = run(classifier, "deeplift", DeepLiftParams(baseline=start))
    with torch.no_grad():
        change = classifier.logits(x) - classifier.logits(baseline(classifier, x, start))
    expected = change[range(4), CLASSES_OF_ROWS]
    np.testing.assert_allclose(found.maps.sum((1, 2)), expected, rtol=1e-3, atol=1e-4)


def test_captums_deeplift_is_not_complete_where_a_rectifier_feeds_a_pooling() -> None:
    """Why the copy is rewritten: once this fails, that part of the rewrite can go."""
    from captum.attr import DeepLift

    classifier, x = model(Plain), pictures(4).requires_grad_()
    start = baseline(classifier, x.detach(), "black")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = DeepLift(classifier.module).attribute(x, start, target=CLASSES_OF_ROWS).detach()
    change = (classifier.logits(x) - classifier.logits(start))[range(4), CLASSES_OF_ROWS].detach()
    assert ((found.flatten(1).sum(1) - change).abs() > 0.1 * change.abs()).any()


@pytest.mark.parametrize("between", [nn.Tanh, nn.Sigmoid, nn.ELU, nn.LeakyReLU, nn.Softplus])
def test_deeplift_equals_captum_where_nothing_needs_mending(between: type[nn.Module]) -> None:
    from captum.attr import DeepLift

    with torch.random.fork_rng():
        torch.manual_seed(0)
        conv, head = nn.Conv2d(3, 6, 3, stride=2), nn.Linear(6, CLASSES)
    classifier, x = wrap(nn.Sequential(conv, between(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)), pictures(4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = DeepLift(classifier.module).attribute(x.clone().requires_grad_(), target=CLASSES_OF_ROWS).detach()
    found = run(classifier, "deeplift", DeepLiftParams(baseline="mean"))
    np.testing.assert_allclose(found.maps, expected.sum(1), atol=1e-5)
    np.testing.assert_allclose(found.diagnostics["completeness_gap"], 0, atol=1e-3)


class Pooled(nn.Module):
    """One max-pooling of any kind, after a rectifier."""

    def __init__(self, **pooling: object) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(**pooling))
        self.head = nn.LazyLinear(CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).flatten(1))


POOLINGS = [
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    {"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 0)},
    {"kernel_size": 2, "padding": 1},
    {"kernel_size": 4, "stride": 3, "padding": 2, "ceil_mode": True},
]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_deeplift_is_complete_with_overlapping_windows(pooling: dict[str, object]) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Pooled(**pooling).eval()
        module(pictures(1))
    found = run(wrap(module), "deeplift")
    assert found.refusals == (None,) * 4
    np.testing.assert_allclose(found.diagnostics["completeness_gap"], 0, atol=1e-4)


@pytest.mark.parametrize(
    ("part", "named"),
    [
        (nn.SiLU(), r"1 \(SiLU\)"),
        (nn.GELU(), "GELU"),
        (nn.ReLU6(), "ReLU6"),
        (nn.Hardswish(), "Hardswish"),
        (nn.GroupNorm(1, 3), "GroupNorm"),
        (nn.Softmax(1), "Softmax"),
        (nn.MaxPool2d(3, 1, dilation=2), "dilated"),
    ],
)
def test_deeplift_refuses_what_has_no_rule(part: nn.Module, named: str) -> None:
    module = nn.Sequential(nn.Conv2d(3, 3, 3), part, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, CLASSES))
    with pytest.raises(NotApplicable, match=f"DeepLIFT has no rule for .*{named}"):
        run(wrap(module), "deeplift")


class Gated(nn.Module):
    """A gate that multiplies, as in squeeze-and-excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gate, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x))
        return self.head((x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))).mean((2, 3)))


@pytest.mark.parametrize(("key", "reason"), [("deeplift", "no rule"), ("guided_gradcam", "rectifiers")])
def test_gates_are_refused(key: str, reason: str) -> None:
    with pytest.raises(NotApplicable, match=f"{reason}.*(mul|sigmoid) in the model's code"):
        run(wrap(Gated(), "conv"), key)


def test_a_deeplift_map_that_is_not_complete_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from xai_core.explainers.engine import ruled_copies
    from xai_core.explainers.engine.rewrite import as_modules

    monkeypatch.setattr(ruled_copies, "for_deeplift", lambda classifier: as_modules(classifier.module))
    classifier = model(Plain)
    found = run(wrap(classifier.module, name="not mended"), "deeplift")
    assert any("completeness gap" in str(reason) for reason in found.refusals)


@pytest.mark.parametrize("start", [DeepLiftParams(), None])
def test_a_picture_that_is_its_baseline_has_an_empty_map(start: DeepLiftParams | None) -> None:
    classifier = model(Plain)
    found = run(classifier, "deeplift", start, baseline(classifier, pictures(1), "black"))
    assert found.refusals == (None,)
    assert not found.maps.any()
    assert np.isnan(found.diagnostics["completeness_gap"]).all()


def test_guided_gradcam_equals_captum() -> None:
    from captum.attr import GuidedGradCam

    classifier, x = model(Plain), pictures(4)
    captum = GuidedGradCam(classifier.module, classifier.layer())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = captum.attribute(x.clone().requires_grad_(), CLASSES_OF_ROWS, interpolate_mode="bilinear").detach()
    np.testing.assert_allclose(run(classifier, "guided_gradcam").maps, expected.sum(1), atol=1e-6)


def test_guided_backpropagation_sees_rectifiers_that_are_functions_or_used_twice() -> None:
    """`Residual` has both: written out with every rectifier's backward replaced."""

    class Guided(torch.autograd.Function):
        @staticmethod
        def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return gradient.clamp(min=0) * (x > 0)

    def block(part: nn.Module, x: Tensor) -> Tensor:
        inner = part.bn2(part.conv2(Guided.apply(part.bn1(part.conv1(x)))))
        return Guided.apply(inner + part.short(x))

    classifier, x = model(Residual), pictures(4).requires_grad_()
    module = classifier.module
    deep = block(module.block1, Guided.apply(module.norm(module.stem(x))))
    features = block(module.block2, nn.functional.max_pool2d(deep, 2))
    chosen = module.head(features.mean((2, 3)))[range(4), CLASSES_OF_ROWS]
    guided = torch.autograd.grad(chosen.sum(), x)[0]
    where = torch.from_numpy(run(classifier, "gradcam").maps).relu()[:, None]
    where = nn.functional.interpolate(where, SHAPE[1:], mode="bilinear")
    np.testing.assert_allclose(run(classifier, "guided_gradcam").maps, (guided * where).sum(1), atol=1e-5)


def test_guided_gradcam_takes_a_layer_and_refuses_other_activations() -> None:
    classifier = model(Residual)
    ours, other = (run(classifier, "guided_gradcam", CamParams(layer)).maps for layer in ("block2", "block1"))
    assert ours.shape == other.shape == (4, *SHAPE[1:])
    assert not np.allclose(ours, other)
    module = nn.Sequential(nn.Conv2d(3, 3, 3), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, CLASSES))
    with pytest.raises(NotApplicable, match=r"rectifiers \(ReLU\) only: 1 \(SiLU\)"):
        run(wrap(module, "0"), "guided_gradcam")


BACKGROUND = Context(background=pictures(6, seed=8))


def test_the_sampling_error_of_shap_is_that_of_its_own_draws() -> None:
    """Drawn again, and differentiated one point at a time."""
    classifier, x, n = model(Plain), pictures(2), 7
    found = run(classifier, "shap", ShapParams(samples=n), x, BACKGROUND)
    for row in range(2):
        draws, sums = np.random.RandomState(SEEDS[row]), []
        for _ in range(n):
            start = BACKGROUND.background[draws.choice(6)]
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
    (found,) = explain(classifier, x, targets, [(key, params)], BACKGROUND, np.arange(24))
    notes = found.diagnostics
    off = (notes["sum"] - notes["expected_difference"]) / notes["sum_error"]
    assert (np.abs(off) < 4).all(), off
    assert 0.6 < off.std() < 1.5
    with torch.no_grad():
        change = classifier.logits(x) - classifier.logits(BACKGROUND.background).mean(0)
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
    found = run(classifier, "shap_layer", ShapLayerParams(samples=3), context=Context(background))
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
    x, background = pictures(2), BACKGROUND.background
    found = run(classifier, "shap_layer", ShapLayerParams(samples=n), x, BACKGROUND).maps
    weights = quadratic.weights.detach()[CLASSES_OF_ROWS[:2]]
    expected = (weights * (x**2 - (background**2).mean(0)) / 2).sum(1)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.995


def test_shap_at_a_layer_that_a_layer_in_place_follows() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Then(nn.Conv2d(3, 4, 3), LinearModel(4, 14, 10, CLASSES))
    context, params = Context(pictures(1, seed=8)), ShapLayerParams(samples=50)
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
    context = Context(pictures(4, seed=8, shape=(3, 16, 16)))
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
