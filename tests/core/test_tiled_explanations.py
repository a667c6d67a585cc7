"""Maps of what was answered tile by tile, against gradients through the whole prediction as it is put together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.core.test_tiles import SIDE, Net, picture
from tests.oracles.models import wrap
from xai_core.errors import NotApplicable
from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.explainers.engine.tiled import _sized, one_tile_of
from xai_core.models.classifier import Classifier
from xai_core.models.tiles import starts, window
from xai_core.types import Explanation, Target

RESIZE = 48
SIZES = [(48, 48), (48, 40), (30, 48)]
"""Heights and widths of pictures; the last is lower than a tile."""
LAST = "layers.2"
"""What the head, a convolution of one pixel, reads."""
ADDED = ("gradcam", "gradcam++", "xgradcam", "hirescam", "layercam", "ablationcam", "saliency", "input_x_gradient")
ALL = (*ADDED, "ig", "lrp", "deeplift", "occlusion", "smoothgrad", "region", "edges", "centre", "random")


def classifier(resize: int = RESIZE) -> Classifier:
    made = wrap(Net(), LAST, shape=(3, SIDE, SIDE))
    preprocess = replace(made.preprocess, fit="tiles", resize=resize)
    names = ("background", "wire", "bag", "else")
    return replace(made, preprocess=preprocess, class_names=names, output_size=(SIDE, SIDE))


BLACK = -0.5 / 0.25
PREDICTED = Target(1, region="predicted")


def on_canvas(x: Tensor, inside: tuple[int, int, int, int], around: float) -> Tensor:
    left, top, right, bottom = inside
    canvas = torch.full((*x.shape[:-2], RESIZE, RESIZE), around)
    canvas[..., top:bottom, left:right] = x
    return canvas


def inside(high: int, wide: int) -> tuple[int, int, int, int]:
    return classifier().preprocess.canvas.inside(wide, high)


def strip(high: int, wide: int) -> Tensor:
    """A region through several tiles, some places of which count half."""
    region = torch.zeros(high, wide)
    region[high // 2 - 2 : high // 2 + 2, 5:-3] = 1
    region[:, 12] = 0.5
    return region


def asked(x: Tensor, region: Tensor, target: Target = PREDICTED) -> ExplainerInput:
    at = inside(*x.shape[1:])
    return ExplainerInput(
        classifier(), on_canvas(x, at, BLACK)[None], [target], np.arange(1), on_canvas(region, at, 0.0)[None],
        inside=np.array([at]),
    )  # fmt: skip


def assembled(net: torch.nn.Module, x: Tensor) -> Tensor:
    """`(K, h, w)` logits, each tile's counted by its window: the prediction's own way, written slowly."""
    high, wide = x.shape[1:]
    long, across = max(high, SIDE), max(wide, SIDE)
    whole = torch.nn.functional.pad(x - BLACK, (0, across - wide, 0, long - high)) + BLACK
    total, weight = torch.zeros(4, long, across), torch.zeros(long, across)
    for top in starts(high, SIDE):
        for left in starts(wide, SIDE):
            counts = window(top, high, SIDE)[:, None] * window(left, wide, SIDE)
            here = (..., slice(top, top + SIDE), slice(left, left + SIDE))
            tile = net(whole[here][None])[0]
            total = total + torch.nn.functional.pad(tile * counts, (left, across - left - SIDE, top, long - top - SIDE))
            weight[here[1:]] += counts
    return (total / weight)[:, :high, :wide]


def score(x: Tensor, region: Tensor) -> Tensor:
    net = classifier().module.requires_grad_(False)
    return (assembled(net, x)[1] * region).sum()


def gradient(x: Tensor, region: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    return torch.autograd.grad(score(leaf, region), leaf)[0]


def made(x: Tensor, region: Tensor, *methods: str, **layer: str) -> list[Explanation]:
    return explain(asked(x, region), [(key, EXPLAINERS[key].params(**layer)) for key in methods])


@pytest.mark.parametrize("size", SIZES)
def test_gradients_are_those_of_the_whole_prediction(size: tuple[int, int]) -> None:
    x, region = picture(*size), strip(*size)
    slopes = gradient(x, region)
    saliency, times_input = made(x, region, "saliency", "input_x_gradient")
    for found, expected in ((saliency, slopes.sum(0)), (times_input, (slopes * x).sum(0))):
        np.testing.assert_allclose(found.maps[0], _sized(expected.numpy(), RESIZE, RESIZE), atol=1e-4)


def test_what_shares_the_score_adds_up_to_that_of_the_whole_prediction() -> None:
    x, region = picture(48, 48), strip(48, 48)
    net = classifier().module.requires_grad_(False)
    hirescam, ig, lrp = made(x, region, "hirescam", "ig", "lrp")
    bias = float(net.layers[3].bias[1] * region.sum())  # type: ignore[index, union-attr, operator]
    assert hirescam.maps[0].sum() == pytest.approx(float(score(x, region)) - bias, rel=1e-4)
    change = float(score(x, region) - score(torch.full_like(x, BLACK), region))
    assert ig.maps[0].sum() == pytest.approx(change, rel=1e-3)
    assert ig.diagnostics["completeness_gap"][0] < 0.05
    assert lrp.maps[0].sum() == pytest.approx(float(score(x, region)), rel=1e-3)
    assert lrp.diagnostics["conservation"][0] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("key", ALL)
def test_with_one_tile_it_is_the_map_of_the_whole_picture(key: str) -> None:
    tiled = classifier(SIDE)
    params = EXPLAINERS[key].params()
    x, region = picture(SIDE, SIDE)[None], strip(SIDE, SIDE)[None]
    given = ExplainerInput(tiled, x, [Target(2, 0, "confused")], np.array([7]), region)
    (found,) = explain(given, [(key, params)])
    (expected,) = explain(replace(given, classifier=one_tile_of(tiled)), [(key, params)])
    assert (found.refusals[0] is None) == (expected.refusals[0] is None)
    if expected.refusals[0] is None:
        np.testing.assert_allclose(found.maps[0], _sized(expected.maps[0], SIDE, SIDE), rtol=1e-4, atol=1e-4)


def test_several_pictures_and_targets_are_each_as_alone() -> None:
    given = [asked(picture(*size), strip(*size), target) for size in SIZES[:2] for target in (Target(1), Target(3, 2))]
    many = ExplainerInput(
        classifier(), torch.cat([given[0].x, given[2].x]), [one.targets[0] for one in given], np.arange(4),
        torch.cat([one.regions for one in given if one.regions is not None]),
        inside=np.concatenate([given[at].inside for at in (0, 2)]),  # type: ignore[misc]
    )  # fmt: skip
    order = [2, 0, 3, 1]
    many = replace(many, targets=[many.targets[at] for at in order], regions=many.regions[order])  # type: ignore[index]
    methods = [(key, None) for key in ("gradcam", "layercam", "saliency")]
    together = explain(many, methods, np.array([1, 0, 1, 0]))
    for place, at in enumerate(order):
        for found, alone in zip(together, explain(given[at], methods), strict=True):
            np.testing.assert_allclose(found.maps[place], alone.maps[0], atol=1e-4)


def test_only_tiles_that_count_in_the_region_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    region = torch.zeros(48, 48)
    region[:4, :4] = 1  # of the first tile alone; what lies there is in no other's inner part
    given, seen = asked(picture(48, 48), region), list[int]()
    explain(given, [("hirescam", None)])  # which looks at the layer, once
    watched = given.classifier.module.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    (found,) = explain(given, [("hirescam", None)])
    watched.remove()
    assert sum(seen) == 1
    assert not found.maps[0][SIDE:].any()
    assert not found.maps[0][:, SIDE:].any()


@pytest.mark.parametrize("key", ["scorecam", "eigencam", "guided_gradcam"])
def test_methods_whose_maps_do_not_add_up_are_refused(key: str) -> None:
    with pytest.raises(NotApplicable, match="do not add up"):
        made(picture(48, 48), strip(48, 48), key)


def test_controls_are_of_the_whole_picture() -> None:
    x, region = picture(48, 40), strip(48, 40)
    edges, itself = made(x, region, "edges", "region")
    whole = ExplainerInput(classifier(), x[None], [Target(1)], np.arange(1))
    expected = EXPLAINERS["edges"].run(whole, None)  # type: ignore[misc]
    np.testing.assert_allclose(edges.maps[0], _sized(expected.maps[0], RESIZE, RESIZE), atol=1e-5)
    np.testing.assert_allclose(itself.maps[0], _sized(region.numpy(), RESIZE, RESIZE), atol=1e-5)


def test_a_part_that_no_gradient_reaches_adds_nothing_and_a_whole_one_is_refused() -> None:
    x, region = picture(48, 48), strip(48, 48)
    net = Net()
    with torch.no_grad():
        net.layers[3].weight.zero_()  # type: ignore[union-attr, operator]
    given = replace(asked(x, region), classifier=replace(classifier(), module=net))
    with pytest.raises(NotApplicable):
        explain(given, [("gradcam", None)])
