"""A layer for class activation maps is proposed where none is declared, and tokens are laid on the picture."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.core.explainer_cases import run, state, touched
from tests.oracles.families import FAMILIES, family
from tests.oracles.models import CLASSES, Plain, Residual, Tokens, model, wrap
from xai_core.models.classifier import Classifier
from xai_core.models.grids import layout_of
from xai_core.models.layers import grid_at
from xai_core.models.proposal import ENOUGH, proposed_layer

TIMM = importlib.util.find_spec("timm") is not None


def grid_of(classifier: Classifier, layer: str) -> Tensor:
    seen: list[Tensor] = []
    handle = classifier.layer(layer).register_forward_hook(lambda _, __, out: seen.append(out))
    torch.manual_seed(0)
    with torch.no_grad():
        classifier.logits(torch.randn(2, *classifier.input_shape))
    handle.remove()
    return grid_at(classifier, seen[-1], layer)


@pytest.mark.parametrize("key", FAMILIES)
def test_what_is_proposed_for_a_family_is_the_layer_that_its_author_declares(key: str) -> None:
    """Or one before it, where that has too few places on small pictures, or is but a normalisation of the proposed."""
    classifier = family(key)
    name, why = proposed_layer(classifier)
    declared, proposed = grid_of(classifier, ""), grid_of(classifier, name)
    if min(declared.shape[2:]) < ENOUGH:
        assert min(proposed.shape[2:]) >= ENOUGH
        assert "that has 4 places a side" in why
    elif key in ("vit_b_16", "small_vit"):  # its first normalisation, beside which a path goes around
        assert name == "encoder.layers.encoder_layer_0"
    else:
        assert torch.equal(declared, proposed)
    assert why.startswith("the last layer that the whole answer passes through")
    assert why.endswith(
        f"{proposed.shape[2]} × {proposed.shape[3]} places over the picture, {proposed.shape[1]} channels"
    )


class Branches(nn.Module):
    """A squeezed gate, an auxiliary head that is run and thrown away, and class scores averaged over places."""

    def __init__(self, *, scores: bool) -> None:
        super().__init__()
        self.stem, self.body = nn.Conv2d(3, 6, 3, 1, 1), nn.Conv2d(6, 6, 3, 2, 1)
        self.gate, self.side = nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 3, 1, 1)
        self.aux = nn.Conv2d(6, CLASSES, 3, 1, 1)
        self.pool, self.scores = nn.AdaptiveAvgPool2d(4), scores
        self.last = nn.Conv2d(6, CLASSES, 1) if scores else nn.Linear(96, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(torch.relu(self.stem(x)))
        x = x * torch.sigmoid(self.gate(x)) + self.side(x)
        self.joined(x)
        self.aux(x)
        return self.last(x).mean((2, 3)) if self.scores else self.last(self.pool(x).flatten(1))

    def joined(self, x: Tensor) -> Tensor:
        return x


@pytest.mark.parametrize("scores", [False, True])
def test_side_branches_pools_and_class_scores_are_passed_over(scores: bool) -> None:
    torch.manual_seed(0)
    assert proposed_layer(wrap(Branches(scores=scores)))[0] == "body"


class Fork(nn.Module):
    """Two branches from the picture on."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 5), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.cat([torch.relu(part(x)).mean((2, 3)) for part in (self.one, self.two)], 1))


def test_where_no_layer_has_the_whole_answer_the_last_is_taken_and_where_none_holds_a_map_it_is_said() -> None:
    name, why = proposed_layer(wrap(Fork()))
    assert name == "two"
    assert why.startswith("the last layer; it holds 12 × 8 places")
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 12, CLASSES))
    assert proposed_layer(wrap(flat)) == ("", "no layer of this model holds a map")


@pytest.mark.parametrize("kind", [Plain, Residual, Tokens])
def test_to_propose_leaves_no_trace(kind: type[nn.Module]) -> None:
    classifier = touched(model(kind))
    before = state(classifier)
    with torch.inference_mode():
        assert proposed_layer(classifier)[0]
    assert state(classifier) == before


class Transformer(nn.Module):
    """Patches, tokens of its own before and after them, and blocks of torch; `turn` may put the tokens elsewhere."""

    def __init__(self, before: int, after: int, turn: Callable[[Tensor], Tensor] = lambda tokens: tokens) -> None:
        super().__init__()
        self.patches, self.turn = nn.Conv2d(3, 16, 4, 4), turn
        self.before, self.after = (nn.Parameter(torch.randn(1, count, 16)) for count in (before, after))
        self.blocks = nn.Sequential(*(nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True) for _ in range(2)))
        self.here, self.head = nn.Identity(), nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        own = (part.expand(len(x), -1, -1) for part in (self.before, self.after))
        tokens = self.blocks(torch.cat([next(own), tokens, next(own)], 1))
        self.here(self.turn(tokens).clone())
        return self.head(tokens.mean(1))


@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 0), (0, 1), (5, 0), (1, 2)])
@pytest.mark.parametrize("shape", [(3, 40, 40), (3, 24, 40)])
def test_tokens_that_stand_for_no_place_are_found_by_what_corners_change(
    before: int, after: int, shape: tuple[int, int, int]
) -> None:
    torch.manual_seed(0)
    net = Transformer(before, after)
    rows, columns = shape[1] // 4, shape[2] // 4
    found = layout_of(wrap(net, "here", shape=shape), "here").tokens
    assert found is not None
    assert (found.prefix, found.rows, found.columns, found.suffix, found.axis) == (before, rows, columns, after, 1)


def test_tokens_on_the_last_axis_are_found_and_explained() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 16, 4, 4), nn.Flatten(2), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(1))
    classifier = wrap(nn.Sequential(*net, nn.Linear(16, CLASSES)), "2", shape=(3, 24, 40))
    found = layout_of(classifier, "2").tokens
    assert found is not None
    assert (found.rows, found.columns, found.axis) == (6, 10, 2)
    assert run(classifier, "gradcam").maps.shape[1:] == (6, 10)


@pytest.mark.parametrize(
    "turn",
    [
        lambda tokens: tokens.flip(1),
        lambda tokens: tokens[:, torch.randperm(60, generator=torch.Generator().manual_seed(0))],
        lambda tokens: tokens.reshape(len(tokens), 6, 10, 16).transpose(1, 2).reshape(len(tokens), 60, 16),
        lambda tokens: tokens[:, :59],
        lambda tokens: (tokens @ tokens.transpose(1, 2)).softmax(-1),
        lambda tokens: tokens @ tokens.transpose(1, 2),
    ],
    ids=["mirrored", "shuffled", "by columns", "one lost", "attention", "scores"],
)
def test_tokens_that_make_no_grid_over_the_picture_are_refused(turn: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    found = layout_of(wrap(Transformer(0, 0, turn), "here", shape=(3, 24, 40)), "here")
    assert found.problem
    assert found.tokens is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "size", "layers"),
    [
        ("torchvision:alexnet", 224, {"features.11"}),
        ("torchvision:vgg11_bn", 224, {"features.27"}),
        ("torchvision:resnet18", 224, {"layer4"}),
        ("torchvision:mobilenet_v3_small", 224, {"features"}),
        ("torchvision:shufflenet_v2_x0_5", 224, {"conv5"}),
        ("torchvision:regnet_y_400mf", 224, {"trunk_output"}),
        ("torchvision:googlenet", 224, {"inception5b"}),
        ("torchvision:densenet121", 224, {"features"}),
        ("torchvision:swin_t", 224, {"norm", "permute"}),
        ("timm:resnet10t", 224, {"layer4"}),
        ("timm:convnext_atto", 224, {"stages"}),
        ("timm:efficientnet_lite0", 224, {"bn2"}),
        ("timm:swin_tiny_patch4_window7_224", 224, {"norm"}),
        ("timm:vit_tiny_patch16_224", 224, {"blocks.10"}),
    ],
)
def test_what_is_proposed_for_nets_of_libraries_is_what_is_known_to_be_good(
    spec: str, size: int, layers: set[str]
) -> None:
    from xai_core.models.zoo import zoo_module

    if spec.startswith("timm") and not TIMM:
        pytest.skip("timm is not installed")
    torch.manual_seed(0)
    shape = (3, size, size)
    assert (
        proposed_layer(wrap(zoo_module(spec, CLASSES, wrap(Plain(), shape=shape).preprocess), shape=shape))[0] in layers
    )
