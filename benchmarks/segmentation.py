"""Class activation maps of a region of a segmenter's output, against the pass they need and pytorch-grad-cam; seconds.

`python -m benchmarks.segmentation --json`: deeplabv3_resnet101 at 500 × 500, random weights (which cost the same), one
picture, a class within a box. Within a repetition all take turns on the same model and threads; figures are medians.

- `five_cams_in_forwards`: Grad-CAM, Grad-CAM++, XGrad-CAM, HiResCAM and LayerCAM by one forward under `inference_mode`;
  `five_cams_in_cut_passes`: by a forward and a backward that ends at the layer, written by hand;
- `four_regions_in_one`: the five maps of four regions of one picture by those of one;
- `speedup_vs_pytorch_grad_cam`: its five methods with `SemanticSegmentationTarget` by our five; `peers_timed` of them
  are timed, and their mean taken for all: each runs the model anew;
- `seconds_per_map`, each method alone, one picture at defaults. Methods that take minutes are timed on a part of their
  work, and `extrapolated` names what was multiplied by what; null, with its reason, where the time was up or the
  method does not apply. `paper_seconds` are those of Table I of Clement et al. 2024, XAI-Enhanced Semantic Segmentation
  Models for Visual Quality Inspection, on their machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, XGradCAM
from pytorch_grad_cam.utils.model_targets import SemanticSegmentationTarget
from torch import Tensor

from benchmarks.cams import METHODS, forward, made, times
from benchmarks.report import Clock, run
from xai_core.errors import NotApplicable
from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.engine.channels import Switches
from xai_core.explainers.engine.layer_pass import activations
from xai_core.explainers.engine.masks import masked_scores, varying
from xai_core.explainers.engine.plan import Method, explain
from xai_core.models.classifier import Classifier
from xai_core.params import build
from xai_core.types import Target

ARCHITECTURE, SIZE, CLASS = "deeplabv3_resnet101", 500, 1
PEERS = (HiResCAM, GradCAM, GradCAMPlusPlus, XGradCAM, LayerCAM)
WHOLE = (*METHODS, "eigencam", "saliency", "lrp")
"""Timed at their defaults."""
PARTS: dict[str, tuple[dict[str, Any], int, str]] = {
    "ig": ({"steps": 2}, 25, "2 of 50 steps"),
    "occlusion": ({"window": 0.5, "stride": 0.5}, 20, "4 of 100 patches, and the picture itself"),
    "smoothgrad": ({"samples": 1}, 25, "1 of 25 noisy copies"),
}
"""Timed with these parameters, which are a part of the defaults' work; how many times less; in words."""
FEW = 2
"""Channels of the layer that Score-CAM and Ablation-CAM are timed on; they ask the model anew for each."""
PAPER = {"gradcam": 3.21, "gradcam++": 4.20, "hirescam": 3.13, "xgradcam": 4.43, "scorecam": 52.50}
NO_TIME = "the time of the short form was up: --full"


def region(size: int, number: int = 0) -> Tensor:
    """`(1, size, size)`: one of four boxes."""
    found = torch.zeros(1, size, size)
    top, left = (size // 8 + half * size // 2 for half in divmod(number, 2))
    found[0, top : top + size // 4, left : left + size // 4] = 1
    return found


def asked(classifier: Classifier, x: Tensor) -> ExplainerInput:
    return ExplainerInput(classifier, x, [Target(CLASS)], np.arange(1), region(x.shape[-1]))


def ours(classifier: Classifier, x: Tensor) -> None:
    explain(asked(classifier, x), [(key, None) for key in METHODS])


def four(classifier: Classifier, x: Tensor) -> None:
    """The five maps of four regions of the picture."""
    regions = torch.cat([region(x.shape[-1], number) for number in range(4)])
    given = replace(asked(classifier, x), targets=[Target(CLASS)] * 4, seeds=np.arange(4), regions=regions)
    explain(given, [(key, None) for key in METHODS], np.zeros(4, np.int64))


def cut(classifier: Classifier, x: Tensor) -> None:
    """A forward, and a backward from the region's sum to the layer."""
    kept: list[Tensor] = []

    def leaf(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[-1]

    handle = classifier.layer().register_forward_hook(leaf)
    classifier.module.requires_grad_(False)
    score = (classifier.logits(x)[:, CLASS] * region(x.shape[-1])).sum()
    torch.autograd.grad(score, kept)
    classifier.module.requires_grad_(True)
    handle.remove()


def theirs(classifier: Classifier, x: Tensor, peer: type) -> None:
    target = SemanticSegmentationTarget(CLASS, region(x.shape[-1])[0].numpy())
    with peer(classifier.module, [classifier.layer()]) as cam:
        cam(x, [target])


def compared(classifier: Classifier, x: Tensor, args: argparse.Namespace, clock: Clock) -> Mapping[str, Any]:
    """The five together, in passes and against pytorch-grad-cam."""
    peers = PEERS[: args.peers]
    functions: list[Callable[[Classifier, Tensor], None]] = [forward, cut, ours, four]
    functions += [partial(theirs, peer=peer) for peer in peers]
    plain, through, five, several, *others = times(functions, classifier, x, args.repetitions, clock, warm=False).T
    return {
        "five_cams_in_forwards": median(five / plain),
        "five_cams_in_cut_passes": median(five / through),
        "four_regions_in_one": median(several / five),
        "speedup_vs_pytorch_grad_cam": median(len(PEERS) * np.mean(others, 0) / five),
        "peers_timed": [peer.__name__ for peer in peers],
        "repetitions": len(plain),
        "forward_seconds": median(plain),
    }


def each(classifier: Classifier, x: Tensor, clock: Clock) -> Mapping[str, Any]:
    """Seconds of every method alone, cheap ones first; at least one is timed."""
    seconds = dict[str, float | None]()
    extrapolated, reasons = dict[str, str](), dict[str, str]()
    for key in (*WHOLE, *BY_CHANNEL, *PARTS):
        in_time = not seconds or time.monotonic() < clock.until
        taken, words = timed(classifier, x, key) if in_time else (NO_TIME, "")
        seconds[key] = None if isinstance(taken, str) else round(taken, 2)
        if isinstance(taken, str):
            reasons[key] = taken
        elif words:
            extrapolated[key] = words
    return {
        "seconds_per_map": seconds,
        "extrapolated": extrapolated,
        "reasons": reasons,
        "paper_seconds": PAPER,
    }


def timed(classifier: Classifier, x: Tensor, key: str) -> tuple[float | str, str]:
    """Seconds of one map, or why there is none; and what they are extrapolated from, "" where the whole was timed."""
    if key in BY_CHANNEL:
        return BY_CHANNEL[key](classifier, x)
    params, times_more, words = PARTS.get(key, ({}, 1, ""))
    taken = once(classifier, x, key, params)
    if isinstance(taken, str):
        return taken, ""
    return taken * times_more, words and f"{words}, times {times_more}"


def scorecam(classifier: Classifier, x: Tensor) -> tuple[float, str]:
    """Seconds, of what comes before its masks and of `FEW` of them; in words."""
    given, start = asked(classifier, x), time.perf_counter()
    found = activations(classifier, x, "")
    channels = found[varying(found)]
    rows, begun = torch.zeros(FEW, dtype=torch.int64), time.perf_counter()
    masked_scores(given, torch.zeros_like(x), channels[:FEW], rows, corners=False, probability=False)
    return extrapolated_from(start, begun, len(channels))


def ablationcam(classifier: Classifier, x: Tensor) -> tuple[float, str]:
    """As `scorecam`, with the channels themselves."""
    weights, start = asked(classifier, x).weights, time.perf_counter()
    switches = Switches(classifier, "", x, weights)
    switches.all_on(x, weights)
    begun = time.perf_counter()
    switches.off(x, weights, torch.arange(FEW), widen=switches.widens)
    return extrapolated_from(start, begun, switches.count)


BY_CHANNEL = {"scorecam": scorecam, "ablationcam": ablationcam}


def extrapolated_from(start: float, begun: float, channels: int) -> tuple[float, str]:
    """What took from `start` until `begun` once, and what took from then until now as often as all channels need."""
    times_more = channels / FEW
    words = f"{FEW} of {channels} channels, times {times_more:g}, and what comes before them"
    return begun - start + (time.perf_counter() - begun) * times_more, words


def once(classifier: Classifier, x: Tensor, key: str, params: Mapping[str, Any]) -> float | str:
    """Seconds of one map; why there is none."""
    method: Method = (key, build(EXPLAINERS[key].params, params))
    start = time.perf_counter()
    try:
        explain(asked(classifier, x), [method])
    except NotApplicable as refusal:
        return str(refusal)
    return time.perf_counter() - start


def median(values: np.ndarray) -> float:
    return round(float(np.median(values)), 3)


def measure(args: argparse.Namespace) -> Mapping[str, Any]:
    """First what the five cost, then seconds by method."""
    classifier = made(args.architecture, args.size)
    x = torch.randn(1, 3, args.size, args.size, generator=torch.Generator().manual_seed(0))
    about = {"architecture": args.architecture, "size": args.size, "weights": "random", "pictures": 1}
    half = args.clock.part(2)
    return {
        **about,
        **compared(classifier, x, args, half),
        **each(classifier, x, args.clock),
        "threads": torch.get_num_threads(),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", default=ARCHITECTURE, help="of segmentation")
    parser.add_argument("--size", type=int, default=SIZE, help="of the picture's side")
    parser.add_argument("--repetitions", type=int, default=3, help="at most")
    parser.add_argument("--peers", type=int, default=1, choices=range(1, 6), help="methods of pytorch-grad-cam to time")
    run(measure, parser, full={"repetitions": 5, "peers": 5})
