"""Does the share of evidence outside of a region rise where a network learned from its surroundings? Planted, measured.

`python -m benchmarks.context_share --json`. Drawn scenes: a disc of one of two classes on noise, whose own colour tells
the class in five of six, and beside it a patch that is no part of it. In one arm the patch's colour tells the class
always, in the other never; nothing else differs, and both are asked about the same new scenes. One small U-net is
trained for each arm and seed.

- `follows_patch`: of objects, the share whose predicted class changes when the patch changes its colour: what the
  network truly takes from its surroundings, by asking it; mean over seeds, for each arm;
- `share`: of each method, the mean context share (evidence more than 5 % of the side away from the predicted region) of
  each arm; `rise`, the difference of arms, paired by seed, with its 95 % interval over seeds (Student's t);
- `rises_in_seeds`: in how many of the seeds it rose;
- `at_patch`: the rise of the evidence in the band of distances that most of the patch lies in.

Controls know nothing of the network: what they rise by comes of the predicted regions alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import t
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.report import Clock, run
from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.base import CamParams
from xai_core.explainers.engine.plan import Method, explain
from xai_core.metrics import METRICS, MetricInput, score
from xai_core.metrics.distances import beyond, distances
from xai_core.metrics.grids import on_grid
from xai_core.models.build import classifier as build
from xai_core.models.build import fresh_module
from xai_core.models.classifier import Classifier
from xai_core.models.preprocess import Preprocess
from xai_core.triage.context import EDGES, in_bands
from xai_core.types import Array, Target

SIDE, RADIUS, PATCH, AWAY = 32, 4, 4, 9
"""Of a picture, a disc and a patch, and how far their middles are apart, in pixels."""
ARMS = {"patch tells": True, "patch does not tell": False}
FINE = "down2"
"""A layer of half the picture's side, before anything is pooled over more of it."""
METHODS: dict[str, Method] = {
    **{key: (key, None) for key in ("gradcam", "hirescam", "saliency", "input_x_gradient", "lrp")},
    f"hirescam at {FINE}": ("hirescam", CamParams(FINE)),
    f"layercam at {FINE}": ("layercam", CamParams(FINE)),
    **{key: (key, None) for key in ("edges", "centre", "random", "region")},
}


@dataclass(frozen=True)
class Scenes:
    """`x` `(N, 3, SIDE, SIDE)`, the same with the patch of the other colour, `(N, SIDE, SIDE)` classes (0 is the
    background) and where the patch is, bool."""

    x: Tensor
    swapped: Tensor
    labels: Tensor
    patch: NDArray[np.bool_]


def scenes(count: int, rng: np.random.Generator, *, tells: bool) -> Scenes:
    """Drawn anew. Channels: that there is an object, its own colour, the patch's."""
    x = rng.normal(0, 0.2, (count, 3, SIDE, SIDE))
    labels, patch = np.zeros((count, SIDE, SIDE), np.int64), np.zeros((count, SIDE, SIDE), bool)
    swapped, (down, across) = x.copy(), np.mgrid[:SIDE, :SIDE]
    for at in range(count):
        middle, angle = rng.integers(12, SIDE - 12, 2), rng.uniform(0, 2 * np.pi)
        there = (down - middle[0]) ** 2 + (across - middle[1]) ** 2 <= RADIUS**2
        kind = int(rng.integers(2))
        sign = 2 * kind - 1
        labels[at][there] = 1 + kind
        x[at, 0][there] += 1
        x[at, 1][there] += 0.5 * sign + rng.normal(0, 0.5)
        top, left = (round(each) - PATCH // 2 for each in middle + AWAY * np.array([np.sin(angle), np.cos(angle)]))
        patch[at, top : top + PATCH, left : left + PATCH] = True
        swapped[at] = x[at]
        colour = sign if tells else 2 * int(rng.integers(2)) - 1
        x[at, 2][patch[at]] += 1.5 * colour
        swapped[at, 2][patch[at]] -= 1.5 * colour
    return Scenes(torch.from_numpy(x).float(), torch.from_numpy(swapped).float(), torch.from_numpy(labels), patch)


def trained(seed: int, steps: int, *, tells: bool) -> Classifier:
    """A small U-net that saw so many batches of 8 scenes, none twice."""
    preprocess = Preprocess(SIDE, SIDE, 3, (0.5,) * 3, (0.25,) * 3)
    fresh = fresh_module("small_unet", 3, preprocess, seed=seed).state_dict()
    names = ("background", "first", "second")
    classifier = build("small_unet", names, preprocess, fresh, device="cpu")
    module, rng = classifier.module.train().requires_grad_(), np.random.default_rng(seed)
    rise = torch.optim.Adam(module.parameters(), 3e-3)
    for _ in range(steps):
        drawn = scenes(8, rng, tells=tells)
        loss = cross_entropy(module(drawn.x), drawn.labels, weight=torch.tensor([0.2, 1.0, 1.0]))
        rise.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        rise.step()
    module.eval()
    return classifier


def follows(classifier: Classifier, drawn: Scenes) -> float:
    """Of objects, the share whose class changes with the patch's colour."""
    there = drawn.labels > 0
    with torch.no_grad():
        said = [
            ((logits[:, 2] - logits[:, 1]) * there).flatten(1).sum(1) > 0
            for logits in (classifier.logits(drawn.x), classifier.logits(drawn.swapped))
        ]
    return float((said[0] != said[1]).float().mean())


def measured(classifier: Classifier, drawn: Scenes) -> dict[str, tuple[float, Array]]:
    """Of each method the mean context share, and the mean share of evidence in each band of distances."""
    with torch.no_grad():
        said = classifier.logits(drawn.x).argmax(1)
    counts = torch.stack([(said == kind).flatten(1).sum(1) for kind in (1, 2)], 1)
    kinds = 1 + counts.argmax(1)
    regions = (said == kinds[:, None, None]).float()
    there = np.flatnonzero((counts.sum(1) > 0).numpy())
    targets = [Target(int(kinds[at]), region="predicted") for at in there]
    given = ExplainerInput(classifier, drawn.x[there], targets, there.astype(np.int64), regions[there])
    found = {}
    for name, made in zip(METHODS, explain(given, list(METHODS.values())), strict=True):
        masks = regions[there].numpy() > 0
        asked = MetricInput(
            made.maps, EXPLAINERS[METHODS[name][0]].card, targets, given.seeds, masks, np.ones(len(there), bool)
        )
        scores = score(METRICS["context-share"], asked).values
        evidence = on_grid(np.maximum(made.maps, 0), (SIDE, SIDE))
        bands = [beyond(one, distances(mask), EDGES) for one, mask in zip(evidence, masks, strict=True)]
        found[name] = float(np.nanmean(scores)), np.nanmean(in_bands(np.array(bands)), axis=0)
    return found


def told(pairs: NDArray[np.float64]) -> Mapping[str, Any]:
    """The arms' means and their difference, `(S, 2)` by seed."""
    rise = pairs[:, 0] - pairs[:, 1]
    arm = t.ppf(0.975, len(rise) - 1) * rise.std(ddof=1) / np.sqrt(len(rise)) if len(rise) > 1 else float("nan")
    bounds = [round(float(rise.mean() + side * arm), 3) if np.isfinite(arm) else None for side in (-1, 1)]
    means = dict(zip(ARMS, pairs.mean(0).round(3).tolist(), strict=True))
    return {**means, "rise": round(float(rise.mean()), 3), "interval": bounds, "rises_in_seeds": int((rise > 0).sum())}


def measure(args: argparse.Namespace) -> Mapping[str, Any]:
    """Both arms of a seed, seed after seed."""
    clock: Clock = args.clock
    drawn = scenes(args.pictures, np.random.default_rng(10_000), tells=True)
    followed, shares, banded = [], [], []
    for seed in clock.rounds(args.seeds, least=2):
        nets = [trained(seed, args.steps, tells=tells) for tells in ARMS.values()]
        followed.append([follows(net, drawn) for net in nets])
        found = [measured(net, drawn) for net in nets]
        shares.append([[arm[key][0] for arm in found] for key in METHODS])
        banded.append([[arm[key][1] for arm in found] for key in METHODS])
    by_method, bands = np.array(shares), np.array(banded)
    of_patch = np.mean([in_bands(beyond(p, distances(y > 0), EDGES)[None])[0] for p, y in _places(drawn)], axis=0)
    band = int(of_patch.argmax())
    return {
        "seeds": len(by_method),
        "steps": args.steps,
        "pictures": args.pictures,
        "follows_patch": told(np.array(followed)),
        "share": {key: told(by_method[:, at]) for at, key in enumerate(METHODS)},
        "patch_lies": {"band": band, "edges": EDGES.tolist(), "share": of_patch.round(3).tolist()},
        "at_patch": {key: told(bands[:, at, :, band]) for at, key in enumerate(METHODS)},
    }


def _places(drawn: Scenes) -> list[tuple[NDArray[np.float64], NDArray[np.int64]]]:
    return [(patch.astype(float), labels) for patch, labels in zip(drawn.patch, drawn.labels.numpy(), strict=True)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=4, help="at most")
    parser.add_argument("--steps", type=int, default=120, help="of each training")
    parser.add_argument("--pictures", type=int, default=32, help="that are explained")
    run(measure, parser, full={"seeds": 10, "steps": 400, "pictures": 200})
