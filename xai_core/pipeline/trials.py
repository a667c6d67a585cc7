"""Would another preprocessing than the given one fit a model better? Tried on labelled pictures; nothing is changed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from xai_core.errors import Cancelled
from xai_core.models.architectures.base import IMAGENET_MEAN, IMAGENET_STD
from xai_core.models.classifier import Classifier
from xai_core.models.preprocess import Preprocess
from xai_core.models.user_code import user_code
from xai_core.pipeline.load import as_input
from xai_core.store.study import Study
from xai_core.triage.compare import PairedChange, paired_change
from xai_core.triage.ordering import drawn
from xai_core.types import CancelToken, Progress, silent
from xai_core.words import of_split, points

LOG = logging.getLogger("xai.pipeline")
TRIED, FEWEST = 200, 20
"""On so many pictures at most, and at least."""

SURE = 0.01
"""The chance of such a difference where there is none, over all ways that are tried (Bonferroni)."""

LOWER = 0.05
"""By which share the loss must be lower: a filter that is a little sharper is sure to help a little, and no use."""

SHARE = 0.875
"""What is usually cut out of the resized side: 224 of 256."""

AT_ONCE, GLANCE = 16, 48
"""Pictures at a time, and after how many a way is dropped that is no better so far: most never are, and each costs a
forward for every picture. What is claimed is tested on all pictures, and for all ways, as if none were dropped."""


@dataclass(frozen=True)
class _Found:
    """Of one way: `(n,)` whether the class is right, and the cross-entropy in nats."""

    right: NDArray[np.bool_]
    losses: NDArray[np.float64]


def fit_of(
    study: Study, made: Classifier, *, most: int = TRIED, progress: Progress = silent, cancel: CancelToken | None = None
) -> str:
    """One sentence: which usual preprocessing fits clearly better than the model's own, or that none does.

    Asked are up to `most` pictures of the validation split, which no accuracy is quoted from, else of the training
    split, and of the test split where there is no other. One fits clearly better where more pictures are right and the
    mean cross-entropy is lower by at least LOWER: by a paired t-test (Student 1908) of that, times the number of ways
    tried, because it needs fewer pictures than one of right and wrong.

    "" where there are fewer than FEWEST pictures, or the model or the data fails: the import itself says why.
    """
    split = next((name for name in ("validation", "train", "test") if len(study.rows(name)) >= FEWEST), None)
    if split is None or most < FEWEST or made.output_size:
        return ""
    rows = np.random.default_rng(study.info.seed).permutation(drawn(study.rows(split), most, study.info.seed))
    ways = usual(made.preprocess)
    try:
        found, tried = _ask(study, made, rows, {"": made.preprocess, **ways}, progress, cancel or CancelToken())
    except Cancelled:
        raise
    except (Exception, SystemExit) as error:  # pictures and code from anywhere; the import does not depend on this
        LOG.info("other ways to prepare pictures were not tried", exc_info=error)
        return ""
    given = found.pop("")
    ps = {way: _p(given, other) * tried for way, other in found.items()}
    pictures = f"{len(rows)} {of_split(split, 'pictures')}"
    if not tried:
        return ""
    sure = [way for way, p in ps.items() if p <= SURE]
    if not sure:
        dropped = f"; {tried - len(ps)} of them were no better on the first {GLANCE}" if tried > len(ps) else ""
        return f"Of {tried} other ways to prepare pictures none fits clearly better on {pictures}{dropped}."
    best = min(sure, key=lambda way: (-found[way].right.sum(), found[way].losses.mean()))
    change = paired_change(given.right, found[best].right)
    loss = f"cross-entropy {found[best].losses.mean():.3g} instead of {given.losses.mean():.3g}"
    return (
        f"With {best} it would fit better on {pictures}: {change.after} right instead of {change.before} "
        f"({_interval(change)}), {loss} (paired t-test p {_written(ps[best])}, corrected for {tried} ways tried); "
        "nothing was changed: if it was trained so, import it again with that."
    )


def usual(given: Preprocess) -> dict[str, Preprocess]:
    """The usual ways that differ from the given one in one respect, by the flags that ask for them."""
    square, size = given.height == given.width, given.height
    plain = replace(given, fit="squash", resize=None, fill=())
    fits = {"--fit squash": plain, "--fit pad": replace(plain, fit="pad"), "--fit crop": replace(plain, fit="crop")}
    if square:
        del fits["--fit crop"]
        fits |= {f"--resize {side}": replace(plain, fit="crop", resize=side) for side in (size, int(size / SHARE))}
    ways = dict(fits)
    for mean, std in ((IMAGENET_MEAN, IMAGENET_STD), ((0.5,) * 3, (0.5,) * 3), ((0.0,) * 3, (1.0,) * 3)):
        values = mean[: given.channels], std[: given.channels]
        if given.channels == 3 or mean is not IMAGENET_MEAN:
            mean_flag, std_flag = (",".join(f"{value:g}" for value in part) for part in values)
            ways[f"--mean {mean_flag} --std {std_flag}"] = replace(given, mean=values[0], std=values[1])
    if given.interpolation == "bilinear":
        ways["--interpolation bicubic"] = replace(given, interpolation="bicubic")
    if given.interpolation == "bicubic":
        ways["--interpolation bilinear"] = replace(given, interpolation="bilinear")
    return {flags: way for flags, way in ways.items() if way != given}


def _ask(
    study: Study,
    made: Classifier,
    rows: NDArray[np.int64],
    ways: Mapping[str, Preprocess],
    progress: Progress,
    cancel: CancelToken,
) -> tuple[dict[str, _Found], int]:
    """What the model answers in each way that was not dropped, and how many ways beside the given one were tried.

    Ways that give the same pixels as an earlier one are left out.
    """
    labels = torch.from_numpy(study.labels[rows].astype(np.int64))
    logits: dict[str, list[torch.Tensor]] = {}
    tried = 0
    for start in range(0, len(rows), AT_ONCE):
        cancel.check()
        pictures = list(study.pictures(rows[start : start + AT_ONCE].tolist()))
        inputs = {name: [way.pixels(picture) for picture in pictures] for name, way in ways.items()}
        if not start:
            ways = _different(ways, inputs)
            logits, tried = {name: [] for name in ways}, len(ways) - 1
        if start == GLANCE:
            ways = _better_so_far(ways, {name: _found(parts, labels[:GLANCE]) for name, parts in logits.items()})
        if len(ways) == 1:  # nothing is left to compare the given one with
            break
        for name, way in ways.items():
            asked = replace(made, preprocess=way)
            with user_code(made.architecture), torch.no_grad():
                logits[name].append(made.logits(as_input(asked, inputs[name])).float().cpu())
        progress(min(start + AT_ONCE, len(rows)), len(rows), "pictures")
    return {name: _found(logits[name], labels) for name in ways}, tried


def _better_so_far(ways: Mapping[str, Preprocess], found: Mapping[str, _Found]) -> dict[str, Preprocess]:
    most = found[""].losses.mean()
    return {name: way for name, way in ways.items() if not name or found[name].losses.mean() < most}


def _found(logits: Sequence[torch.Tensor], labels: torch.Tensor) -> _Found:
    """Of the first pictures, as many as were asked."""
    found = torch.cat(list(logits))
    known = labels[: len(found)]
    losses = torch.nn.functional.cross_entropy(found.double(), known, reduction="none")
    return _Found((found.argmax(1) == known).numpy(), losses.numpy())


def _different(
    ways: Mapping[str, Preprocess], inputs: Mapping[str, Sequence[NDArray[np.uint8]]]
) -> dict[str, Preprocess]:
    kept: dict[str, Preprocess] = {}
    for name, way in ways.items():
        same = (
            (way.mean, way.std) == (other.mean, other.std) and np.array_equal(inputs[name], inputs[known])
            for known, other in kept.items()
        )
        if not any(same):
            kept[name] = way
    return kept


def _p(given: _Found, other: _Found) -> float:
    """One-sided p of the paired t-test that the other's loss is lower; 1 where that is no use."""
    from scipy.stats import t

    less = given.losses - other.losses
    spread = float(less.std(ddof=1)) / len(less) ** 0.5
    useful = other.right.sum() > given.right.sum() and other.losses.mean() <= (1 - LOWER) * given.losses.mean()
    if not useful or not spread or not np.isfinite(spread):
        return 1.0
    return float(t.sf(less.mean() / spread, len(less) - 1))


def _interval(change: PairedChange) -> str:
    difference, low, high = (points(value) for value in (change.difference, change.low, change.high))
    return f"{difference} percentage points, 95 % interval {low} to {high}"


def _written(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"
