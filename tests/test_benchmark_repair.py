"""The repair benchmark: intervals over seeds, shares of a gap, and arms that can be asked for."""

from __future__ import annotations

import math

import pytest

from benchmarks.repair import over_seeds, share
from benchmarks.repair_arms import ARMS, AUGMENTED
from xai_core.training.augmentations import chosen


def test_the_interval_over_seeds_is_that_of_a_t_test() -> None:
    assert over_seeds([0.1, 0.2, 0.3]) == [0.2, pytest.approx(-0.0484, abs=1e-4), pytest.approx(0.4484, abs=1e-4)]
    assert over_seeds([0.5]) == [0.5, None, None]
    assert over_seeds([0.5, math.nan]) == [None, None, None]


def test_where_nothing_was_lost_nothing_is_closed() -> None:
    assert share(0.1, 0.4) == 0.25
    assert share(-0.1, 0.4) == -0.25
    assert math.isnan(share(0.1, 0.0))
    assert math.isnan(share(0.1, -0.2))


def test_every_masking_by_heatmaps_has_its_random_twin() -> None:
    assert {"frozen", "unplanted", "longer", *AUGMENTED} <= set(ARMS)
    (masking,), (twin,) = (chosen(AUGMENTED[name]) for name in ("saliency_masking", "random_masking"))
    assert masking[0] is twin[0]
    assert (masking[1].hide, twin[1].hide) == ("strongest", "random")
