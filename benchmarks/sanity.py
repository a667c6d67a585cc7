"""A cascade from the output down, against Quantus' MPRT: same model, samples, layers, maps and similarity.

`python -m benchmarks.sanity --json`. Both explain with the plain gradient (ours as `saliency`, by what `xai sanity`
explains, randomises and compares with; theirs as a function handed to Quantus that calls autograd once per batch),
compare absolute values by Spearman's rank correlation, and go through every module with weights, one more each time.
Quantus is no dependency: `pip install --no-deps quantus cachetools`. Keys: `speedup_vs_quantus`, and
`cpu_speedup_vs_quantus` by the processor's time, which others on the machine disturb less; `ours_seconds`,
`quantus_seconds`; `floor_seconds`, what the bare passes of all layers take, forward and back to the picture: both make
every one of them, so that nobody is faster than `floor_speedup_vs_quantus`; `layers`, `samples`, `repetitions`, and
`threads`, one by default. Figures are medians, ratios within a repetition. `hog_speedup_vs_scikit_image`: 24 pairs of
maps of 28 × 28, the trained model's described beforehand, against scikit-image's descriptors of both, map by map.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
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
from xai_core.pipeline.cascade_maps import Compared
from xai_core.sanity.randomise import Randomiser, learned
from xai_core.similarities import SIMILARITIES
from xai_core.types import Array, Explanation, Target

TIMED = 3
"""Passes of which the floor is taken."""


def explained(classifier: Classifier, x: Tensor, seeds: NDArray[np.int64]) -> Explanation:
    targets = [Target(row % CLASSES) for row in range(len(x))]
    return explain(ExplainerInput(classifier, x, targets, seeds), [("saliency", None)])[0]


def layers_of(module: nn.Module) -> list[tuple[str, ...]]:
    """The learned tensors of every module that Quantus randomises, from the output to the input."""
    owners = [name for name, part in module.named_modules() if hasattr(part, "reset_parameters")]
    return [tuple(n for n, _ in learned(module) if n.rpartition(".")[0] == owner) for owner in reversed(owners)]


def ours(classifier: Classifier, x: Tensor) -> None:
    seeds, randomiser, names = np.arange(len(x)), Randomiser(classifier), set[str]()
    trained = Compared(explained(classifier, x, seeds))
    for layer in layers_of(classifier.module):
        names |= set(layer)
        trained.alike("spearman-absolute", explained(randomiser.at(0, names, "cascade"), x, seeds).maps)


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
        remedy = "pip install --no-deps quantus cachetools"
        raise BadInput("Quantus is not installed", remedy=remedy) from None
    check = quantus.MPRT(
        similarity_func=quantus.similarity_func.correlation_spearman,
        layer_order="top_down",
        disable_warnings=True,
        display_progressbar=False,
    )
    labels = np.arange(len(x)) % CLASSES
    return check(classifier.module, x.numpy(), labels, explain_func=gradient, device="cpu", batch_size=len(x))


def passes(classifier: Classifier, x: Tensor) -> None:
    """A few of those that each layer takes of everybody."""
    labels = np.arange(len(x)) % CLASSES
    for _ in range(TIMED):
        gradient(classifier.module, x.clone(), labels)


def took(work: Callable[[Classifier, Tensor], object], classifier: Classifier, x: Tensor) -> tuple[float, float]:
    """Seconds by the clock on the wall, and of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    work(classifier, x)
    return time.perf_counter() - wall, time.process_time() - cpu


def hog_speedup() -> float:
    """By the processor's time, which is short: the median of several."""
    from skimage.feature import hog

    first, second = np.random.default_rng(0).standard_normal((2, 24, 28, 28)).astype(np.float32)
    measure, ratios = SIMILARITIES["hog"], []
    known = measure.describe(first)
    for _ in range(9):
        began = time.process_time()
        measure.alike(known, measure.describe(second))
        between = time.process_time()
        for one in (*first, *second):
            hog(one, 9, (3, 3), (3, 3))
        ratios.append((time.process_time() - between) / (between - began))
    return round(float(np.median(ratios)), 1)


def measure(args: argparse.Namespace) -> Mapping[str, Any]:
    """All take turns on the same model."""
    torch.set_num_threads(args.threads)
    classifier, x = made(args.architecture, args.size), torch.randn(args.samples, 3, args.size, args.size)
    layers = len(layers_of(classifier.module))
    passes(classifier, x)  # warm
    found = [
        [took(each, classifier, x) for each in (ours, theirs, passes)] for _ in args.clock.rounds(args.repetitions)
    ]
    (own, peer, few), (own_cpu, peer_cpu, few_cpu) = np.array(found).transpose(2, 1, 0)
    floor, floor_cpu = (each * (layers + 1) / TIMED for each in (few, few_cpu))  # and one of the trained model

    def median(values: NDArray[np.float64]) -> float:
        return round(float(np.median(values)), 2)

    return {
        "speedup_vs_quantus": median(peer / own),
        "cpu_speedup_vs_quantus": median(peer_cpu / own_cpu),
        "floor_speedup_vs_quantus": median(peer_cpu / floor_cpu),
        "ours_seconds": median(own),
        "quantus_seconds": median(peer),
        "floor_seconds": median(floor),
        "ours_cpu_seconds": median(own_cpu),
        "quantus_cpu_seconds": median(peer_cpu),
        "floor_cpu_seconds": median(floor_cpu),
        "hog_speedup_vs_scikit_image": hog_speedup(),
        "layers": layers,
        "samples": args.samples,
        "repetitions": len(found),
        "threads": torch.get_num_threads(),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architecture", default="resnet18")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=3)
    run(measure, parser, full={"repetitions": 15, "samples": 24})
