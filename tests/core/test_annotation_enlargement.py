"""What is annotated grows by so many pixels over the background; its random twin adds as many elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.core.training_contracts import applied, data_of, some
from xai_core.errors import BadParameter, NotFound
from xai_core.label_maps import IGNORE, enlarged, mean_width
from xai_core.params import build
from xai_core.training.augmentations import AUGMENTATIONS
from xai_core.training.augmentations.annotation_enlargement import elsewhere
from xai_core.training.batch import Batch

MEMBER = AUGMENTATIONS["annotation_enlargement"]
MAPS = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.sampled_from((0, 0, 0, 1, 2, IGNORE)))
)


def cable(width: float, angle: float, size: int = 64) -> np.ndarray:
    """A straight one through the middle, of class 1; `angle` in radians."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    away = np.abs(x * np.sin(angle) - y * np.cos(angle) + 0.25)
    return (away <= width / 2).astype(np.uint8)


@given(MAPS, st.integers(1, 4))
def test_enlarging_against_a_slow_writing(label_map: np.ndarray, pixels: int) -> None:
    found, high, wide = label_map.copy(), *label_map.shape
    for y in range(high):
        for x in range(wide):
            if label_map[y, x] != 0:
                continue
            near = [
                ((v - y) ** 2 + (u - x) ** 2, int(label_map[v, u]))
                for v in range(high)
                for u in range(wide)
                if label_map[v, u] in (1, 2) and (v - y) ** 2 + (u - x) ** 2 <= pixels**2
            ]
            found[y, x] = min(near)[1] if near else 0
    np.testing.assert_array_equal(enlarged(label_map, [1, 2], pixels), found)


@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 4, 1.2, np.pi / 2])
@pytest.mark.parametrize("pixels", [1, 2, 4])
def test_edges_move_by_as_many_pixels_at_every_angle(angle: float, pixels: int) -> None:
    before, after = cable(4, angle), enlarged(cable(4, angle), [1], pixels)
    middle = slice(16, 48), slice(16, 48)  # the ends of a slanting one are cut at the picture's edge
    wider = cable(4 + 2 * pixels, angle)
    assert (after >= before).all()
    assert abs(int(after[middle].sum()) - int(wider[middle].sum())) <= 0.2 * wider[middle].sum()


@pytest.mark.parametrize("width", [2, 4, 8])
@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 4])
def test_the_mean_width_of_a_strip_is_its_width(width: int, angle: float) -> None:
    assert mean_width(cable(width, angle) > 0) == pytest.approx(width, rel=0.25, abs=0.6)
    assert np.isnan(mean_width(np.zeros((4, 4), bool)))


@given(MAPS, st.integers(1, 3), st.integers(0, 9))
def test_the_twin_adds_as_many_pixels_of_each_class_over_the_background(
    label_map: np.ndarray, pixels: int, seed: int
) -> None:
    grown = enlarged(label_map, [1, 2], pixels)
    twin = elsewhere(label_map, grown, seed)
    for index in (0, 1, 2, IGNORE):
        assert (twin == index).sum() == (grown == index).sum()
    assert (twin[label_map != 0] == label_map[label_map != 0]).all()


def test_the_twin_lies_elsewhere() -> None:
    label_map = cable(2, 0.4)
    grown = enlarged(label_map, [1], 1)
    placed = {elsewhere(label_map, grown, seed).tobytes() for seed in range(8)}
    assert len(placed) == 8
    shared = [((elsewhere(label_map, grown, seed) == 1) & (grown == 1) & (label_map == 0)).sum() for seed in range(8)]
    assert np.mean(shared) < 0.5 * (grown != label_map).sum()


def test_thin_classes_grow_and_others_stay() -> None:
    batch = some(4, of_pixels=True)
    batch = replace(batch, targets=batch.targets.repeat_interleave(2, 1).repeat_interleave(2, 2))
    batch = replace(batch, targets=torch.where(batch.targets == 1, 0, batch.targets))
    batch.targets[:, 7, 4:40] = 1
    after = applied(MEMBER, batch, pixels=2)
    assert (after.targets[0] == 1).sum() == 5 * 36 + 2 * 4
    assert torch.equal(after.targets == 2, batch.targets == 2)
    assert torch.equal(after.x, batch.x)
    named = applied(MEMBER, batch, pixels=1, categories="Square")
    assert (named.targets == 2).sum() > (batch.targets == 2).sum()
    assert torch.equal(named.targets == 1, batch.targets == 1)
    twin = applied(MEMBER, batch, pixels=2, where="random")
    assert [(twin.targets == at).sum() for at in (1, 2)] == [(after.targets == at).sum() for at in (1, 2)]


def test_what_does_not_fit_the_data_is_told() -> None:
    batch = some(4, of_pixels=True)
    thick = replace(batch, targets=torch.where(batch.targets == 1, 0, batch.targets))
    with pytest.raises(BadParameter, match=r"no class of objects is thin.*2\.0 pixels wide; square"):
        applied(MEMBER, thick)
    with pytest.raises(NotFound, match="line, square"):
        applied(MEMBER, batch, categories="cable")
    with pytest.raises(NotFound):
        applied(MEMBER, batch, categories="background")
    data = replace(data_of(batch), class_names=("road", "line", "square"))
    assert MEMBER.settle is not None
    with pytest.raises(BadParameter, match="there is none"):
        MEMBER.settle(build(MEMBER.params, {}), data)


def test_a_picture_full_of_one_class_stays() -> None:
    batch: Batch = some(2, of_pixels=True)
    batch.targets[:] = 2
    assert torch.equal(applied(MEMBER, batch, categories="square").targets, batch.targets)
    assert torch.equal(applied(MEMBER, batch, categories="square", where="random").targets, batch.targets)
