"""Class activation maps against a slow writing of the papers, pytorch-grad-cam, and where the answer is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.oracles import cam as slow
from tests.oracles.models import CLASSES, SHAPE, Plain, Residual, Tokens, grid, model, pictures, wrap
from xai_core.errors import NotApplicable
from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.base import CamParams
from xai_core.explainers.engine.baseline import baseline
from xai_core.explainers.engine.plan import explain
from xai_core.explainers.scorecam import NOTHING_VARIES, ScoreCamParams
from xai_core.models.classifier import Classifier
from xai_core.models.grids import layout_of
from xai_core.types import Explanation, Target

KINDS = [Plain, Residual, Tokens]
TARGETS = [Target(0), Target(3), Target(1), Target(4)]
Head = Callable[[torch.Tensor], torch.Tensor]


def run(
    classifier: Classifier, key: str, params: Any = None, targets: list[Target] = TARGETS, x: torch.Tensor | None = None
) -> Explanation:
    inputs = pictures(len(targets)) if x is None else x
    (found,) = explain(ExplainerInput(classifier, inputs, targets, np.arange(len(targets))), [(key, params)])
    return found


def random_grids(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Activations as after a ReLU, one channel dead; gradients of order one."""
    generator = torch.Generator().manual_seed(seed)
    activations = torch.randn(3, 4, 5, 3, generator=generator).relu()
    activations[:, 2] = 0
    return activations, torch.randn(3, 4, 5, 3, generator=generator)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("key", ["xgradcam", "hirescam", "layercam"])
def test_formulas_equal_the_papers_equations(key: str, seed: int) -> None:
    oracle = {"xgradcam": slow.xgrad_cam, "hirescam": slow.hires_cam, "layercam": slow.layer_cam}[key]
    activations, gradients = random_grids(seed)
    expected = [oracle(a.double().numpy(), g.double().numpy()) for a, g in zip(activations, gradients, strict=True)]
    np.testing.assert_allclose(EXPLAINERS[key].formula(activations, gradients), expected, atol=1e-5)


def scaled(maps: np.ndarray) -> np.ndarray:
    """What pytorch-grad-cam does to every map: rectified, brought to the picture's size, scaled to 0…1."""
    from pytorch_grad_cam.utils.image import scale_cam_image

    return scale_cam_image(scale_cam_image(np.maximum(maps, 0), (SHAPE[2], SHAPE[1])))


def of_the_library(classifier: Classifier, other: type, **options: Any) -> np.ndarray:
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    restore = grid if isinstance(classifier.module, Tokens) else None
    with other(classifier.module, [classifier.layer()], reshape_transform=restore, **options) as cam:
        return cam(pictures(4), [ClassifierOutputTarget(target.positive) for target in TARGETS])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("key", "name", "params"),
    [
        ("xgradcam", "XGradCAM", None),
        ("hirescam", "HiResCAM", None),
        ("layercam", "LayerCAM", None),
        ("scorecam", "ScoreCAM", ScoreCamParams(upsampling="align-corners")),
    ],
)
def test_maps_equal_pytorch_grad_cam(key: str, name: str, params: Any, kind: type[nn.Module]) -> None:
    import pytorch_grad_cam

    classifier = model(kind)
    expected = of_the_library(classifier, getattr(pytorch_grad_cam, name))
    np.testing.assert_allclose(scaled(run(classifier, key, params).maps), expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_eigen_cam_equals_pytorch_grad_cam_but_for_the_sign(kind: type[nn.Module]) -> None:
    """There the sign is whatever LAPACK returns."""
    from pytorch_grad_cam import EigenCAM

    classifier = model(kind)
    expected, ours = of_the_library(classifier, EigenCAM), run(classifier, "eigencam").maps
    distances = [np.abs(scaled(sign * ours) - expected).max((1, 2)) for sign in (1, -1)]
    np.testing.assert_allclose(np.minimum(*distances), 0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("corners", [True, False])
@pytest.mark.parametrize("score", ["logit", "probability"])
@pytest.mark.parametrize("hidden", ["mean", "black"])
def test_score_cam_equals_the_paper_written_slowly(
    kind: type[nn.Module], corners: bool, score: str, hidden: str
) -> None:
    classifier, x, target = model(kind), pictures(1), Target(1, 2)
    activations: list[torch.Tensor] = []
    handle = classifier.layer().register_forward_hook(lambda *call: activations.append(call[2].detach().clone()))
    classifier.logits(x)
    handle.remove()
    seen = grid(activations[0]) if kind is Tokens else activations[0]

    @torch.no_grad()
    def of_the_model(picture: np.ndarray) -> float:
        logits = classifier.logits(torch.from_numpy(picture).float()[None])
        values = (logits.softmax(1) if score == "probability" else logits)[0]
        return float(values[1] - values[2])

    expected = slow.score_cam(
        seen[0].double().numpy(),
        x[0].double().numpy(),
        baseline(classifier, x, hidden)[0].double().numpy(),
        of_the_model,
        corners=corners,
        softmax=score == "logit",
    )
    params = ScoreCamParams(score=score, upsampling="align-corners" if corners else "half-pixel", baseline=hidden)
    np.testing.assert_allclose(run(classifier, "scorecam", params, [target]).maps[0], expected, atol=1e-5)


def test_score_cam_runs_the_model_once_per_channel_that_varies() -> None:
    """Channels that are constant have no mask, and a picture that has no other is refused."""
    classifier, x = model(Plain), pictures(3)
    last = classifier.module.features[3]
    with torch.no_grad():
        last.weight[2:5] = 0
    x[1] = 0  # away from the border its activations are constant; the border goes with the padding
    for part in (classifier.module.features[0], last):
        part.padding_mode, part._reversed_padding_repeated_twice = "replicate", [1, 1, 1, 1]
    count: list[int] = []
    layout_of(classifier, "")
    handle = classifier.module.register_forward_hook(lambda *call: count.append(len(call[2])))
    found = run(classifier, "scorecam", None, TARGETS[:3], x)
    handle.remove()
    assert found.refusals == (None, NOTHING_VARIES, None)
    assert np.isnan(found.maps[1]).all()
    assert sum(count) <= 3 + 2 * 9


HEADS: dict[type[nn.Module], Callable[[Any], Head]] = {
    Plain: lambda net: net.head,
    Residual: lambda net: lambda found: net.head(found.mean((2, 3))),
}
"""What comes after the declared layer."""


@pytest.mark.parametrize("kind", [Plain, Residual])
def test_ablation_cam_equals_the_paper_written_slowly(kind: type[nn.Module]) -> None:
    classifier, x, target = model(kind), pictures(1), Target(1, 2)
    net: Any = classifier.module
    after = HEADS[kind](net)
    with torch.no_grad():
        below = net.features(x) if kind is Plain else None
        if below is None:
            stem = nn.functional.max_pool2d(net.block1(torch.relu(net.norm(net.stem(x)))), 2)
            below = net.block2(stem)
        expected = torch.zeros(below.shape[2:])
        score = after(below)[0, 1] - after(below)[0, 2]
        for k in range(below.shape[1]):
            without = below.clone()
            without[:, k] = 0
            expected += (score - after(without)[0, 1] + after(without)[0, 2]) * below[0, k]
    np.testing.assert_allclose(run(classifier, "ablationcam", None, [target]).maps[0], expected, atol=1e-5)


@pytest.mark.parametrize("kind", [Plain, Residual])
def test_ablation_cam_equals_pytorch_grad_cam(kind: type[nn.Module]) -> None:
    """It divides by the output, as the paper does: where that is negative its map is turned around."""
    from pytorch_grad_cam import AblationCAM

    classifier = model(kind)
    ours = run(classifier, "ablationcam").maps
    np.testing.assert_allclose(scaled(ours), with_bias(classifier, AblationCAM, 1.0), atol=1e-5)
    np.testing.assert_allclose(scaled(-ours), with_bias(classifier, AblationCAM, -1.0), atol=1e-5)


def with_bias(classifier: Classifier, other: type, bias: float, **options: Any) -> np.ndarray:
    """The library's maps where all logits have the sign of `bias`, which towers over what the pictures add."""
    last = list(classifier.module.parameters())[-1]
    with torch.no_grad():
        last.fill_(bias)
    return of_the_library(classifier, other, **options)


def test_ablation_cam_of_tokens_equals_pytorch_grad_cam_that_ablates_with_0() -> None:
    """As it comes, it puts −10 million, and each channel's share more, where activations are negative."""
    from pytorch_grad_cam import AblationCAM
    from pytorch_grad_cam.ablation_layer import AblationLayerVit

    class Zero(AblationLayerVit):
        def __call__(self, x: torch.Tensor) -> torch.Tensor:
            for row, channel in enumerate(self.indices[: len(self.activations)]):
                self.activations[row, :, channel] = 0
            return self.activations

    classifier = model(Tokens)
    ours = run(classifier, "ablationcam").maps
    expected = with_bias(classifier, AblationCAM, 1.0, ablation_layer=Zero())
    np.testing.assert_allclose(scaled(ours), expected, atol=1e-5)


class Around(nn.Module):
    """The layer `middle` is gone around: by an addition, or by a concatenation."""

    def __init__(self, *, joined: bool) -> None:
        super().__init__()
        self.first, self.middle = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.joined, self.head = joined, nn.Linear(12 if joined else 6, CLASSES)
        self.seen: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(x))
        below = self.first(x).relu()
        found = self.middle(below)
        together = torch.cat([below, found], 1) if self.joined else below + found
        return self.head(together.relu().mean((2, 3)))


@pytest.mark.parametrize("joined", [False, True])
def test_ablation_cam_where_something_goes_around_the_layer(joined: bool) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = Around(joined=joined)
    classifier, x = wrap(net, "middle"), pictures(1)
    layout_of(classifier, "")
    net.seen.clear()
    found = run(classifier, "ablationcam", None, [Target(2)]).maps[0]
    pictures_below = sum(net.seen)
    with torch.no_grad():
        below = net.first(x).relu()
        activations = net.middle(below)
        expected = torch.zeros(activations.shape[2:])
        for k in range(6):
            without = activations.clone()
            without[:, k] = 0
            pair = [(torch.cat([below, a], 1) if joined else below + a).relu() for a in (activations, without)]
            whole, less = (net.head(each.mean((2, 3)))[0, 2] for each in pair)
            expected += (whole - less) * activations[0, k]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # With an addition, one picture goes through the layers below for all channels together.
    assert pictures_below == (2 + 3 + 6 if joined else 2 + 3 + 1)


def test_ablation_cam_refuses_a_layer_that_is_used_twice() -> None:
    classifier = model(Residual)
    with pytest.raises(NotApplicable, match="uses this layer several times"):
        run(classifier, "ablationcam", CamParams(layer="block2.relu"))


@pytest.mark.parametrize("key", ["eigencam", "scorecam", "ablationcam"])
def test_layers_are_refused_without_gradients_too(key: str) -> None:
    params = EXPLAINERS[key].params
    with pytest.raises(NotApplicable, match="not a grid of channels"):
        run(model(Plain), key, params(layer="head.3"))
