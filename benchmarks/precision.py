"""How far maps of a device are from the CPU's, in full float32 and with TF32, for every method and model it holds for.

`python -m benchmarks.precision --json [--device cuda]`. Of four pictures, ‖map − map of the CPU‖ ÷ ‖map of the CPU‖;
keys by method, each with the `worst` and the `median` of all models in `float32` and `tf32`. It needs a CUDA device;
with `--device cpu` both are 0, which proves the command alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import torch

from benchmarks.report import run
from tests.core.explainer_cases import SEEDS, TARGETS
from tests.oracles.models import pictures
from tests.oracles.table import HELD, MODELS, TABLE
from xai_core.explainers import ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.models import wrappers
from xai_core.models.build import pick_device
from xai_core.models.classifier import Classifier
from xai_core.types import Array

PRECISIONS: Mapping[str, Callable[[], AbstractContextManager[None]]] = {
    "float32": wrappers.full_precision,
    "tf32": nullcontext,
}


def maps(classifier: Classifier, key: str) -> Array:
    shape, device = classifier.input_shape, classifier.device
    x, context = pictures(4, shape=shape).to(device), pictures(6, seed=9, shape=shape).to(device)
    masks = (pictures(4, seed=5, shape=shape)[:, 0] > 0).to(device)
    given = ExplainerInput(classifier, x, TARGETS, SEEDS, masks=masks, background=context)
    return np.nan_to_num(explain(given, [(key, TABLE[key].params)])[0].maps)


def away(found: Array, expected: Array) -> list[float]:
    """Of each map, in the length of the one that is expected."""
    lengths = [max(float(np.linalg.norm(each)), 1e-30) for each in expected]
    return [float(np.linalg.norm(a - b)) / c for a, b, c in zip(found, expected, lengths, strict=True)]


def measure(args: argparse.Namespace) -> dict[str, Any]:
    device = pick_device(args.device)
    distances: dict[str, dict[str, list[float]]] = {}
    for key, name in HELD:
        if args.only and key not in args.only.split(","):
            continue
        expected = maps(MODELS[name](), key)
        for precision, within in PRECISIONS.items():
            made = MODELS[name]()
            moved = replace(made, module=wrappers.placed(made.module, device), fingerprint=f"{name}-{precision}")
            with mock.patch.object(wrappers, "full_precision", within):
                found = away(maps(moved, key), expected)
            distances.setdefault(key, {}).setdefault(precision, []).extend(found)
    return {
        "device": str(device),
        **{key: {name: told(of) for name, of in by.items()} for key, by in distances.items()},
    }


def told(values: list[float]) -> dict[str, float]:
    return {"worst": float(f"{max(values):.2g}"), "median": float(f"{np.median(values):.2g}"), "n": len(values)}


if __name__ == "__main__":
    torch.set_num_threads(2)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", help="cuda or cuda:N")
    parser.add_argument("--only", default="", help="some methods")
    run(measure, parser)
