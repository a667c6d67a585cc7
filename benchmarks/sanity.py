"""A cascade from the output down, against Quantus' MPRT: same model, samples, layers, maps and similarity.

`python -m benchmarks.sanity --json`. Both explain with the plain gradient (ours as `saliency`, theirs as a function
handed to Quantus that calls autograd once per batch), compare absolute values by Spearman's rank correlation, and go
through every module with weights, one more each time. Quantus is no dependency: install it beside with
`pip install --target FOLDER --no-deps quantus` and set PYTHONPATH=FOLDER. Keys: `ours_seconds`, `quantus_seconds`,
`speedup_vs_quantus`, `layers`, `samples`, `repetitions`; figures are medians, the ratio within a repetition.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.cams import CLASSES, made
from benchmarks.report import run
from xai_core.errors import BadInput
from xai_core.explainers import ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.models.classifier import Classifier
from xai_core.sanity.randomise import Randomiser, learned
from xai_core.similarities import SIMILARITIES
from xai_core.types import Array, Target


def maps_of(classifier: Classifier, x: Tensor, seeds: NDArray[np.int64]) -> Array:
    targets = [Target(row % CLASSES) for row in range(len(x))]
    return explain(ExplainerInput(classifier, x, targets, seeds), [("saliency", None)])[0].maps


def layers_of(module: nn.Module) -> list[tuple[str, ...]]:
    """The learned tensors of every module that Quantus randomises, from the output to the input."""
    owners = [name for name, part in module.named_modules() if hasattr(part, "reset_parameters")]
    return [tuple(n for n, _ in learned(module) if n.rpartition(".")[0] == owner) for owner in reversed(owners)]


def ours(classifier: Classifier, x: Tensor) -> list[Array]:
    seeds, randomiser, names = np.arange(len(x)), Randomiser(classifier), set[str]()
    trained, compare = maps_of(classifier, x, seeds), SIMILARITIES["spearman-absolute"].compare
    found = []
    for layer in layers_of(classifier.module):
        names |= set(layer)
        found.append(compare(trained, maps_of(randomiser.at(0, names, "cascade"), x, seeds)))
    return found


def gradient(model: nn.Module, inputs: Any, targets: Any, **_: Any) -> Array:
    """What Quantus is handed: |d logit / d x|, summed over channels."""
    x = torch.as_tensor(inputs, dtype=torch.float32).requires_grad_()
    logits = model(x)
    (found,) = torch.autograd.grad(logits[torch.arange(len(x)), torch.as_tensor(targets)].sum(), x)
    return found.abs().sum(1, keepdim=True).numpy()


def theirs(classifier: Classifier, x: Tensor) -> Any:
    try:
        quantus = import_module("quantus")
    except ImportError:
        remedy = "pip install --target FOLDER --no-deps quantus, then set PYTHONPATH=FOLDER."
        raise BadInput("Quantus is not installed", remedy=remedy) from None
    check = quantus.MPRT(
        similarity_func=quantus.similarity_func.correlation_spearman,
        layer_order="top_down",
        disable_warnings=True,
        display_progressbar=False,
    )
    labels = np.arange(len(x)) % CLASSES
    return check(classifier.module, x.numpy(), labels, explain_func=gradient, device="cpu", batch_size=len(x))


def measure(args: argparse.Namespace) -> Mapping[str, Any]:
    """Both take turns on the same model."""
    classifier, x = made(args.architecture, args.size), torch.randn(args.samples, 3, args.size, args.size)
    taken = []
    for _ in args.clock.rounds(args.repetitions):
        began = time.perf_counter()
        ours(classifier, x)
        middle = time.perf_counter()
        theirs(classifier, x)
        taken.append((middle - began, time.perf_counter() - middle))
    own, peer = np.array(taken).T
    return {
        "ours_seconds": round(float(np.median(own)), 3),
        "quantus_seconds": round(float(np.median(peer)), 3),
        "speedup_vs_quantus": round(float(np.median(peer / own)), 2),
        "layers": len(layers_of(classifier.module)),
        "samples": args.samples,
        "repetitions": len(taken),
        "threads": torch.get_num_threads(),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architecture", default="resnet18")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--repetitions", type=int, default=3)
    run(measure, parser, full={"repetitions": 15})
