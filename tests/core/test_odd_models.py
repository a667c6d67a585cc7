"""Models with habits that are rare, and code that cuts gradients off: right maps, or one clear error."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from tests.core.explainer_cases import RUN_MODEL, run
from tests.oracles.models import Plain, Residual, model, pictures, wrap
from xai_core.errors import NotApplicable
from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.types import Target


class Shifts(Plain):
    """Works on its input in place."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.sub_(0.3))


class Cuts(Plain):
    """Gradients are cut off."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return super().forward(x)


class Joined(Plain):
    """Puts its input together by keyword."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(torch.cat(tensors=[x, x], dim=1))


class Indexed(Plain):
    """Asks a pooling for places too."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2, return_indices=True)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.pool(x)[0])


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return make()


@pytest.mark.parametrize("key", RUN_MODEL)
def test_a_model_that_works_in_place_changes_no_input(key: str) -> None:
    classifier, x = wrap(seeded(Shifts), "features"), pictures(4)
    found = run(classifier, key, x=x).maps
    np.testing.assert_array_equal(found, run(classifier, key, x=x).maps)
    assert torch.equal(x, pictures(4))


ON_A_TRACE = ("lrp", "deeplift")  # which sees what is computed, not what gradients do


@pytest.mark.parametrize(
    "key", [key for key in RUN_MODEL if "gradients" in EXPLAINERS[key].card.needs and key not in ON_A_TRACE]
)
def test_code_that_cuts_gradients_off_is_told(key: str) -> None:
    with pytest.raises(NotApplicable, match="gradient"):
        run(wrap(seeded(Cuts), "features"), key)


def layers(module: nn.Module) -> list[nn.Module]:
    return [part for part in module.modules() if isinstance(part, (nn.Conv2d, nn.Linear))]


NORMED: dict[str, Callable[[nn.Module], Any]] = {
    "weight norm": parametrizations.weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "older weight norm": torch.nn.utils.weight_norm,
    "older spectral norm": torch.nn.utils.spectral_norm,
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("key", ["lrp", "deeplift", "guided_gradcam"])
@pytest.mark.parametrize("norm", NORMED)
def test_computed_weights_count_as_what_they_are(norm: str, key: str) -> None:
    """The same maps as of a model with the weights that came out."""
    odd, plain = seeded(Plain), seeded(Plain)
    for part in layers(odd):
        NORMED[norm](part)
    odd.eval().requires_grad_(False)(pictures(1))
    for part, same in zip(layers(odd), layers(plain), strict=True):
        same.weight = nn.Parameter(part.weight.detach().clone())
    found, expected = (run(wrap(each, "features"), key).maps for each in (odd, plain))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    assert odd(pictures(1)).isfinite().all()  # the model itself still computes its weights


def test_a_concatenation_by_keyword_is_followed() -> None:
    found = run(wrap(seeded(lambda: Joined(channels=6))), "lrp")
    conservation = found.diagnostics["conservation"]
    np.testing.assert_allclose(conservation[~np.isnan(conservation)], 1, atol=0.02)


def test_pooling_that_gives_places_has_no_deeplift() -> None:
    with pytest.raises(NotApplicable, match="pooling with indices"):
        run(wrap(seeded(Indexed)), "deeplift")


def test_weights_that_are_not_numbers_give_no_ablation_cam() -> None:
    module = seeded(Plain)
    with torch.no_grad():
        module.features[0].weight[:] = torch.nan
    assert all("not finite" in str(reason) for reason in run(wrap(module, "features"), "ablationcam").refusals)


def test_threads_take_turns_on_one_model() -> None:
    classifier, keys = model(Residual), ("gradcam", "ablationcam", "shap_layer", "smoothgrad")
    expected = {key: run(classifier, key).maps for key in keys}
    with ThreadPoolExecutor(len(keys)) as threads:
        found = {key: [threads.submit(run, classifier, key) for _ in range(3)] for key in keys}
    for key, futures in found.items():
        for each in futures:
            np.testing.assert_array_equal(each.result().maps, expected[key])


def test_a_model_that_works_in_place_takes_a_large_batch() -> None:
    classifier, x = wrap(seeded(Shifts), "features"), pictures(12)
    before = x.clone()
    (found,) = explain(ExplainerInput(classifier, x, [Target(0)] * 12, np.arange(12)), [("gradcam", None)])
    assert np.isfinite(found.maps).all()
    assert torch.equal(x, before)
