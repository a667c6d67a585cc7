"""How much work a step of something long is."""

from __future__ import annotations

FIRST_FORWARDS, FIRST_ROWS = 256, 32
"""A first step: at most so much work, in forward passes, and so many rows."""

SECONDS_PER_STEP, MOST_ROWS = 1.0, 2048
"""What later steps grow or shrink to: short enough that a click never waits long, long enough that storing is cheap."""


def first_size(cost: float) -> int:
    """Rows of the first step, where one row takes about `cost` forward passes."""
    return max(1, min(FIRST_ROWS, int(FIRST_FORWARDS / max(1.0, cost))))


def next_size(size: int, seconds: float, most: int = MOST_ROWS) -> int:
    """Twice or half as many rows where a step of `size` rows took far less or more time than a step should."""
    if seconds < SECONDS_PER_STEP / 2:
        return min(2 * size, most)
    return max(1, size // 2) if seconds > SECONDS_PER_STEP * 2 else size
