"""Which repair helps where a shortcut fails: arms side by side on planted shortcuts, over seeds.

`python -m benchmarks.repair --json [DATA…]`: for each seed a network is trained on data with a shortcut, and every arm
begins from it (`benchmarks.repair_arms` says what each does, and with what budget). DATA are `decoy` (Fashion-MNIST
with a patch that says the class, shuffled in the test), `framing` and `background` (drawn garments). Validation, from
which the last layers learn and which chooses epochs, has the shortcut as often as training. All figures are of the
test; those of an arm that refuses its data are null. Keys, by data and arm, each as `[mean, low, high]` over the seeds
(t interval, 95 %; null bounds for one seed):

    worst_group     accuracy on the worst group, class × whether the shortcut holds; groups of under 10 are left out
    mean            accuracy on the groups, weighed as in training: what it is where the shortcut holds as often
    gap             mean − worst_group
    gap_closed      (worst_group − that of `frozen`) ÷ the gap of `frozen`, seed by seed
    where_it_fails  accuracy where the shortcut fails, classes counted alike
    recovered       (where_it_fails − that of `frozen`) ÷ what the network without a shortcut has over `frozen` there:
                    of what the shortcut has cost. A class that is hard anyway leaves a gap that no repair closes
    over_bnnr       worst_group − that of `bnnr` for the same seed; only where it is installed. --over takes another arm
    seconds         of the arm, beyond the network that it begins from
    seeds           how many there were

Without --full what fits into three minutes: few pictures, as many seeds, and of the first one as many arms (those that
come after are left out). With it all arms, six seeds, and five times as many pictures.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from benchmarks.repair_arms import ARMS, MORE, Arm, Trial, predicted, trained
from benchmarks.repair_bnnr import bnnr, installed
from benchmarks.report import Clock, run
from xai_core.answers.scope import Scope
from xai_core.datasets.fashion_mnist import SIDE, read_idx
from xai_core.errors import BadInput
from xai_core.pipeline.asked import Given
from xai_core.pipeline.grouping import grouping
from xai_core.pipeline.make import make_study
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.training.config import TrainConfig
from xai_core.triage.subgroups import worst_group

STRENGTH = 0.95
"""In so many training and validation pictures the shortcut holds: as in Waterbirds."""

NONE = 0.1
"""A patch that says each of ten classes alike says nothing."""

EVEN = {"framing": 0.5, "background": 0.2}
"""The same of garments: two framings, five backgrounds."""


@dataclass(frozen=True)
class Made:
    """Data for trials: with the shortcut and without, and what is trained on it."""

    study: Study
    unplanted: Study
    config: TrainConfig
    given: Given


def decoy(folder: Path, args: argparse.Namespace) -> Made:
    """The first pictures of Fashion-MNIST's files, with patches."""
    for stem, count in (("train", 6000 * args.scale), ("t10k", min(10_000, 5000 * args.scale))):
        for kind, shape in (("images", (None, SIDE, SIDE)), ("labels", (None,))):
            name = f"{stem}-{kind}-idx{len(shape)}-ubyte.gz"
            some = read_idx(args.data / name, shape)[:count]
            head = bytes([0, 0, 8, some.ndim]) + b"".join(side.to_bytes(4, "big") for side in some.shape)
            (folder / name).write_bytes(gzip.compress(head + some.tobytes(), 1))

    def study(name: str, share: float) -> Study:
        values = {"decoy": share, "validation": 2000 * args.scale}
        return grouped(make_study(folder / name, folder, dataset="fashion-mnist", values=values), "patch agrees")

    config = TrainConfig(architecture="small_cnn", epochs=4, batch_size=32, precision=args.precision)
    return Made(study("study", STRENGTH), study("unplanted", NONE), config, Given())


def garments(cue: str, folder: Path, args: argparse.Namespace) -> Made:
    """Drawn garments with a cue."""
    counts = {"train_per_class": 150, "validation_per_class": 100, "test_per_class": 120}

    def study(name: str, share: float) -> Study:
        values = {name: count * args.scale for name, count in counts.items()} | {"cue": cue, "cue_strength": share}
        return grouped(
            make_study(folder / name, folder / f"{name}-pictures", dataset="garments", values=values), "cue holds"
        )

    config = TrainConfig(architecture="small_resnet", epochs=8, batch_size=32, precision=args.precision)
    return Made(study("study", STRENGTH), study("unplanted", EVEN[cue]), config, Given(size=48))


def grouped(study: Study, fact: str) -> Study:
    """The same, with class × this fact as its groups."""
    study.group_by(grouping(study, fact))
    return study


DATA: Mapping[str, Callable[[Path, argparse.Namespace], Made]] = {
    "decoy": decoy,
    "framing": partial(garments, "framing"),
    "background": partial(garments, "background"),
}


def measured(made: Run, trained_on: NDArray[np.int64]) -> dict[str, float]:
    """The run on the test; groups weigh in the mean as they do among the rows that were trained on."""
    among, groups = Scope(made, "test").members, made.study.grouping
    assert groups is not None
    found = worst_group(among.labels, among.predicted, groups.codes[among.rows])
    before = list(zip(made.study.labels[trained_on].tolist(), groups.codes[trained_on].tolist(), strict=True))
    weights = np.array([before.count(group.key) for group in found.counted], float)
    mean = float(np.average([group.accuracy for group in found.counted], weights=weights))
    no = next(code for code, name in enumerate(groups.names) if name.endswith("= no"))
    fails = float(np.mean([group.accuracy for group in found.counted if group.attribute == no]))
    return {"worst_group": found.accuracy, "mean": mean, "gap": mean - found.accuracy, "where_it_fails": fails}


def trial_of(made: Made, arms: Mapping[str, Arm], seed: int, clock: Clock) -> dict[str, dict[str, float]]:
    """The arms of one seed that can begin before the time is up, and `frozen`, which all others are held against."""
    config, trained_on = replace(made.config, seed=seed), made.study.rows("train")
    base = predicted(trained(made.study, f"frozen-{seed}", config, made.given), "train")  # heatmaps want to know
    trial = Trial(made.study, made.unplanted, base, config, made.given, seed)
    found: dict[str, dict[str, float]] = {}
    for name, arm in arms.items():
        if found and time.monotonic() > clock.until:
            break
        began = time.perf_counter()
        try:
            found[name] = measured(arm(trial), trained_on)
        except BadInput as error:  # as DFR of a group of three
            found[name] = dict.fromkeys(found["frozen"], math.nan)
            print(error, file=sys.stderr, flush=True)
        found[name]["seconds"] = time.perf_counter() - began
        print(f"seed {seed}: {name} {found[name]['worst_group']:.3f}", file=sys.stderr, flush=True)
    frozen, without = found["frozen"], found.get("unplanted", {})
    lost = without.get("where_it_fails", math.nan) - frozen["where_it_fails"]
    for each in found.values():
        each["gap_closed"] = share(each["worst_group"] - frozen["worst_group"], frozen["gap"])
        each["recovered"] = share(each["where_it_fails"] - frozen["where_it_fails"], lost)
    return found


def share(part: float, whole: float) -> float:
    """NaN where there is nothing to have a share of."""
    return part / whole if whole > 0 else math.nan


def over_seeds(values: list[float]) -> list[float | None]:
    """Mean and its t interval, 95 %."""
    mean, n = float(np.mean(values)), len(values)
    if n < 2 or not math.isfinite(mean):
        return [round(mean, 4) if math.isfinite(mean) else None, None, None]
    half = float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n))
    return [round(value, 4) for value in (mean, mean - half, mean + half)]


def over_trials(trials: Sequence[Mapping[str, Mapping[str, float]]], over: str = "bnnr") -> dict[str, Any]:
    """By key and arm, of the arms and keys that every seed has; `over` is what worst groups are held against."""
    first = trials[0]
    whole = [arm for arm in first if all(arm in one for one in trials)]
    keys = [key for key in first["frozen"] if all(key in one["frozen"] for one in trials)]
    by_key = {key: {arm: over_seeds([one[arm][key] for one in trials]) for arm in whole} for key in keys}
    if over in whole:
        worst = {arm: np.array([one[arm]["worst_group"] for one in trials]) for arm in whole}
        by_key[f"over_{over}"] = {arm: over_seeds((worst[arm] - worst[over]).tolist()) for arm in whole}
    return by_key | {"seeds": len(trials)}


def merged(results: Sequence[Mapping[str, Any]], over: str = "bnnr") -> dict[str, Any]:
    """What processes of one seed each have printed, as one result; its machine is theirs.

    Raises:
        BadInput: they differ in more than their figures, one is of several seeds, or one is there twice.
    """
    found, *others = [{key: value for key, value in each.items() if key not in DATA} for each in results]
    if any(other != found for other in others):
        raise BadInput("results of other settings or machines", remedy="Merge those that differ in their seed alone.")
    for name in DATA:
        parts = [each[name] for each in results if name in each]
        if any(part["seeds"] != 1 for part in parts) or any(part in parts[:place] for place, part in enumerate(parts)):
            remedy = "Merge results of --seeds 1, each with another --first."
            raise BadInput("a result is of several seeds, or there twice", value=name, remedy=remedy)
        if parts:
            found[name] = over_trials([_trial(part) for part in parts], over) | {"groups": parts[0]["groups"]}
    return found


def _trial(part: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """A printed result of one seed, by arm and key as `trial_of` gives it; null is NaN again."""
    keys = [key for key, value in part.items() if isinstance(value, dict)]
    value = {key: {arm: math.nan if of[0] is None else of[0] for arm, of in part[key].items()} for key in keys}
    return {arm: {key: value[key][arm] for key in keys} for arm in part["worst_group"]}


def measure(args: argparse.Namespace) -> Mapping[str, Any]:
    """All data, seed by seed."""
    if args.merge:
        return merged([json.loads(line) for file in args.merge for line in file.read_text().splitlines()], args.over)
    arms = {**ARMS, "bnnr": bnnr} if installed() else ARMS
    result: dict[str, Any] = {"strength": STRENGTH, "more_epochs": MORE, "threads": torch.get_num_threads()}
    result |= {"scale": args.scale, "precision": args.precision}
    for place, name in enumerate(args.of):
        clock = args.clock.part(len(args.of) - place)
        with TemporaryDirectory() as folder:
            made = DATA[name](Path(folder), args)
            trials = [trial_of(made, arms, args.first + seed, clock) for seed in clock.rounds(args.seeds)]
        result[name] = over_trials(trials, args.over) | {"groups": len(made.study.class_names) * 2}
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("of", nargs="*", metavar="DATA", help=f"only these: {', '.join(DATA)}; decoy by default")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/fashion-mnist"), help="the four files")
    parser.add_argument("--seeds", type=int, default=6, help="trainings, at most")
    parser.add_argument("--first", type=int, default=0, help="the first seed; what is tuned is tuned from 100 on")
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"), help="of all trainings")
    parser.add_argument("--scale", type=int, default=1, help="so many times the pictures of the short form")
    parser.add_argument("--merge", nargs="+", type=Path, metavar="FILE", help="lines that other processes have printed")
    parser.add_argument("--over", default="bnnr", metavar="ARM", help="which arm worst groups are held against")
    parser.set_defaults(of=["decoy"])
    run(measure, parser, full={"scale": 5, "of": list(DATA)})
