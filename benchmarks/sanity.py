"""A cascade from the output down, against Quantus' MPRT: same model, samples, layers, methods and similarity.

`python -m benchmarks.sanity --json`. Every module with weights becomes random, one more each time; maps are compared
by Spearman's rank correlation of absolute values. Ours is what `xai sanity` explains, randomises and compares with;
Quantus is handed functions that make one forward and one backward pass for a batch. Twice: the five class activation
maps that share a pass, which Quantus checks one after the other (`speedup_vs_quantus`), and the plain gradient alone,
where both make one whole pass for each layer (`one_method_speedup_vs_quantus`; `passes_to_the_picture_cpu_seconds` is
what those alone take). Quantus is no dependency: `pip install --no-deps quantus cachetools`. Figures are medians,
ratios within a repetition; `cpu_…` by the processor's time, which others on the machine disturb less.
`hog_speedup_vs_scikit_image`: 24 pairs of maps of 28 × 28, the trained model's described beforehand, against
scikit-image's descriptors of both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
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


def explained(classifier: Classifier, x: Tensor, methods: Sequence[str]) -> list[Explanation]:
    targets = [Target(row % CLASSES) for row in range(len(x))]
    given = ExplainerInput(classifier, x, targets, np.arange(len(x)))
    return explain(given, [(method, None) for method in methods])


def layers_of(module: nn.Module) -> list[tuple[str, ...]]:
    """The learned tensors of every module that Quantus randomises, from the output to the input."""
    owners = [name for name, part in module.named_modules() if hasattr(part, "reset_parameters")]
    return [tuple(n for n, _ in learned(module) if n.rpartition(".")[0] == owner) for owner in reversed(owners)]


def ours(classifier: Classifier, x: Tensor, methods: Sequence[str]) -> None:
    randomiser, names = Randomiser(classifier), set[str]()
    trained = [Compared(each) for each in explained(classifier, x, methods)]
    for layer in layers_of(classifier.module):
        names |= set(layer)
        random = explained(randomiser.at(0, names, "cascade"), x, methods)
        for known, other in zip(trained, random, strict=True):
            known.alike("spearman-absolute", other.maps)


def gradient(model: nn.Module, inputs: Any, targets: Any, **_: Any) -> Array:
    """What Quantus is handed: |d logit / d x|, summed over channels."""
    x = torch.as_tensor(inputs, dtype=torch.float32).requires_grad_()
    logits = model(x)
    (found,) = torch.autograd.grad(logits[torch.arange(len(x)), torch.as_tensor(targets)].sum(), x)
    return found.abs().sum(1, keepdim=True).numpy()


def cam(formula: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Array]:
    """The same for a class activation map at the last convolutions: no hook stays, one forward, a backward to there."""

    def explain_func(model: nn.Module, inputs: Any, targets: Any, **_: Any) -> Array:
        seen: list[Tensor] = []
        handle = model.get_submodule("layer4").register_forward_hook(lambda _m, _i, output: seen.append(output))
        x = torch.as_tensor(inputs, dtype=torch.float32).requires_grad_()
        logits = model(x)
        handle.remove()
        (slopes,) = torch.autograd.grad(logits[torch.arange(len(x)), torch.as_tensor(targets)].sum(), seen[0])
        maps = formula(seen[0].detach(), slopes).relu()[:, None]
        # Quantus takes no map smaller than the picture.
        found: Array = nn.functional.interpolate(maps, size=x.shape[-2:], mode="bilinear").numpy()
        return found

    return explain_func


def _plus_plus(a: Tensor, g: Tensor) -> Tensor:
    alpha = g**2 / (2 * g**2 + (a * g**3).sum((2, 3), keepdim=True)).where(g != 0, torch.ones_like(g))
    return ((alpha * g.relu()).sum((2, 3), keepdim=True) * a).sum(1)


CAMS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "gradcam": lambda a, g: (g.mean((2, 3), keepdim=True) * a).sum(1),
    "gradcam++": _plus_plus,
    "xgradcam": lambda a, g: ((g * a).sum((2, 3), keepdim=True) / a.sum((2, 3), keepdim=True).clamp(1e-7) * a).sum(1),
    "layercam": lambda a, g: (g.relu() * a).sum(1),
    "hirescam": lambda a, g: (g * a).sum(1),
}
"""By the formulas of their papers, which is all that is asked of them here: what they take."""


def theirs(classifier: Classifier, x: Tensor, functions: Sequence[Callable[..., Array]]) -> None:
    """Quantus checks one method at a time."""
    try:
        quantus = import_module("quantus")
    except ImportError:
        remedy = "pip install --no-deps quantus cachetools"
        raise BadInput("Quantus is not installed", remedy=remedy) from None
    labels = np.arange(len(x)) % CLASSES
    for function in functions:
        check = quantus.MPRT(
            similarity_func=quantus.similarity_func.correlation_spearman,
            layer_order="top_down",
            disable_warnings=True,
            display_progressbar=False,
        )
        check(classifier.module, x.numpy(), labels, explain_func=function, device="cpu", batch_size=len(x))


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


def compared(args: argparse.Namespace, classifier: Classifier, x: Tensor, kind: str) -> dict[str, Any]:
    """Ours against theirs on some methods, and how far nobody could be faster that makes one pass for each."""
    methods = list(CAMS) if kind == "cams" else ["saliency"]
    functions = [cam(CAMS[key]) for key in methods] if kind == "cams" else [gradient]
    works: list[Callable[[Classifier, Tensor], object]] = [
        lambda model, x: ours(model, x, methods),
        lambda model, x: theirs(model, x, functions),
        passes,
    ]
    rounds = args.clock.part(2 if kind == "cams" else 1).rounds(args.repetitions)
    found = [[took(each, classifier, x) for each in works] for _ in rounds]
    (own, peer, _), (own_cpu, peer_cpu, few_cpu) = np.array(found).transpose(2, 1, 0)
    states = len(layers_of(classifier.module)) + 1  # and the trained model
    return {
        "speedup": median(peer / own),
        "cpu_speedup": median(peer_cpu / own_cpu),
        "ours_seconds": median(own),
        "quantus_seconds": median(peer),
        "ours_cpu_seconds": median(own_cpu),
        "quantus_cpu_seconds": median(peer_cpu),
        "passes_to_the_picture_cpu_seconds": median(few_cpu * states / TIMED),
        "methods": methods,
        "repetitions": len(found),
    }


def median(values: NDArray[np.float64]) -> float:
    return round(float(np.median(values)), 2)


def measure(args: argparse.Namespace) -> Mapping[str, Any]:
    """All take turns on the same model."""
    torch.set_num_threads(args.threads)
    classifier, x = made(args.architecture, args.size), torch.randn(args.samples, 3, args.size, args.size)
    passes(classifier, x)  # warm
    shared, alone = (compared(args, classifier, x, kind) for kind in ("cams", "gradient"))
    return {
        "speedup_vs_quantus": shared["speedup"],
        "one_method_speedup_vs_quantus": alone["speedup"],
        "shared_pass": shared,
        "one_method": alone,
        "hog_speedup_vs_scikit_image": hog_speedup(),
        "layers": len(layers_of(classifier.module)),
        "samples": args.samples,
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
