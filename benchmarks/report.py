"""What every benchmark says besides its figures: the machine and the versions."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

PACKAGES = ("streamlit", "torch", "torchvision", "captum", "shap", "numpy", "pandas")


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


def run(measure: Callable[[argparse.Namespace], Mapping[str, Any]], parser: argparse.ArgumentParser) -> None:
    """Measure, and print the result as JSON, on one line with --json."""
    parser.add_argument("--json", action="store_true", help="one line instead of indented")
    args = parser.parse_args()
    result = {**measure(args), "machine": machine()}
    print(json.dumps(result, indent=None if args.json else 2))
