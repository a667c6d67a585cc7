"""The repair benchmark: intervals over seeds, shares of a gap, and arms that can be asked for."""

from __future__ import annotations

import math
from typing import Any

import pytest

from benchmarks.repair import merged, over_seeds, share
from benchmarks.repair_arms import ARMS, AUGMENTED
from xai_core.errors import BadInput
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


def _printed(worst: float, dfr: float | None = 0.5, **other: Any) -> dict[str, Any]:
    """As a process of one seed prints it."""
    of = {"frozen": [worst, None, None], "dfr": [dfr, None, None]}
    return {"strength": 0.95, "machine": {"cores": 2}, "framing": {"worst_group": of, "seeds": 1, "groups": 10}} | other


def test_processes_of_one_seed_each_make_one_result() -> None:
    found = merged([_printed(0.1), _printed(0.2), _printed(0.3, dfr=None)])
    assert found["framing"]["worst_group"] == {"frozen": over_seeds([0.1, 0.2, 0.3]), "dfr": [None, None, None]}
    assert (found["framing"]["seeds"], found["framing"]["groups"]) == (3, 10)
    held = merged([_printed(0.1), _printed(0.2), _printed(0.3)], "frozen")["framing"]["over_frozen"]
    assert held == {"frozen": [0.0, 0.0, 0.0], "dfr": over_seeds([0.4, 0.3, 0.2])}
    assert (found["strength"], found["machine"]) == (0.95, {"cores": 2})


def test_what_is_no_seed_of_its_own_is_not_merged() -> None:
    with pytest.raises(BadInput, match="there twice"):
        merged([_printed(0.1), _printed(0.1)])
    with pytest.raises(BadInput, match="several seeds"):
        merged([_printed(0.1), {**_printed(0.2), "framing": {"worst_group": {}, "seeds": 2}}])
    with pytest.raises(BadInput, match="other settings"):
        merged([_printed(0.1), _printed(0.2, machine={"cores": 16})])
