"""Eigen-CAM: the first principal component of a layer's channels, with a sign of its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.oracles import cam as slow
from tests.oracles.models import Plain, model, pictures
from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.types import Target

FORMULA = EXPLAINERS["eigencam"].formula


@pytest.mark.parametrize("shape", [(3, 6, 5, 4), (3, 40, 5, 4)], ids=["few channels", "many channels"])
def test_eigen_cam_equals_a_singular_value_decomposition(shape: tuple[int, ...]) -> None:
    activations = torch.randn(shape, generator=torch.Generator().manual_seed(0)).relu()
    for row, found in zip(activations.numpy(), FORMULA(activations, activations).numpy(), strict=True):
        expected = slow.eigen_cam(row.astype(np.float64))
        distance = min(np.abs(found - expected).max(), np.abs(found + expected).max())
        assert distance < 1e-5
        strength = np.square(row).sum(0)
        assert (found * (strength - strength.mean())).sum() > 0


def test_one_shared_pattern_is_found() -> None:
    """A_k = c_k · P: the map is P, centred, times |c|."""
    pattern = torch.tensor([[0.0, 1.0, 5.0], [0.0, 2.0, 4.0]])
    scale = torch.tensor([3.0, 0.0, 4.0])
    found = FORMULA(scale[:, None, None] * pattern[None, None], torch.zeros(()))
    np.testing.assert_allclose(found[0], 5 * (pattern - pattern.mean()), atol=1e-5)


def test_neither_order_nor_sign_of_channels_matters() -> None:
    activations = torch.randn(2, 7, 4, 3, generator=torch.Generator().manual_seed(0))
    found = FORMULA(activations, activations)
    np.testing.assert_allclose(FORMULA(activations.flip(1), activations), found, atol=1e-5)
    np.testing.assert_allclose(FORMULA(-activations, activations), found, atol=1e-5)


def test_ignores_the_target() -> None:
    x, targets = pictures(1).repeat(3, 1, 1, 1), [Target(0), Target(2), Target(4, 1)]
    (found,) = explain(ExplainerInput(model(Plain), x, targets, np.arange(3)), [("eigencam", None)])
    np.testing.assert_array_equal(found.maps[1:], found.maps[:-1])


def test_rows_that_are_not_finite_stay_alone() -> None:
    activations = torch.randn(3, 4, 5, 3, generator=torch.Generator().manual_seed(0)).relu()
    expected = FORMULA(activations, activations)
    activations[1, 0, 0, 0] = torch.nan
    found = FORMULA(activations, activations)
    assert found[1].isnan().all()
    np.testing.assert_array_equal(found[[0, 2]], expected[[0, 2]])


def test_what_does_not_vary_has_an_empty_map() -> None:
    assert not FORMULA(torch.ones(1, 3, 4, 4), torch.ones(())).any()
