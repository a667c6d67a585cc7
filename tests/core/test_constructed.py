"""Models whose truth is known: it is what they do, and methods that should find it do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from xai_core.metrics import METRICS, score
from xai_core.models.weights import fingerprint
from xai_core.truth.asked import given
from xai_core.truth.constructed import GREY, MASKS, MODELS, PATTERNS, PLACES, PREPROCESS, Case, case

RANKING, TOP = METRICS["part-ranking"], METRICS["top-part"]


@pytest.fixture(scope="module", params=list(MODELS))
def one(request: pytest.FixtureRequest) -> Case:
    return case(request.param, 6, seed=1)


def test_what_a_part_counts_is_what_the_model_loses(one: Case) -> None:
    for picture, parts in zip(one.pictures, one.parts, strict=True):
        pixels = np.asarray(picture)
        without = [np.where(mask[:, :, None], np.uint8(GREY), pixels) for mask in MASKS]
        x = np.stack([PREPROCESS(Image.fromarray(each)) for each in [pixels, *without]])
        with torch.no_grad():
            found = one.classifier.logits(torch.from_numpy(x))[:, 0].numpy()
        np.testing.assert_allclose(found[0] - found[1:], parts.importance, atol=2e-5)


def test_every_patch_shows_something_and_most_of_it_counts_nothing(one: Case) -> None:
    shown = np.stack([np.asarray(picture) != GREY for picture in one.pictures]).any(3)
    assert all((shown & mask).any((1, 2)).all() for mask in MASKS)
    if one.key != "linear":
        assert (np.stack([parts.importance for parts in one.parts]) == 0).mean() > 0.8
    assert sum(mask.astype(int) for mask in MASKS).tolist() == np.ones((32, 32), int).tolist()
    assert not one.objects.all((1, 2)).any() or one.key == "linear"


def test_a_case_is_the_same_again(one: Case) -> None:
    again = case(one.key, 6, seed=1)
    assert [picture.tobytes() for picture in again.pictures] == [picture.tobytes() for picture in one.pictures]
    known = one.classifier
    assert fingerprint(again.classifier.module, known.architecture, PREPROCESS) == known.fingerprint


def test_patterns_know_nothing_of_each_other() -> None:
    flat = PATTERNS.reshape(len(PATTERNS), -1)
    np.testing.assert_array_equal(flat @ flat.T, np.eye(len(flat)) * flat.shape[1])
    assert not flat.sum(1).any()


def test_what_is_linear_is_told_by_the_gradient_times_the_input() -> None:
    found = score(RANKING, given(case("linear", 8), "input_x_gradient"))
    np.testing.assert_allclose(found.values, 1, atol=1e-6)
    assert score(TOP, given(case("linear", 8), "input_x_gradient")).values.tolist() == [1.0] * 8


def test_a_planted_patch_is_found_by_what_looks_and_not_by_edges() -> None:
    planted = case("planted-patch", 12)
    assert score(TOP, given(planted, "gradcam")).values.mean() == 1
    assert score(TOP, given(planted, "input_x_gradient")).values.mean() == 1
    assert score(TOP, given(planted, "edges")).values.mean() < 0.5
    assert score(TOP, given(planted, "random")).values.mean() < 0.5
    assert score(TOP, given(planted, "object")).values.mean() == 1


def test_where_the_output_is_saturated_the_gradient_tells_nothing() -> None:
    saturated = case("saturation", 8)
    known = np.stack([parts.importance for parts in saturated.parts])
    assert ((known > 0).sum(1) == 1).all(), "the others do not make up for the strongest"
    assert set(score(TOP, given(saturated, "saliency")).reasons) == {"the map is the same everywhere"}


def test_of_two_that_counter_each_other_each_counts_against() -> None:
    known = np.stack([parts.importance for parts in case("xor", 40).parts])
    one, both = (known > 0).sum(1) == 1, (known < 0).sum(1) == 2
    assert (one ^ both).all()
    assert one.any()
    assert both.any()
    assert known.shape == (40, PLACES)
