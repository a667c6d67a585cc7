"""The weight of `rrr` that nobody gives: by hand on a small net, and through a training that is stopped and goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.core.test_guided_training import GUIDED, MASKED, trained
from tests.core.test_training import same
from tests.core.training_contracts import small_model, some
from xai_core.errors import BadInput, Cancelled
from xai_core.training.data import batches
from xai_core.training.losses import LOSSES, LossInput
from xai_core.training.losses.rrr import RightReasonsParams, found_weight, right_reasons
from xai_core.training.model import TrainingModel
from xai_core.training.standing import FILE
from xai_core.types import CancelToken

CONFIG = replace(GUIDED, loss="rrr")


def linear(seed: int = 0) -> tuple[TrainingModel, np.ndarray, np.ndarray]:
    """Logits that are a linear function of 3 × 20 × 24 values: its gradients are written down by hand."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = nn.Linear(3 * 20 * 24, 3)
    weight, bias = (each.detach().double().numpy() for each in (layer.weight, layer.bias))
    return TrainingModel(nn.Sequential(nn.Flatten(), layer), "1"), weight, bias


def given(model: TrainingModel, seed: int) -> LossInput:
    batch = some(seed=seed)
    return LossInput(model, batch.x, batch.targets, masks=batch.masks, has_mask=batch.has_mask)


def by_hand(batch: LossInput, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`(N,)` cross-entropy, and squared gradients outside of those with an object: Σ_k ∂log p_k/∂x = Σ_k W_k − K·pW."""
    x = batch.x.double().numpy().reshape(len(batch.x), -1)
    logits = x @ weight.T + bias
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    gradients = (weight.sum(0) - len(bias) * p @ weight).reshape(batch.x.shape)
    masks = batch.masks.numpy()
    outside = ((gradients * ~masks[:, None]) ** 2).sum((1, 2, 3))
    return -np.log((p * batch.targets.numpy()).sum(1)), outside[masks.any((1, 2))]


def test_it_is_cross_entropy_over_gradients_outside_by_hand() -> None:
    model, weight, bias = linear()
    both = [given(model, seed) for seed in (1, 2)]
    entropy, outside = (
        np.concatenate(parts) for parts in zip(*(by_hand(one, weight, bias) for one in both), strict=True)
    )
    found = found_weight(both, RightReasonsParams())
    assert found.weight == pytest.approx(entropy.mean() / outside.mean(), rel=1e-5)


def test_both_parts_are_then_of_one_size() -> None:
    model, _, _ = linear()
    batch = given(model, 3)
    inside = LossInput(
        model,
        *(each[batch.has_object] for each in (batch.x, batch.targets)),
        masks=batch.masks[batch.has_object],
        has_mask=batch.has_mask[batch.has_object],
    )
    params = found_weight([inside], RightReasonsParams())
    output = right_reasons(inside, params)
    assert float(output.value.detach()) == pytest.approx(2 * float(output.parts["cross_entropy"].detach()), rel=1e-5)


def test_a_given_weight_is_kept_and_nothing_is_looked_at() -> None:
    assert found_weight(iter([]), RightReasonsParams(3.0)).weight == 3.0


def test_where_nothing_can_be_found_a_line_says_what_to_give() -> None:
    model, _, _ = linear()
    nn.init.zeros_(model.module[1].weight)  # as heads of transformers begin
    with pytest.raises(BadInput, match=r"no weight can be found for rrr.*--set rrr\.weight"):
        found_weight([given(model, 1)], RightReasonsParams())
    bare = some(masked=False)
    with pytest.raises(BadInput, match="no weight can be found"):
        found_weight([LossInput(small_model(), bare.x, bare.targets)], RightReasonsParams())


def test_a_training_finds_it_once_by_its_seed_and_a_resumed_one_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, result = trained(tmp_path / "whole", CONFIG)
    assert result.found["weight"] > 0
    steps = len(list(batches(np.arange(len(MASKED.training)), CONFIG.batch_size, training=True)))
    token = CancelToken()
    with pytest.raises(Cancelled):
        trained(
            tmp_path / "cut", CONFIG, cancel=token, progress=lambda done, *_: token.cancel() if done > steps else None
        )
    assert (tmp_path / "cut" / FILE).exists()

    def never(*_: Any) -> Any:
        raise AssertionError("it is found once")

    monkeypatch.setitem(LOSSES._members, "rrr", replace(LOSSES["rrr"], settle=never))
    resumed, again = trained(tmp_path / "cut", CONFIG)
    assert again.found == result.found
    assert same(resumed, whole)


def test_it_is_as_if_it_had_been_given(tmp_path: Path) -> None:
    found, result = trained(tmp_path / "found", CONFIG)
    named, told = trained(tmp_path / "given", replace(CONFIG, loss_params={"weight": result.found["weight"]}))
    assert told.found == {}
    assert same(found, named)
    assert trained(tmp_path / "other", replace(CONFIG, seed=CONFIG.seed + 1))[1].found != result.found
