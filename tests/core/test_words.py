"""Words that every command and page shares."""

from __future__ import annotations

from math import nan

import pytest
from numpy import float32

from xai_core.types import SPLITS
from xai_core.words import SPLIT_WORDS, cell_name, of_split, percent, percent_range, points


def test_every_split_has_its_word() -> None:
    assert set(SPLIT_WORDS) == {*SPLITS, "all"}
    assert [of_split(split) for split in (*SPLITS, "all")] == [
        "training samples",
        "validation samples",
        "test samples",
        "samples",
    ]
    assert of_split("test", "mistakes") == "test mistakes"


def test_a_cell_is_named_by_its_classes() -> None:
    assert cell_name("dress", "skirt") == "dress taken for skirt"
    assert cell_name("dress", "dress") == "dress, recognised"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (percent(0.12345), "12.3 %"),
        (percent(1, 0), "100 %"),
        (percent(nan), "–"),
        (percent_range(0.1, 0.25), "10.0 to 25.0 %"),
        (percent_range(nan, 0.25), ""),
        (points(-0.004), "−0.4"),
        (points(0.012), "+1.2"),
        (points(0.0), "0"),
        (points(nan), "–"),
        (percent(104 / 128), "81.3 %"),  # as a browser's tables round it
        (percent(float32(0.5)), "50.0 %"),
        (points(-1 / 16 / 100), "−0.1"),
    ],
)
def test_shares_as_text(text: str, expected: str) -> None:
    assert text == expected
