"""Pixel methods and Score-CAM, each against the forwards it needs and against the library that people use for it.

`python -m benchmarks.pixel --json [--only lrp,ig] [--settings resnet18-64-bs8]`. A forward is `classifier.logits` of
the same batch under `torch.inference_mode()`, the fastest there is. Within a repetition all take turns on the same
weights, inputs and threads; figures are medians over repetitions of the ratio, against a peer's best setting where it
has one. Models have random weights, which costs the same. Keys, each by setting:

- `lrp_in_forwards`, and `lrp_speedup_vs_zennit`: EpsilonPlusFlat, biases zeroed, its hooks set beforehand;
- `ig50_in_50_forwards`, and beside it Captum's, by `internal_batch_size`;
- `shap_cost_in_ranked_1`: ours for one class by shap's `ranked_outputs=1`; `shap_speedup_vs_default`: shap's default
  call, all 10 classes, by ours. 50 samples, 24 background pictures, the explainer made anew by both;
- `scorecam_in_floor`: by as many plain forwards as there are channels with a mask, in the best batch size tried.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from captum.attr import IntegratedGradients
from torch import Tensor
from zennit.attribution import Gradient
from zennit.composites import EpsilonPlusFlat
from zennit.torchvision import ResNetCanonizer

from benchmarks.cams import CLASSES, forward, made, times
from benchmarks.report import Clock, run
from xai_core.explainers import ExplainerInput
from xai_core.explainers.engine.layer_pass import activations
from xai_core.explainers.engine.masks import varying
from xai_core.explainers.engine.plan import explain
from xai_core.explainers.gradient_shap import _explainer_type
from xai_core.models.classifier import Classifier
from xai_core.types import Target

Function = Callable[[Classifier, Tensor], Any]
Figures = Mapping[str, Any]

SETTINGS = {"resnet18-64-bs8": ("resnet18", 64, 8), "resnet18-224-bs2": ("resnet18", 224, 2)}
STEPS = 50
BACKGROUND = 24
BATCHES = (16, 32, 64)
"""Tried for whoever lets the caller choose."""


def ours(classifier: Classifier, x: Tensor, key: str, context: Tensor | None = None) -> None:
    """One method, defaults, a class per row."""
    targets = [Target(index) for index in classes_of(x)]
    explain(ExplainerInput(classifier, x, targets, np.arange(len(x)), background=context), [(key, None)])


def classes_of(x: Tensor) -> list[int]:
    return [row % CLASSES for row in range(len(x))]


def lrp(classifier: Classifier, x: Tensor, repetitions: int, clock: Clock) -> Figures:
    composite = EpsilonPlusFlat(canonizers=[ResNetCanonizer()], zero_params="bias")
    wanted = torch.eye(CLASSES)[classes_of(x)]
    with Gradient(copy.deepcopy(classifier.module), composite) as attribute:

        def zennit(_: Classifier, x: Tensor) -> None:
            attribute(x, lambda logits: logits.detach() * wanted)

        base, own, peer = times((forward, partial(ours, key="lrp"), zennit), classifier, x, repetitions, clock).T
    return {"lrp_in_forwards": median(own / base), "lrp_speedup_vs_zennit": median(peer / own)}


def ig(classifier: Classifier, x: Tensor, repetitions: int, clock: Clock) -> Figures:
    def forwards(classifier: Classifier, x: Tensor) -> None:
        for _ in range(STEPS):
            forward(classifier, x)

    def captum(classifier: Classifier, x: Tensor, at_once: int) -> None:
        method = IntegratedGradients(classifier.module)
        method.attribute(x, target=classes_of(x), n_steps=STEPS, internal_batch_size=at_once)

    sizes = [size for size in BATCHES if size >= len(x)]
    peers = [partial(captum, at_once=size) for size in sizes]
    base, own, *others = times((forwards, partial(ours, key="ig"), *peers), classifier, x, repetitions, clock).T
    captums = {str(size): median(other / base) for size, other in zip(sizes, others, strict=True)}
    return {"ig50_in_50_forwards": median(own / base), "captum_ig50_in_50_forwards": captums}


def shap(classifier: Classifier, x: Tensor, repetitions: int, clock: Clock) -> Figures:
    """Of one picture at 224 pixels and two at 64: shap's default call takes ten times as long."""
    x = x[: 2 if x.shape[-1] < 128 else 1]
    background = torch.randn(BACKGROUND, *x.shape[1:])

    def theirs(classifier: Classifier, x: Tensor, **options: Any) -> None:
        _explainer_type()(classifier.module, background).shap_values(x, nsamples=STEPS, rseed=0, **options)

    functions = (partial(ours, key="shap", context=background), partial(theirs, ranked_outputs=1), theirs)
    own, ranked, default = times(functions, classifier, x, repetitions, clock).T
    return {"shap_cost_in_ranked_1": median(own / ranked), "shap_speedup_vs_default": median(default / own)}


def scorecam(classifier: Classifier, x: Tensor, repetitions: int, clock: Clock) -> Figures:
    x = x[:1]
    count = int(varying(activations(classifier, x, "")).sum())

    def floor(classifier: Classifier, x: Tensor, at_once: int) -> None:
        for start in range(0, count, at_once):
            forward(classifier, x.expand(min(at_once, count - start), -1, -1, -1).contiguous())

    floors = [partial(floor, at_once=size) for size in BATCHES]
    own, *bases = times((partial(ours, key="scorecam"), *floors), classifier, x, repetitions, clock).T
    best = min(bases, key=lambda taken: float(np.median(taken)))
    return {"scorecam_in_floor": median(own / best)}


def median(ratios: np.ndarray) -> float:
    return round(float(np.median(ratios)), 3)


PARTS: dict[str, Callable[[Classifier, Tensor, int, Clock], Figures]] = {
    "lrp": lrp,
    "ig": ig,
    "shap": shap,
    "scorecam": scorecam,
}


def measure(args: argparse.Namespace) -> Mapping[str, Any]:
    """All settings, one after the other."""
    result: dict[str, Any] = {}
    wanted = [(setting, part) for setting in args.settings.split(",") for part in args.only.split(",")]
    for left, (setting, part) in zip(range(len(wanted), 0, -1), wanted, strict=True):
        architecture, size, batch = SETTINGS[setting]
        classifier, x = made(architecture, size), torch.randn(batch, 3, size, size)
        for name, figure in PARTS[part](classifier, x, args.repetitions, args.clock.part(left)).items():
            result.setdefault(name, {})[setting] = figure
    return {**result, "repetitions": args.repetitions, "threads": torch.get_num_threads()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--settings", default="resnet18-64-bs8", help=f"some of {', '.join(SETTINGS)}")
    parser.add_argument("--repetitions", type=int, default=7, help="at most, of every setting")
    run(measure, parser, full={"settings": ",".join(SETTINGS)})
