"""Five class activation maps of one layer at once, against the forward they need and against pytorch-grad-cam.

`python -m benchmarks.cams --json [SETTING…]`. A forward is `classifier.logits` under `torch.inference_mode()`, the
fastest there is. pytorch-grad-cam makes the same five maps one method after the other, as it comes and with every
weight below the layer frozen. Within a repetition all take turns on the same model, inputs and threads; figures are
medians over repetitions of the ratio. Models have random weights, which costs the same. Keys: `five_cams_in_forwards`,
`speedup_vs_pytorch_grad_cam`, `speedup_vs_pytorch_grad_cam_frozen`, `captum_gradcam_in_forwards` (Grad-CAM alone, which
Captum has), `captum_gradcam_frozen_in_forwards` (with no weight to learn), `torchcam_four_over_five` (the time of the
four maps that torchcam has over that of our five), `forward_ms`, each by setting, and how many `repetitions`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, XGradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor
from torchcam.methods import GradCAM as TorchGradCAM
from torchcam.methods import GradCAMpp as TorchGradCAMpp
from torchcam.methods import LayerCAM as TorchLayerCAM
from torchcam.methods import XGradCAM as TorchXGradCAM

from benchmarks.report import Clock, run
from xai_core.explainers import ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.models.build import classifier as build
from xai_core.models.classifier import Classifier
from xai_core.models.preprocess import Preprocess
from xai_core.types import Target

METHODS = ("gradcam", "gradcam++", "xgradcam", "hirescam", "layercam")
PEERS = (GradCAM, GradCAMPlusPlus, XGradCAM, HiResCAM, LayerCAM)
SETTINGS = {
    "resnet18-64-bs8": ("resnet18", 64, 8),
    "resnet18-64-bs32": ("resnet18", 64, 32),
    "resnet18-224-bs8": ("resnet18", 224, 8),
    "resnet50-224-bs8": ("resnet50", 224, 8),
    "vit_b_16-224-bs8": ("vit_b_16", 224, 8),
}
SHORT = ("resnet18-64-bs8",)
"""What is measured without --full: a machine that others use too may be twenty times slower."""
CLASSES = 10


def made(architecture: str, size: int) -> Classifier:
    preprocess = Preprocess(size, size, 3, (0.5,) * 3, (0.25,) * 3)
    classifier = build(
        architecture, tuple(f"class {index}" for index in range(CLASSES)), preprocess, None, device="cpu"
    )
    torch.manual_seed(0)
    for head in [part for part in classifier.module.modules() if isinstance(part, torch.nn.Linear)][-1:]:
        torch.nn.init.normal_(head.weight, std=0.02)  # a fresh transformer's is 0, and no gradient would come through
    return classifier


def forward(classifier: Classifier, x: Tensor) -> None:
    with torch.inference_mode():
        classifier.logits(x)


def ours(classifier: Classifier, x: Tensor) -> None:
    targets = [Target(row % CLASSES) for row in range(len(x))]
    explain(ExplainerInput(classifier, x, targets, np.arange(len(x))), [(key, None) for key in METHODS])


def theirs(classifier: Classifier, x: Tensor) -> None:
    targets = [ClassifierOutputTarget(row % CLASSES) for row in range(len(x))]
    for method in PEERS:
        with method(classifier.module, [classifier.layer()], reshape_transform=classifier.restore_grid) as cam:
            cam(x, targets)


def theirs_frozen(classifier: Classifier, x: Tensor) -> None:
    """One parameter of the layer is left to learn, or its output would have no gradient at all."""
    classifier.module.requires_grad_(False)
    list(classifier.layer().parameters())[-1].requires_grad_(True)
    theirs(classifier, x)
    classifier.module.requires_grad_(True)


def captums(classifier: Classifier, x: Tensor) -> None:
    """Grad-CAM alone, the one of the five that Captum has."""
    target = [row % CLASSES for row in range(len(x))]
    LayerGradCam(classifier.module, classifier.layer()).attribute(x, target=target)


def captums_frozen(classifier: Classifier, x: Tensor) -> None:
    """Its best setting: no weight learns."""
    classifier.module.requires_grad_(False)
    captums(classifier, x)
    classifier.module.requires_grad_(True)


def torchcams(classifier: Classifier, x: Tensor) -> None:
    """The four of the five that torchcam has, one after the other; its Grad-CAM++ never divides."""
    classes = [row % CLASSES for row in range(len(x))]
    for method in (TorchGradCAM, TorchGradCAMpp, TorchXGradCAM, TorchLayerCAM):
        with method(classifier.module, classifier.layer()) as cam:
            cam(classes, classifier.module(x))


def times(
    functions: Sequence[Callable[[Classifier, Tensor], None]],
    classifier: Classifier,
    x: Tensor,
    repetitions: int,
    clock: Clock,
    *,
    warm: bool = True,
) -> np.ndarray:
    """Seconds, `(repetitions that fit in, functions)`, after one round to warm up; without `warm` that counts where no
    other fits in."""
    taken = np.empty((repetitions + 1, len(functions)))
    done = 0
    for done in clock.rounds(repetitions + 1, least=1 + warm):
        for column, function in enumerate(functions):
            start = time.perf_counter()
            function(classifier, x)
            taken[done, column] = time.perf_counter() - start
    return taken[min(1, done) : done + 1]


def measure(args: argparse.Namespace) -> Mapping[str, Any]:
    """All settings, one after the other."""
    names = (
        *("five_cams_in_forwards", "speedup_vs_pytorch_grad_cam", "speedup_vs_pytorch_grad_cam_frozen"),
        *("captum_gradcam_in_forwards", "captum_gradcam_frozen_in_forwards", "torchcam_four_over_five", "forward_ms"),
    )
    result: dict[str, Any] = {name: {} for name in (*names, "repetitions")}
    for left, setting in zip(range(len(args.settings), 0, -1), args.settings, strict=True):
        architecture, size, batch = SETTINGS[setting]
        classifier, x = made(architecture, size), torch.randn(batch, 3, size, size)
        functions = [forward, ours, theirs, theirs_frozen, captums, captums_frozen]
        functions += [torchcams] if classifier.restore_grid is None else []  # it knows no tokens
        base, own, peer, frozen, captum, still, *four = times(
            functions, classifier, x, args.repetitions, args.clock.part(left)
        ).T
        result["repetitions"][setting] = len(base)
        torchcam = four[0] / own if four else np.full(len(own), np.nan)
        figures = (own / base, peer / own, frozen / own, captum / base, still / base, torchcam, base * 1000)
        for name, ratios in zip(names, figures, strict=True):
            if np.isfinite(ratios).all():
                result[name][setting] = round(float(np.median(ratios)), 3)
    return {**result, "threads": torch.get_num_threads()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("settings", nargs="*", default=SHORT, metavar="SETTING", help=f"of {', '.join(SETTINGS)}")
    parser.add_argument("--repetitions", type=int, default=15, help="at most, of every setting")
    run(measure, parser, full={"settings": tuple(SETTINGS)})
