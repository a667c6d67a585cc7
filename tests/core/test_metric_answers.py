"""Metrics on maps, masks and models whose answers are known by construction."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.oracles.models import wrap
from xai_core.explainers.engine.output import weights_of
from xai_core.metrics import METRICS, MetricInput, ModelInput, score
from xai_core.metrics.grids import ranked, spread_order
from xai_core.metrics.hiding import probability
from xai_core.metrics.imputation import imputed
from xai_core.models.classifier import Classifier
from xai_core.params import build
from xai_core.types import Array, Card, Explanation, Scores, Target, target_weights

SIDE, PATCH = 16, (slice(4, 8), slice(8, 12))
"""The planted patch holds a sixteenth of the picture."""

CERTAIN = 1 / (1 + np.exp(-4))
"""Of the class whose logit is 4 where the other's is 0."""

NO_SIGN = Card("toy", "Toy", "Drawn by a test.", "Everything.")


class Planted(nn.Module):
    """Class 0 gets 4 times the mean of the patch, class 1 nothing, and class 2 next to nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        patch = 4 * self.one * x[:, :, PATCH[0], PATCH[1]].mean((1, 2, 3))
        return torch.stack([patch, 0 * patch, 0 * patch - 1000, 0 * patch, 0 * patch], dim=1)


def given(maps: Any, targets: list[Target] | None = None, *, signed: bool = False, x: Any = None) -> MetricInput:
    """Pictures that are 1 on the patch and 0 elsewhere, as the model's input; by default class 0 against class 1."""
    maps, count = np.asarray(maps, np.float32), len(maps)
    targets = targets or [Target(0, 1)] * count
    model = wrap(Planted(), shape=(3, SIDE, SIDE), name="planted")
    inputs = torch.zeros(count, 3, SIDE, SIDE) if x is None else torch.as_tensor(x, dtype=torch.float32)
    if x is None:
        inputs[:, :, PATCH[0], PATCH[1]] = 1

    def again(_model: Classifier, x: Tensor, _rows: NDArray[np.int64]) -> Explanation:
        return Explanation(x.mean(1).numpy())

    asked = ModelInput(model, inputs, weights_of(model, targets), again)
    masks = np.repeat(patch()[None], count, axis=0).astype(bool)
    there, seeds = np.ones(count, dtype=bool), np.arange(count, dtype=np.int64)
    return MetricInput(maps, replace(NO_SIGN, signed=signed), targets, seeds, masks, there, asked=asked)


def patch() -> Array:
    """A map that is right."""
    made = np.zeros((SIDE, SIDE), np.float32)
    made[PATCH] = 1
    return made


def asked(key: str, of: MetricInput, values: Mapping[str, Any] | None = None) -> Scores:
    return score(METRICS[key], of, build(METRICS[key].params, values or {}))


def test_hiding_the_patch_first_takes_all_at_once() -> None:
    found = asked("deletion", given([patch(), 1 - patch()]), {"steps": 16})
    assert found.curves is not None
    np.testing.assert_allclose(found.curves, [[CERTAIN] + [0.5] * 16, [CERTAIN] * 16 + [0.5]], atol=1e-6)
    np.testing.assert_allclose(found.values[0], (CERTAIN + 0.5) / 2 / 16 + 0.5 * 15 / 16, atol=1e-6)
    np.testing.assert_allclose(found.beside["whole"], CERTAIN, atol=1e-6)


def test_showing_the_patch_first_gives_all_at_once() -> None:
    found = asked("insertion", given([patch(), 1 - patch()]), {"steps": 16, "fill": "mean"})
    assert found.curves is not None
    np.testing.assert_allclose(found.curves, [[0.5] + [CERTAIN] * 16, [0.5] * 16 + [CERTAIN]], atol=1e-6)


def test_a_logit_instead_of_the_probability() -> None:
    found = asked("deletion", given([patch()]), {"steps": 16, "score": "logit"})
    np.testing.assert_allclose(found.values, [4 / 2 / 16], atol=1e-6)


def test_what_is_seen_through_the_map() -> None:
    of = given([patch(), 1 - patch(), 2 * patch() + 1])
    found = asked("average-drop", of, {"fill": "mean"})
    np.testing.assert_allclose(found.values, [0, (CERTAIN - 0.5) / CERTAIN, 0], atol=1e-6)
    np.testing.assert_allclose(found.beside["seen"], [CERTAIN, 0.5, CERTAIN], atol=1e-6)
    assert asked("increase", of, {"fill": "mean"}).values.tolist() == [0, 0, 0], "equal is no increase"
    against = np.ones((1, 3, SIDE, SIDE), np.float32)
    against[:, :, PATCH[0], PATCH[1]] = -1
    assert asked("increase", given([1 - patch()], x=against), {"fill": "mean"}).values.tolist() == [1]


def test_a_class_without_any_probability_has_no_drop() -> None:
    found = asked("average-drop", given([patch(), patch()], [Target(2), Target(0)]))
    assert found.reasons == ("the probability is 0", None)


def test_a_class_alone_is_among_all_classes() -> None:
    found = asked("deletion", given([patch()], [Target(0)]), {"steps": 16})
    assert found.curves is not None
    np.testing.assert_allclose(found.curves[0, [0, -1]], [np.exp(4) / (np.exp(4) + 3), 1 / 4], atol=1e-6)


def test_removing_the_patch_costs_all_and_removing_the_rest_nothing() -> None:
    found = asked("road", given([patch(), 1 - patch()]), {"steps": 2, "noise": 0})
    np.testing.assert_allclose(found.values, [CERTAIN - 0.5, 0.5 - CERTAIN], atol=1e-6)


def test_of_a_map_that_is_mostly_zero_as_many_pixels_are_removed_as_the_share_says() -> None:
    for share in (0.1, 0.5, 0.9):
        first = ranked(patch()[None], (SIDE, SIDE), signed=False)[0, : round(share * SIDE * SIDE)]
        assert len(set(first.tolist())) == round(share * SIDE * SIDE)
        removed = np.zeros(SIDE * SIDE, bool)
        removed[first] = True
        assert removed.reshape(SIDE, SIDE)[PATCH].all()
        quarters = removed.reshape(2, SIDE // 2, 2, SIDE // 2).mean((1, 3))
        assert np.ptp(quarters) < 0.27, "what is alike is removed evenly, but for the patch's own quarter"
    assert sorted(spread_order((5, 7)).tolist()) == list(range(35))


def test_a_plane_is_imputed_exactly() -> None:
    picture = np.add.outer(np.arange(8.0), 2 * np.arange(9.0))[None]
    gone = np.zeros((8, 9), dtype=bool)
    gone[2:5, 3:7] = True
    np.testing.assert_allclose(imputed(np.where(gone, -9, picture), gone), picture, atol=1e-9)
    with pytest.raises(ValueError, match="nothing"):
        imputed(picture, np.ones((8, 9), dtype=bool))


def test_a_linear_model_is_told_exactly_by_what_its_pixels_count() -> None:
    """And a map and its negative are two things, while a map times seven is one."""
    x = torch.randn(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    exact = x.mean(1).numpy() * patch()
    found = asked("infidelity", given([exact[0], -exact[1], 7 * exact[2]], signed=True, x=x))
    np.testing.assert_allclose(found.values, [0, 1, 0], atol=1e-5)
    assert (found.beside["change"] > 0).all()


def test_what_patches_cannot_change_is_not_scored() -> None:
    found = asked("infidelity", given([patch(), patch()], [Target(3, 4), Target(0, 1)]))
    assert found.reasons == ("no patch changes the output", None)


def test_a_map_that_does_not_move_is_not_sensitive() -> None:
    of = given([patch()] * 2)
    still = replace(of.model, explain=lambda _model, x, _rows: Explanation(np.stack([patch()] * len(x))))
    assert asked("max-sensitivity", replace(of, asked=still)).values.tolist() == [0, 0]
    moving = asked("max-sensitivity", of, {"radius": 0.01}).values
    wide = asked("max-sensitivity", of, {"radius": 0.02}).values
    assert (moving > 0).all()
    assert (moving < wide).all()


def test_a_method_that_refuses_the_picture_beside_is_not_scored() -> None:
    calls: list[int] = []

    def refuses(_model: Classifier, x: Tensor, _rows: NDArray[np.int64]) -> Explanation:
        calls.append(len(x))
        maps = np.stack([patch()] * len(x))
        if len(calls) == 1:
            return Explanation(maps)
        maps[0] = np.nan
        return Explanation(maps, refusals=("not conserved", None))

    of = given([patch()] * 2)
    found = asked("max-sensitivity", replace(of, asked=replace(of.model, explain=refuses)))
    assert found.reasons == ("no map of a picture beside it: not conserved", None)


def test_maps_that_are_the_mask_and_maps_that_are_all_else() -> None:
    of = given([patch(), 1 - patch()])
    for key in ("bbox", "iou", "pointing-game"):
        assert asked(key, of).values.tolist() == [1, 0], key
    assert asked("bbox", of).beside["box_area"].tolist() == [1 / 16] * 2
    curves = asked("iou", of).curves
    assert curves is not None
    np.testing.assert_allclose(curves[0], [1 / 16] + [1] * 20)
    assert asked("iou", of).beside["best"].tolist() == [1, 1 / 16]


def test_among_places_that_are_alike_a_fair_draw_decides() -> None:
    """Half of the map is evidence; of it and of the box's places a quarter is in the box."""
    half = np.zeros((1, SIDE, SIDE), np.float32)
    half[0, :, 8:] = 1
    assert asked("bbox", given(half)).values.tolist() == [16 / 128]
    assert asked("pointing-game", given(half)).values.tolist() == [16 / 128]


def test_beside_the_object_hits_as_far_as_the_tolerance_says() -> None:
    beside = np.zeros((1, SIDE, SIDE), np.float32)
    beside[0, 4, 13] = 1  # two columns to the right of the object
    for tolerance, hit in ((0.0, 0), (1 / 16, 0), (2 / 16, 1)):
        assert asked("pointing-game", given(beside), {"tolerance": tolerance}).values.tolist() == [hit]
    found = asked("pointing-game", given(beside), {"tolerance": 0.5})
    assert 0 < found.beside["hit_area"][0] < 1


def test_an_object_that_reaches_all_sides_has_no_box_to_hit() -> None:
    of = given([patch()])
    of.masks[:] = np.eye(SIDE, dtype=bool)
    assert asked("bbox", of).reasons == ("the object's box is everywhere",)
    assert asked("pointing-game", of, {"tolerance": 0.5}).reasons == (None,)
    of.masks[0, SIDE // 2] = True
    found = asked("pointing-game", of, {"tolerance": 0.5})
    assert found.reasons == ("the object and what is near it are everywhere",)


def test_known_complexity() -> None:
    one, half = np.zeros((2, 1, SIDE, SIDE), np.float32)
    one[0, 3, 4] = 7
    half[0, :, 8:] = 2
    found = asked("complexity", given(np.concatenate([one, half])))
    np.testing.assert_allclose(found.values, [0, np.log(128) / np.log(256)], atol=1e-6)


ABOUT_EVIDENCE = [member.card.key for member in METRICS if member.card.aspect in ("localisation", "faithfulness")]


@pytest.mark.parametrize("key", ABOUT_EVIDENCE)
def test_a_map_without_evidence_for_is_never_a_hit(key: str) -> None:
    """As class activation maps are that are negative everywhere: what is drawn of them is nothing."""
    found = asked(key, given([-patch() - 1, patch()]))
    assert found.reasons == ("no positive evidence", None)


@pytest.mark.parametrize("negative", [None, 1])
def test_the_probability_of_a_region_is_the_mean_over_it(negative: int | None) -> None:
    """Each place counts by its share; of a difference the probability is among its two classes."""
    drawn = torch.Generator().manual_seed(5)
    output, region = torch.randn(2, 5, 3, 4, generator=drawn), torch.rand(2, 3, 4, generator=drawn)
    region[0, 0] = 0
    classes = torch.from_numpy(target_weights([Target(3, negative)] * 2, 5))
    found = probability(output, classes[:, :, None, None] * region[:, None])
    for row in range(2):
        total = 0.0
        for y, x in np.ndindex(3, 4):
            among = [3, negative] if negative is not None else list(range(5))
            powers = {each: math.exp(float(output[row, each, y, x])) for each in among if each is not None}
            total += float(region[row, y, x]) * powers[3] / sum(powers.values())
        assert float(found[row]) == pytest.approx(total / float(region[row].sum()), rel=1e-5)
