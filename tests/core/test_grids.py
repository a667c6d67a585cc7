"""How a layer's output lies over the picture: told by what corners of a picture change, or the layer is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.core.explainer_cases import run, state, touched
from tests.oracles.models import CLASSES, Tokens, model, wrap
from tests.oracles.table import TABLE
from xai_core.errors import BadParameter, NotApplicable
from xai_core.explainers import EXPLAINERS
from xai_core.explainers.base import CamParams
from xai_core.explainers.smoothgrad import SmoothGradParams
from xai_core.models import grids
from xai_core.models.build import _check_layer, classifier
from xai_core.models.classifier import Classifier
from xai_core.models.grids import layout_of
from xai_core.models.layers import layer_candidates
from xai_core.models.preprocess import Preprocess
from xai_core.types import Explanation

SHAPE = (3, 16, 16)
WITH_LAYER = [key for key in TABLE if "cam_layer" in EXPLAINERS[key].card.needs]


class Net(nn.Module):
    """Two convolutions, and between them something that `turn` makes of the grid and `back` takes back."""

    def __init__(
        self, turn: Callable[[Tensor], Tensor], back: Callable[[Tensor, int], Tensor], channels: int = 8
    ) -> None:
        super().__init__()
        self.first, self.relu = nn.Conv2d(3, channels, 3, 2, 1), nn.ReLU()
        self.turn, self.back, self.here = turn, back, nn.Identity()
        self.second, self.head = nn.Conv2d(channels, 6, 3, padding=1), nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        turned = self.here(self.turn(self.relu(self.first(x))).clone())
        return self.head(torch.relu(self.second(self.back(turned, x.shape[0]))).mean((2, 3)))


def windows(grid: Tensor) -> Tensor:
    """`(N, C, 8, 8)` → `(4 N, C, 4, 4)`."""
    return grid.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)


def without_windows(parts: Tensor, count: int) -> Tensor:
    return parts.view(count, 2, 2, -1, 4, 4).permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)


def as_it_is(grid: Tensor, _: int) -> Tensor:
    return grid


def attended(grid: Tensor) -> Tensor:
    """`(N, C, 8, 8)` → attention of its 64 tokens, `(N, 1, 64, 64)`."""
    tokens = grid.flatten(2)
    return (tokens.transpose(1, 2) @ tokens).softmax(-1)[:, None]


def seen(weights: Tensor, count: int) -> Tensor:
    return weights.sum(2).view(count, 1, 8, 8).expand(-1, 8, -1, -1)


STRANGE: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor, int], Tensor], str]] = {
    "two views in the batch": (
        lambda grid: torch.stack([grid, grid.flip(3)], 1).flatten(0, 1),
        lambda grid, count: grid.view(count, 2, *grid.shape[1:]).mean(1),
        "rows are not the pictures: it gives 8 for 4 of them",
    ),
    "windows in the batch": (windows, without_windows, "rows are not the pictures: it gives 16 for 4"),
    "rows in another order": (
        lambda grid: grid.flip(0),
        lambda grid, _: grid.flip(0),
        "depends on the pictures beside it",
    ),
    "rows that look at each other": (lambda grid: grid - grid.mean(0), as_it_is, "depends on the pictures beside it"),
    "attention": (attended, seen, "attention of tokens to tokens"),
    "scores of tokens by tokens": (lambda grid: attended(grid).log(), seen, "does not lie over the picture"),
    "mirrored": (lambda grid: grid.flip(3), as_it_is, "does not lie over the picture"),
    "turned": (lambda grid: grid.transpose(2, 3), as_it_is, "does not lie over the picture"),
    "shuffled": (
        lambda grid: grid.flatten(2)[:, :, torch.randperm(64, generator=torch.Generator().manual_seed(0))].view_as(
            grid
        ),
        as_it_is,
        "does not lie over the picture",
    ),
    "a constant": (lambda grid: torch.ones_like(grid), as_it_is, "same for every picture"),
}


def net(turn: Callable[[Tensor], Tensor], back: Callable[[Tensor, int], Tensor], channels: int = 8) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return wrap(Net(turn, back, channels), "here", shape=SHAPE)


@pytest.mark.parametrize("key", WITH_LAYER)
@pytest.mark.parametrize("name", STRANGE)
def test_a_layer_that_is_no_grid_over_the_picture_is_refused_by_every_method(name: str, key: str) -> None:
    turn, back, says = STRANGE[name]
    with pytest.raises(NotApplicable, match=says):
        run(net(turn, back), key)


@pytest.mark.parametrize("name", STRANGE)
def test_such_a_layer_is_never_recommended_nor_imported(name: str) -> None:
    turn, back, says = STRANGE[name]
    classifier = net(turn, back)
    names = {found for found, _ in layer_candidates(classifier)}
    assert "here" not in names
    if name not in ("a constant", "rows that look at each other"):  # where nothing is left of a picture alone
        assert {"first", "relu"} <= names
    with pytest.raises(BadParameter, match=says):
        _check_layer(classifier, torch.zeros(1))


def test_smoothgrad_refuses_such_a_layer_too() -> None:
    turn, back, says = STRANGE["two views in the batch"]
    with pytest.raises(NotApplicable, match=says):
        run(net(turn, back), "smoothgrad", params=SmoothGradParams("gradcam", samples=2))


@pytest.mark.parametrize("key", [key for key in WITH_LAYER if key != "guided_gradcam"])
@pytest.mark.parametrize("channels", [8, 24])
def test_channels_that_come_last_are_brought_forward(key: str, channels: int) -> None:
    """Also where there are as many channels as places: the shape tells nothing."""
    last = net(lambda grid: grid.permute(0, 2, 3, 1), lambda grid, _: grid.permute(0, 3, 1, 2), channels)
    first = net(lambda grid: grid, as_it_is, channels)
    first.module.load_state_dict(last.module.state_dict())
    assert layout_of(last, "").channels == 3
    assert ("here", (channels, 8, 8)) in layer_candidates(last)
    same(run(last, key), run(first, key))


def same(one: Explanation, other: Explanation) -> None:
    assert one.refusals == other.refusals
    np.testing.assert_allclose(one.maps, other.maps, atol=1e-5 * np.nanmax(np.abs(other.maps)))


def test_a_grid_one_place_larger_than_the_picture() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(3, 4, 2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 17 * 17, CLASSES))
    assert run(wrap(net, "1", shape=SHAPE), "gradcam").maps.shape == (4, 17, 17)


@pytest.mark.parametrize("seed", [29, 36, 52, 70, 0])
def test_pooled_channels_are_no_grid_however_they_change(seed: int) -> None:
    """Four channels of one place each: with these weights the change happens to move along the channels."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    classifier = wrap(module, "0")
    assert layout_of(classifier, "2").channels == 1
    assert [name for name, _ in layer_candidates(classifier)] == ["0", "1"]


def test_a_deep_grid_that_each_corner_shows_all_over_is_taken_by_its_aspect() -> None:
    """Of 2 × 2 places, each of which sees the whole picture."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parts = [nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.AvgPool2d(8, 1, 4), nn.Conv2d(16, 12, 7, 4, 1), nn.ReLU()]
        net = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, CLASSES))
    classifier = wrap(net, "4", shape=SHAPE)
    assert layout_of(classifier, "") == grids.Layout(1)


@pytest.mark.parametrize("factor", [torch.nan, 0.0])
def test_a_layer_that_tells_nothing_is_taken_as_usual(factor: float) -> None:
    classifier = net(lambda grid: grid * factor, as_it_is, 8)
    assert layout_of(classifier, "") == grids.Layout(1)


def test_looking_leaves_no_trace_and_happens_once() -> None:
    classifier = touched(net(lambda grid: grid, as_it_is))
    before, calls = state(classifier), list[int]()
    handle = classifier.module.first.register_forward_hook(lambda *call: calls.append(len(call[2])))
    assert layout_of(classifier, "here") == layout_of(classifier, "")
    handle.remove()
    assert calls == [4, 1]
    assert state(classifier) == before


def test_an_architecture_is_believed_about_its_own_layer() -> None:
    """No pass is spent on it: the first map of the bundled models comes as fast as the later ones."""
    preprocess = Preprocess(32, 32, 3, (0.5,) * 3, (0.25,) * 3)
    made, calls = classifier("small_cnn", ["cat", "dog"], preprocess, None), list[int]()
    made.module.register_forward_hook(lambda *call: calls.append(len(call[2])))
    assert layout_of(made, "") == grids.Layout()
    assert not calls


def test_rows_are_looked_at_for_token_layers_too() -> None:
    """A transformer's declared layer is on its grid, as its architecture says; attention beside it is none."""

    class Weighed(Tokens):
        def __init__(self) -> None:
            super().__init__()
            self.shares = nn.Softmax(-1)

        def forward(self, x: Tensor) -> Tensor:
            tokens = self.patches(x).flatten(2).transpose(1, 2)
            tokens = torch.cat([self.token.expand(x.shape[0], -1, -1), tokens], 1) + self.positions
            tokens = self.first(tokens)
            tokens = tokens + self.shares(tokens @ tokens.transpose(1, 2)) @ tokens
            return self.head(self.norm(tokens)[:, 0])

    classifier = wrap(Weighed(), "first")
    assert set(dict(layer_candidates(classifier))) == {"patches", "first"}
    with pytest.raises(NotApplicable, match="attention of tokens"):
        run(classifier, "gradcam", params=CamParams("shares"))
    assert layout_of(model(Tokens), "") == grids.Layout()


class Checked(Net):
    """Refuses what no normalised picture holds."""

    def forward(self, x: Tensor) -> Tensor:
        assert x.abs().max() <= 2, "an input out of its range"  # mean 0.5 and std 0.25
        return super().forward(x)


def test_a_layer_is_looked_at_with_what_a_picture_may_hold() -> None:
    made = wrap(Checked(lambda grid: grid, as_it_is), "here", shape=SHAPE)
    assert not layout_of(made, "here").problem
