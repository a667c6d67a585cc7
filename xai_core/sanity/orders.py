"""In which order a cascade makes stages random. Torch-free: pages name the orders too."""

from __future__ import annotations

from typing import Literal

from xai_core.sanity.verdict import Range

Order = Literal["output-down", "input-up", "each-alone", "all"]
ORDERS: tuple[Order, ...] = ("output-down", "input-up", "each-alone", "all")
DEFAULT: tuple[Order, ...] = ORDERS[:2]
"""Both hold `all` as their last step."""
ORDER_WORDS: dict[Order, str] = {
    "output-down": "from the output down",
    "input-up": "from the input up",
    "each-alone": "each layer alone",
    "all": "all at once",
}
SPEC = "predicted"
"""What all maps explain: the class that the trained model predicted."""
SAMPLES, SEEDS = 24, 3
"""Of a check that nobody says more about."""


def ranges(order: Order, count: int) -> list[Range]:
    """Which of `count` stages are random at each step, as the first and the last of them, from 0 at the input."""
    last = count - 1
    if order == "output-down":
        return [(first, last) for first in range(last, -1, -1)]
    if order == "input-up":
        return [(0, step) for step in range(count)]
    return [(step, step) for step in range(count)] if order == "each-alone" else [(0, last)]
