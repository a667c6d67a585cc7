"""How single heatmaps shift: cosine, centre and rank correlation, on maps whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from xai_core.answers.shift import LISTED, Moved, Shift, shift


def spot(down: int, right: int) -> np.ndarray:
    y, x = np.mgrid[:20, :20]
    return np.exp(-((y - down) ** 2 + (x - right) ** 2) / 8).astype(np.float32)


def test_a_spot_that_moves_by_known_steps() -> None:
    before = np.stack([spot(10, 10), spot(5, 5), spot(10, 10), np.zeros((20, 20), np.float32)])
    after = np.stack([spot(10, 10), spot(5, 15), spot(10, 10), spot(3, 3)])
    found = shift(before, after, np.array([True, True, False, True]))
    assert found.spearman[0] == pytest.approx(1)
    assert found.cosine[:2] == pytest.approx([1, 0], abs=0.01)
    assert found.centre[:2] == pytest.approx([0, 0.5], abs=0.01)
    assert all(np.isnan(values[2]) for values in vars(found).values()), "the models see other parts of the picture"
    assert np.isnan(found.spearman[3]), "no evidence anywhere before"
    assert np.isnan(found.centre[3])
    assert found.most().tolist() == [1, 0]
    assert "n = 2" in found.sentence(0)


def test_a_known_cosine() -> None:
    before = np.array([[[3.0, 0.0], [4.0, 0.0]]], np.float32)
    after = np.array([[[4.0, 0.0], [3.0, 0.0]]], np.float32)
    assert shift(before, after, np.array([True])).cosine == pytest.approx([0.96])


def test_the_list_is_short_and_begins_with_the_least_alike() -> None:
    values = np.linspace(1, -1, 40)
    found = Shift(values, values, values)
    assert found.most().tolist() == list(range(39, 39 - LISTED, -1))
    nothing = Shift(*(np.full(2, np.nan) for _ in range(3)))
    assert nothing.sentence(0) == ""
    assert not len(nothing.most())


def test_a_line_says_what_is_not_known() -> None:
    numbers = {"spearman": -0.5, "cosine": 0.25, "centre": float("nan")}
    assert Moved(3, "a", "fixed", numbers, (0.5, float("nan"))).line == (
        "a",
        "fixed",
        "−0.50",
        "+0.25",
        "–",
        "50.0 % → –",
    )
    assert Moved(3, "a", "fixed", numbers, (float("nan"),) * 2).line[-1] == "no mask"
