"""What training that is guided by explanations stands on: masks, mixed targets, the CAM layer; by members of tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.core.test_training import CONFIG, DATA, GREY, TRAINING, run, same
from tests.core.training_contracts import check_loss
from xai_core.errors import BadInput, BadParameter, Cancelled
from xai_core.models.weights import save_weights
from xai_core.params import NoParams
from xai_core.training.history import values
from xai_core.training.loop import starting_module, train
from xai_core.training.losses import LOSSES, Loss, LossInput, LossOutput
from xai_core.training.losses.base import cross_entropy
from xai_core.types import CancelToken, Card


def overlap(batch: LossInput, params: NoParams) -> LossOutput:
    """Cross-entropy, and how far Grad-CAM of the target lies from the mask, of the samples that have one."""
    logits, activations = batch.model.with_activations(batch.x)
    entropy = cross_entropy(logits, batch.targets, batch.class_weights)
    if batch.masks is None or not batch.has_mask.any():
        return LossOutput(entropy, logits, {"entropy": entropy})
    score = (logits * batch.targets).sum()
    (gradients,) = torch.autograd.grad(score, activations, create_graph=True)
    weights = batch.model.grid(gradients).mean((2, 3), keepdim=True)
    maps = (weights * batch.model.grid(activations)).sum(1).relu().flatten(1)
    masks = torch.nn.functional.adaptive_avg_pool2d(batch.masks.float()[:, None], activations.shape[2:]).flatten(1)
    cosine = torch.nn.functional.cosine_similarity(maps, masks, dim=1, eps=1e-6)
    distance = 1 - cosine[batch.has_mask].mean()
    return LossOutput(0.5 * entropy + 0.5 * distance, logits, {"entropy": entropy, "overlap": distance})


NEEDS = frozenset({"mask", "cam_layer", "gradients"})
OVERLAP = Loss(Card("overlap", "A test's", "Of a test.", "Not shipped.", needs=NEEDS, cost=2.0), NoParams, overlap)


def right_reasons(batch: LossInput, params: NoParams) -> LossOutput:
    """Ross et al. 2017: gradients by the input, outside of the mask."""
    x = batch.x.detach().requires_grad_()
    logits = batch.model(x)
    entropy = cross_entropy(logits, batch.targets, batch.class_weights)
    (gradients,) = torch.autograd.grad(logits.log_softmax(1).sum(), x, create_graph=True)
    outside = (~batch.masks & batch.has_mask[:, None, None])[:, None]
    return LossOutput(entropy + (gradients * outside).square().mean(), logits)


REASONS = Loss(
    Card("reasons", "A test's", "Of a test.", "Not shipped.", needs=frozenset({"mask", "gradients"}), cost=2.0),
    NoParams,
    right_reasons,
)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for loss in (OVERLAP, REASONS):
        assert loss.card.key not in LOSSES
        monkeypatch.setitem(LOSSES._members, loss.card.key, loss)


STRIPES = (TRAINING.pixels[..., 0] >= 150).astype(np.uint8)
HAS_MASK = np.arange(len(TRAINING)) % 8 != 7
STRIPES[~HAS_MASK] = 0
MASKED = replace(DATA, training=replace(TRAINING, masks=STRIPES, has_mask=HAS_MASK))
GUIDED = replace(CONFIG, loss="overlap", epochs=2)


@pytest.mark.parametrize("loss", [OVERLAP, REASONS], ids=lambda loss: loss.card.key)
def test_losses_by_gradients_keep_the_contract(loss: Loss) -> None:
    check_loss(loss)


def trained(folder: Path, config: object = GUIDED, data: object = MASKED, **options: object) -> tuple:
    module, _ = starting_module(config, 3, GREY)
    return module, train(module, data, config, folder=folder, **options)


def test_masks_and_soft_targets_reach_the_loss_moved_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[LossInput] = []
    spy = replace(OVERLAP, compute=lambda batch, params: (seen.append(batch), overlap(batch, params))[1])
    monkeypatch.setitem(LOSSES._members, "overlap", spy)
    trained(tmp_path, replace(GUIDED, augmentations={"flip": {"probability": 1.0}, "mixup": {}}, epochs=1))
    assert sum(int((~batch.has_mask).sum()) for batch in seen) > 8, "a mixed sample has a mask only where both have one"
    assert all((batch.targets.max(1).values < 1).any() for batch in seen)
    trained(tmp_path / "plain", replace(GUIDED, augmentations={"flip": {"probability": 1.0}}, epochs=1))
    bright = [batch.x[:, 0] * 0.3 + 0.3 >= 150 / 255 - 1e-4 for batch in seen[4:]]
    for batch, stripes in zip(seen[4:], bright, strict=True):
        assert torch.equal(batch.masks[batch.has_mask], stripes[batch.has_mask])
        assert not batch.masks[~batch.has_mask].any()


def test_what_a_loss_reports_is_in_the_history(tmp_path: Path) -> None:
    _, result = trained(tmp_path, replace(GUIDED, epochs=6))
    distances = values(result.history, "train", "overlap")
    assert len(distances) == 6
    assert distances[6] < distances[1]
    assert values(result.history, "validation", "overlap").empty
    torch.testing.assert_close(
        values(result.history, "train", "entropy").mean(),
        values(result.history, "train", "loss").mean(),
        rtol=0.3,
        atol=0,
    )


def test_a_guided_training_resumes_to_the_very_same_weights(tmp_path: Path) -> None:
    config = replace(GUIDED, augmentations={"mixup": {}, "background_swap": {}, "flip": {}})
    token = CancelToken()
    with pytest.raises(Cancelled):
        trained(tmp_path / "cut", config, cancel=token, progress=lambda done, *_: token.cancel() if done > 5 else None)
    resumed, _ = trained(tmp_path / "cut", config)
    assert same(resumed, trained(tmp_path / "whole", config)[0])


def test_the_head_alone_learns_from_gradients_and_the_rest_stays(tmp_path: Path) -> None:
    save_weights(starting_module(CONFIG, 3, GREY)[0], tmp_path / "init.safetensors")
    config = replace(GUIDED, init=str(tmp_path / "init.safetensors"), head_epochs=1, epochs=1)
    before, _ = starting_module(config, 3, GREY)
    plain, _ = run(tmp_path / "plain", replace(config, loss="cross_entropy"))
    guided, result = trained(tmp_path / "guided", config)
    assert np.isfinite(values(result.history, "train", "overlap")).all()
    for name, tensor in guided.state_dict().items():
        assert torch.equal(tensor, before.state_dict()[name]) == (not name.startswith("head.")), name
    assert not torch.equal(guided.head.weight, plain.head.weight)


@pytest.mark.parametrize("edited", ["a picture", "a mask", "whether there is a mask"])
def test_a_resume_notices_what_was_edited(tmp_path: Path, edited: str) -> None:
    token = CancelToken()
    with pytest.raises(Cancelled):
        trained(tmp_path, cancel=token, progress=lambda done, *_: token.cancel() if done > 5 else None)
    arrays = MASKED.training
    pixels, masks, has_mask = arrays.pixels.copy(), arrays.masks.copy(), arrays.has_mask.copy()
    if edited == "a picture":
        pixels[3, 0, 0] ^= 1
    elif edited == "a mask":
        masks[3, 0, 0] ^= 1
    else:
        has_mask[7] = True
    with pytest.raises(BadInput, match="another training lies here unfinished"):
        trained(tmp_path, data=replace(MASKED, training=replace(arrays, pixels=pixels, masks=masks, has_mask=has_mask)))
    trained(tmp_path)


def test_a_need_that_training_cannot_meet_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = replace(OVERLAP, card=replace(OVERLAP.card, needs=frozenset({"background"})))
    assert GUIDED.needs == NEEDS
    assert replace(CONFIG, augmentations={"background_swap": {}}).needs == {"mask"}
    monkeypatch.setitem(LOSSES._members, "overlap", odd)
    with pytest.raises(BadParameter, match="does not provide what this needs: background"):
        GUIDED.resolved()
