"""What every metric of maps holds to, and each against a slow writing of its formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from tests.oracles.metrics import ORACLES, QUICK, Case, parts_of
from tests.oracles.models import wrap
from xai_core.errors import NotApplicable
from xai_core.explainers.engine.output import weights_of
from xai_core.metrics import METRICS, Metric, MetricInput, ModelInput, score
from xai_core.metrics.base import OF_PLACES
from xai_core.metrics.grids import on_grid, pooled
from xai_core.metrics.spread import SpreadParams
from xai_core.models.classifier import Classifier
from xai_core.params import NoParams, build, specs
from xai_core.types import Array, Card, Explanation, Scores, Target

KEYS = METRICS.keys()
SIGNED = Card("toy", "Toy", "Drawn by a test.", "Everything.", signed=True)
UNSIGNED = replace(SIGNED, signed=False)
CONSTANT = "the map is the same everywhere"


@cache
def classifier() -> Classifier:
    """Of pictures of 16 × 24 pixels, whose probabilities are neither 0 nor 1."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        parts = (nn.Conv2d(3, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(144, 5))
        return wrap(nn.Sequential(*parts), shape=(3, 16, 24), name="of metrics")


def shown(x: Tensor, targets: Sequence[Target], shape: tuple[int, int]) -> Array:
    """A method of its own: means of areas of the picture's squares, with a weight by class."""
    if not min(shape):
        return np.zeros((len(x), *shape), np.float32)
    areas = adaptive_avg_pool2d(x.square().sum(1, keepdim=True), shape)[:, 0]
    return (areas.numpy() - 2.5) * np.array([1 + each.positive for each in targets], np.float32)[:, None, None]


def given(count: int = 6, *, card: Card = SIGNED, shape: tuple[int, int] = (4, 6), seed: int = 0) -> MetricInput:
    """Noise, and boxes of different sizes, on an input of 16 × 24 pixels."""
    targets = [Target(row % 3, 4 if row % 4 == 1 else None) for row in range(count)]
    x = torch.randn(count, 3, 16, 24, generator=torch.Generator().manual_seed(3))

    def again(_model: Classifier, x: Tensor, rows: NDArray[np.int64]) -> Explanation:
        return Explanation(shown(x, [targets[row] for row in rows], shape))

    rng = np.random.default_rng(seed)
    masks = np.zeros((count, 16, 24), dtype=bool)
    for row, mask in enumerate(masks):
        mask[row : row + 6, 2 : 8 + 2 * row] = True
    return MetricInput(
        rng.standard_normal((count, *shape)).astype(np.float32),
        card,
        targets,
        np.arange(count, dtype=np.int64),
        masks,
        np.ones(count, dtype=bool),
        asked=ModelInput(classifier(), x, weights_of(classifier(), targets), again),
        parts=[parts_of(mask) for mask in masks],
    )


def case(asked: MetricInput, row: int) -> Case:
    """One of them, as oracles have it."""

    def ask(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return classifier().logits(torch.from_numpy(x.astype(np.float32))[None])[0].numpy()

    def explain(x: np.ndarray) -> np.ndarray:
        one, seen = asked.targets[row], torch.from_numpy(x.astype(np.float32))[None]
        return shown(seen, [one], asked.maps.shape[1:])[0]

    x = asked.model.x[row].numpy()
    here = (asked.explainer.signed, asked.targets[row], int(asked.seeds[row]))
    return Case(asked.maps[row], asked.masks[row], *here, x, ask, explain)


def quick(key: str) -> Any:
    """Parameters that take little time."""
    return build(METRICS[key].params, QUICK.get(key, {}))


def same(found: Scores, expected: Scores) -> None:
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-5, atol=1e-6)
    assert found.reasons == expected.reasons
    assert (found.curves is None) == (expected.curves is None)
    if found.curves is not None and expected.curves is not None:
        np.testing.assert_allclose(found.curves, expected.curves, rtol=1e-5, atol=1e-6)
    assert found.beside.keys() == expected.beside.keys()
    for name, values in found.beside.items():
        np.testing.assert_allclose(values, expected.beside[name], rtol=1e-5, atol=1e-6)


def joined(parts: list[Scores]) -> Scores:
    curves = [part.curves for part in parts if part.curves is not None]
    names = parts[0].beside
    return Scores(
        np.concatenate([part.values for part in parts]),
        tuple(reason for part in parts for reason in part.reasons),
        np.concatenate(curves) if curves else None,
        {name: np.concatenate([part.beside[name] for part in parts]) for name in names},
    )


def test_every_metric_has_an_oracle() -> None:
    assert set(KEYS) == set(ORACLES)


@pytest.mark.parametrize("key", KEYS)
def test_the_card_says_what_is_needed_to_read_a_value(key: str) -> None:
    card = METRICS[key].card
    assert card.direction in (-1, 0, 1)
    assert card.unit
    assert card.blind_spot
    assert all(spec.help for spec in specs(METRICS[key].params))


@pytest.mark.parametrize("card", [SIGNED, UNSIGNED], ids=["signed", "unsigned"])
@pytest.mark.parametrize("shape", [(4, 6), (16, 24), (1, 5), (2, 2)])
@pytest.mark.parametrize("key", KEYS)
def test_is_what_its_formula_gives(key: str, card: Card, shape: tuple[int, int]) -> None:
    asked = given(card=card, shape=shape)
    params = quick(key)
    found = score(METRICS[key], asked, params)
    assert found.values.dtype == np.float32
    scored = np.flatnonzero(np.isfinite(found.values))
    assert len(scored) >= 4
    expected = [ORACLES[key](case(asked, row), params) for row in scored]
    np.testing.assert_allclose(found.values[scored], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("key", KEYS)
def test_a_batch_is_its_samples_one_by_one_in_any_order(key: str) -> None:
    asked = given()
    found = score(METRICS[key], asked, quick(key))
    same(joined([score(METRICS[key], asked.take(np.array([row])), quick(key)) for row in range(6)]), found)
    order = np.array([3, 1, 5, 0, 4, 2])
    parts = score(METRICS[key], asked.take(order), quick(key))
    np.testing.assert_allclose(parts.values, found.values[order], rtol=1e-5)


@pytest.mark.parametrize("key", KEYS)
def test_asking_changes_nothing_and_gives_the_same_again(key: str) -> None:
    asked = given()
    for values in (asked.maps, asked.masks, asked.seeds, asked.has_mask):
        values.setflags(write=False)
    found = score(METRICS[key], asked, quick(key))
    same(score(METRICS[key], asked, quick(key)), found)
    same(score(METRICS[key], given(), quick(key)), found)
    np.testing.assert_array_equal(asked.maps, given().maps)


def test_metrics_of_one_pass_ask_the_model_once_for_what_they_share() -> None:
    steps = [("average-drop", {}, 12), ("increase", {}, 0), ("increase", {"fill": "mean"}, 6)]
    steps += [("deletion", {"steps": 4, "fill": "mean"}, 24), ("insertion", {"steps": 4, "fill": "mean"}, 18)]
    steps += [("infidelity", {"patches": 3, "score": "probability"}, 18)]
    asked, pictures = given(), 0
    score(METRICS["deletion"], given())  # which measures what a picture takes

    def count(_: nn.Module, inputs: tuple[Tensor]) -> None:
        nonlocal pictures
        pictures += len(inputs[0])

    watched = classifier().module.register_forward_pre_hook(count)
    for key, values, expected in steps:
        before = pictures
        score(METRICS[key], asked, build(METRICS[key].params, values))
        assert (key, pictures - before) == (key, expected)
    watched.remove()


@pytest.mark.parametrize("key", ["average-drop", "insertion", "road", "bbox"])
def test_what_is_remembered_is_of_these_maps_and_samples_alone(key: str) -> None:
    asked, other = given(), given(seed=5)
    score(METRICS[key], asked, quick(key))
    same(score(METRICS[key], replace(asked, maps=other.maps), quick(key)), score(METRICS[key], other, quick(key)))
    fewer = replace(asked, maps=asked.maps.copy())
    fewer.maps[2] = 0
    found, alone = score(METRICS[key], fewer, quick(key)), score(METRICS[key], asked, quick(key))
    np.testing.assert_allclose(np.delete(found.values, 2), np.delete(alone.values, 2), rtol=1e-6)


@pytest.mark.parametrize("scale", [2.0, 1e-30, 1e30])
@pytest.mark.parametrize("key", [key for key in KEYS if METRICS[key].card.scale_free])
def test_another_scale_scores_the_same_where_the_card_says_so(key: str, scale: float) -> None:
    asked = given()
    same(
        score(METRICS[key], replace(asked, maps=asked.maps * np.float32(scale)), quick(key)),
        score(METRICS[key], asked, quick(key)),
    )


EDGES: dict[str, tuple[dict[str, Any], str]] = {
    "constant": ({"maps": 0.3}, CONSTANT),
    "zero": ({"maps": 0.0}, CONSTANT),
    "nan": ({"maps": np.nan}, "the map holds NaN or infinity"),
    "infinite": ({"maps": np.inf}, "the map holds NaN or infinity"),
    "no mask": ({"has_mask": False, "masks": False}, "no mask"),
    "empty mask": ({"masks": False}, "the mask is empty where the model looks"),
    "mask everywhere": ({"masks": True}, "the mask is everywhere"),
}


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("key", KEYS)
def test_what_cannot_be_scored_has_a_reason_and_changes_no_other(key: str, edge: str) -> None:
    changes, reason = EDGES[edge]
    asked, expected = given(), score(METRICS[key], given(), quick(key))
    for name, value in changes.items():
        getattr(asked, name)[2] = value
    found = score(METRICS[key], asked, quick(key))
    others = np.array([0, 1, 3, 4, 5])
    np.testing.assert_allclose(found.values[others], expected.values[others], rtol=1e-6)
    if "mask" in edge and not METRICS[key].card.needs & OF_PLACES:
        assert found.reasons[2] is None
        return
    assert found.reasons[2] == reason
    assert np.isnan(found.values[2])


@pytest.mark.parametrize("key", KEYS)
def test_a_refused_map_is_not_scored_and_says_why(key: str) -> None:
    asked = replace(given(), refusals=[None, "not conserved", None, None, None, None])
    found = score(METRICS[key], asked, quick(key))
    assert found.reasons[1] == "the map was refused: not conserved"
    assert np.isnan(found.values).tolist() == [False, True, False, False, False, False]


@pytest.mark.parametrize("card", [SIGNED, UNSIGNED], ids=["signed", "unsigned"])
@pytest.mark.parametrize("key", KEYS)
def test_evidence_against_alone_is_a_score_or_a_reason(key: str, card: Card) -> None:
    asked = given(card=card)
    asked.maps[:] = -np.abs(asked.maps)
    found = score(METRICS[key], asked, quick(key))
    assert np.isfinite(found.values).all() or not np.isfinite(found.values).any()


@pytest.mark.parametrize("key", KEYS)
def test_no_maps_and_maps_without_places(key: str) -> None:
    assert score(METRICS[key], given().take(np.array([], dtype=np.int64)), quick(key)).values.shape == (0,)
    assert set(score(METRICS[key], given(shape=(0, 0)), quick(key)).reasons) == {"the map holds NaN or infinity"}


def test_scores_without_a_number_need_a_reason() -> None:
    one = np.ones(2, np.float32)
    nan = np.array([1, np.nan], np.float32)
    for broken in (
        {"values": nan},
        {"values": one, "reasons": (None, "why")},
        {"values": one, "reasons": (None,)},
        {"values": one, "curves": np.ones((3, 4), np.float32)},
        {"values": one, "curves": np.full((2, 4), np.nan, np.float32)},
        {"values": one, "beside": {"area": one[:1]}},
    ):
        with pytest.raises(ValueError, match=r"score|curve"):
            Scores(**broken)


def test_a_metric_that_cannot_be_used_at_all_is_a_reason_for_every_map() -> None:
    def refuses(_given: MetricInput, _params: NoParams) -> Scores:
        raise NotApplicable("only for classifiers", value="x", remedy="None.")

    member = Metric(replace(SIGNED, key="refuses"), NoParams, refuses)
    asked = given()
    asked.maps[0] = 0
    found = score(member, asked)
    assert found.reasons[0] == CONSTANT
    assert all(str(reason).startswith("only for classifiers") for reason in found.reasons[1:])


def test_a_metric_that_says_of_no_model_gets_none() -> None:
    with pytest.raises(TypeError, match="needs="):
        _ = replace(given(), asked=None).model


def test_curves_and_what_stands_beside_are_those_of_the_maps_they_are_about() -> None:
    def curved(asked: MetricInput, _params: NoParams) -> Scores:
        first = asked.maps[:, 0, 0]
        return Scores(first, (), np.stack([first, first * 2], axis=1), {"twice": first * 2})

    asked = given()
    asked.maps[1] = 0
    found = score(Metric(replace(SIGNED, key="curved", curve="share"), NoParams, curved), asked)
    assert found.curves is not None
    assert np.isnan(found.curves[1]).all()
    np.testing.assert_array_equal(found.curves[2:, 1], asked.maps[2:, 0, 0] * 2)
    np.testing.assert_array_equal(found.beside["twice"][2:], asked.maps[2:, 0, 0] * 2)


def test_known_energy() -> None:
    """A map whose left half is evidence, and masks that hold all, half and none of it."""
    asked = given(3, shape=(16, 24))
    asked.maps[:] = np.where(np.arange(24) < 12, 1.0, -5.0)
    asked.masks[:] = False
    asked.masks[0, :, :12] = asked.masks[1, :8] = asked.masks[2, :, 12:] = True
    found = score(METRICS["energy-pointing-game"], asked)
    assert found.values.tolist() == [1.0, 0.5, 0.0]
    assert found.beside["mask_area"].tolist() == [0.5, 0.5, 0.5]


def test_noise_scores_the_area_of_the_mask() -> None:
    asked = given(shape=(16, 24))
    noise = np.random.default_rng(0).random((400, 16, 24), np.float32)
    many = np.array([row % 6 for row in range(400)])
    found = score(METRICS["energy-pointing-game"], replace(asked.take(many), maps=noise))
    np.testing.assert_allclose(found.values.mean(), found.beside["mask_area"].mean(), atol=0.005)


def test_known_sparseness() -> None:
    asked = given(3, shape=(10, 10))
    asked.maps[:] = 1.0
    asked.maps[0] = 0
    asked.maps[0, 3, 4] = 7
    asked.maps[1, :, :5] = 0
    asked.maps[2, 0, 0] = 1.0001
    np.testing.assert_allclose(score(METRICS["sparseness"], asked).values, [0.99, 0.5, 0], atol=1e-5)


def test_sparseness_at_one_side_compares_maps_of_any_resolution() -> None:
    fine = given(shape=(12, 12))
    params = SpreadParams(side=4)
    expected = [ORACLES["sparseness"](case(fine, row), params) for row in range(6)]
    np.testing.assert_allclose(score(METRICS["sparseness"], fine, params).values, expected, rtol=1e-5)
    coarse = replace(fine, maps=pooled(np.abs(fine.maps), 4))
    found = score(METRICS["sparseness"], coarse, params).values
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(("old", "new"), [((3, 5), (12, 20)), ((4, 4), (4, 4)), ((1, 1), (3, 2)), ((7, 7), (28, 28))])
def test_maps_on_another_grid_are_as_torch_draws_them(old: tuple[int, int], new: tuple[int, int]) -> None:
    from torch import from_numpy
    from torch.nn.functional import interpolate

    maps = np.random.default_rng(0).standard_normal((2, *old)).astype(np.float32)
    expected = interpolate(from_numpy(maps)[:, None], new, mode="bilinear", align_corners=False)[:, 0]
    np.testing.assert_allclose(on_grid(maps, new), expected.numpy(), atol=1e-5)
