"""What every benchmark has besides its figures: a limit to its time, the machine and the versions."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

PACKAGES = ("streamlit", "torch", "torchvision", "captum", "shap", "numpy", "pandas")

SECONDS = 180.0
"""So long a benchmark measures without --full. With what comes before and after it ends within five minutes."""


@dataclass(frozen=True)
class Clock:
    """Until when is measured, by `time.monotonic`."""

    until: float = math.inf

    def part(self, left: float) -> Clock:
        """For the next of `left` parts: its share of the time that is left."""
        now = time.monotonic()
        return Clock(now + (self.until - now) / left)

    def rounds(self, most: int, least: int = 1) -> Iterator[int]:
        """0, 1, …: `most` of them, but after `least` none that would end too late if it took as long as the longest."""
        longest = 0.0
        for number in range(most):
            began = time.monotonic()
            if number >= least and began + longest > self.until:
                return
            yield number
            longest = max(longest, time.monotonic() - began)


def machine() -> dict[str, Any]:
    """Processor, cores, memory and versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def run(
    measure: Callable[[argparse.Namespace], Mapping[str, Any]],
    parser: argparse.ArgumentParser,
    full: Mapping[str, Any] | None = None,
) -> None:
    """Measure, and print the result as JSON, on one line with --json.

    Args:
        measure: gets the arguments, and in `clock` the Clock to keep to. What it says of `full` and `machine` counts:
            results may come from elsewhere.
        parser: of the benchmark's own arguments, whose defaults are those of the short form.
        full: the defaults with --full.
    """
    parser.add_argument("--json", action="store_true", help="one line instead of indented")
    parser.add_argument("--full", action="store_true", help="the long form; without it, what fits into five minutes")
    if parser.parse_args().full:
        parser.set_defaults(**full or {})
    args = parser.parse_args()
    args.clock = Clock() if args.full else Clock(time.monotonic() + SECONDS)
    result = {"full": args.full, "machine": machine(), **measure(args)}
    print(json.dumps(result, indent=None if args.json else 2))
