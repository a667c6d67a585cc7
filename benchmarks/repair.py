"""Which repair helps where a shortcut fails: arms side by side on planted shortcuts, over seeds.

`python -m benchmarks.repair --json [DATA…]`: for each seed a network is trained on data with a shortcut, and every arm
begins from it (`longer` is trained anew for twice as long). DATA are `decoy` (Fashion-MNIST with a patch that says the
class, shuffled in the test), `framing` and `background` (drawn garments). Learned from besides training: validation, in
which the shortcut holds as often. All figures are of the test. Keys, by data and arm, each as `[mean, low, high]` over
the seeds (t interval, 95 %; null bounds for one seed):

    worst_group     accuracy on the worst group, class × whether the shortcut holds; groups of under 10 are left out
    mean            accuracy on the groups, weighed as in training: what it is where the shortcut holds as often
    gap             mean − worst_group
    gap_closed      (worst_group − that of `frozen`) ÷ the gap of `frozen`, seed by seed
    seconds         of the arm, beyond the network that it begins from
    seeds           how many there were

Without --full as many seeds as fit into three minutes, and few pictures; with it six, and five times as many.
"""

from __future__ import annotations

import argparse
import gzip
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from benchmarks.report import run
from xai_core.answers.scope import Scope
from xai_core.datasets.fashion_mnist import SIDE, read_idx
from xai_core.pipeline.asked import Given
from xai_core.pipeline.grouping import grouping
from xai_core.pipeline.load import load_classifier
from xai_core.pipeline.make import make_study
from xai_core.pipeline.predict import predict
from xai_core.pipeline.repair import RepairWanted, repair_run
from xai_core.pipeline.train import train_run
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.training.config import TrainConfig
from xai_core.triage.subgroups import worst_group

STRENGTH = 0.9
"""In so many training and validation pictures the shortcut holds."""


@dataclass(frozen=True)
class Trial:
    """One seed on one study: what an arm begins from."""

    study: Study
    base: Run
    config: TrainConfig
    given: Given
    seed: int


def trained(trial: Trial, name: str, config: TrainConfig) -> Run:
    """A network of this configuration, with predictions of validation and test."""
    made = train_run(trial.study, f"{name}-{trial.seed}", config, trial.given)
    predict(made, load_classifier(made, device="cpu"), ["validation", "test"])
    return trial.study.run(made.name)


def longer(trial: Trial) -> Run:
    """The same for twice as many epochs."""
    return trained(trial, "longer", replace(trial.config, epochs=2 * trial.config.epochs))


def last_layer(method: str, trial: Trial) -> Run:
    """A repair of the last layer, learned from validation."""
    wanted = RepairWanted(trial.base.name, f"{method}-{trial.seed}", method, seed=trial.seed)
    return repair_run(trial.study, wanted, device="cpu")


ARMS: Mapping[str, Callable[[Trial], Run]] = {
    "frozen": lambda trial: trial.base,
    "longer": longer,
    **{method: partial(last_layer, method) for method in ("retrain", "dfr", "groupdro", "jtt")},
}
"""By name, what makes a run of a trial; another arm is a line here."""


def decoy(folder: Path, args: argparse.Namespace) -> tuple[Study, TrainConfig, Given]:
    """The first pictures of Fashion-MNIST's files, with patches."""
    for stem, count in (("train", 10_000 * args.scale), ("t10k", min(10_000, 3000 * args.scale))):
        for kind, shape in (("images", (None, SIDE, SIDE)), ("labels", (None,))):
            name = f"{stem}-{kind}-idx{len(shape)}-ubyte.gz"
            some = read_idx(args.data / name, shape)[:count]
            head = bytes([0, 0, 8, some.ndim]) + b"".join(side.to_bytes(4, "big") for side in some.shape)
            (folder / name).write_bytes(gzip.compress(head + some.tobytes(), 1))
    values = {"decoy": STRENGTH, "validation": 5000 * args.scale}
    study = make_study(folder / "study", folder, dataset="fashion-mnist", values=values)
    study.group_by(grouping(study, "patch agrees"))
    return study, TrainConfig(architecture="small_cnn", epochs=4), Given()


def garments(cue: str, folder: Path, args: argparse.Namespace) -> tuple[Study, TrainConfig, Given]:
    """Drawn garments with a cue."""
    counts = {"train_per_class": 150, "validation_per_class": 100, "test_per_class": 120}
    values = {name: count * args.scale for name, count in counts.items()} | {"cue": cue, "cue_strength": STRENGTH}
    study = make_study(folder / "study", folder / "pictures", dataset="garments", values=values)
    study.group_by(grouping(study, "cue holds"))
    return study, TrainConfig(architecture="small_resnet", epochs=8, batch_size=32), Given(size=48)


Made = tuple[Study, TrainConfig, Given]
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
    return {"worst_group": found.accuracy, "mean": mean, "gap": mean - found.accuracy}


def trial_of(study: Study, config: TrainConfig, given: Given, seed: int) -> dict[str, dict[str, float]]:
    """Every arm of one seed."""
    trial = Trial(study, None, replace(config, seed=seed), given, seed)  # type: ignore[arg-type]
    trial = replace(trial, base=trained(trial, "frozen", trial.config))
    found: dict[str, dict[str, float]] = {}
    for name, arm in ARMS.items():
        began = time.perf_counter()
        made = arm(trial)
        seconds = time.perf_counter() - began
        found[name] = measured(made, study.rows("train")) | {"seconds": seconds}
        before = found["frozen"]
        closed = found[name]["worst_group"] - before["worst_group"]
        found[name]["gap_closed"] = closed / before["gap"] if before["gap"] > 0 else math.nan
    return found


def over_seeds(values: list[float]) -> list[float | None]:
    """Mean and its t interval, 95 %."""
    mean, n = float(np.mean(values)), len(values)
    if n < 2 or not math.isfinite(mean):
        return [round(mean, 4) if math.isfinite(mean) else None, None, None]
    half = float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n))
    return [round(value, 4) for value in (mean, mean - half, mean + half)]


def measure(args: argparse.Namespace) -> Mapping[str, Any]:
    """All data, seed by seed."""
    result: dict[str, Any] = {"strength": STRENGTH, "threads": torch.get_num_threads()}
    for place, name in enumerate(args.of):
        clock = args.clock.part(len(args.of) - place)
        with TemporaryDirectory() as folder:
            study, config, given = DATA[name](Path(folder), args)
            trials = [trial_of(study, config, given, seed) for seed in clock.rounds(args.seeds)]
        keys = trials[0]["frozen"]
        by_key = {key: {arm: over_seeds([one[arm][key] for one in trials]) for arm in ARMS} for key in keys}
        result[name] = by_key | {"seeds": len(trials), "groups": len(study.class_names) * 2}
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("of", nargs="*", metavar="DATA", help=f"only these: {', '.join(DATA)}; decoy by default")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/fashion-mnist"), help="the four files")
    parser.add_argument("--seeds", type=int, default=6, help="trainings, at most")
    parser.add_argument("--scale", type=int, default=1, help="so many times the pictures of the short form")
    parser.set_defaults(of=["decoy"])
    run(measure, parser, full={"scale": 5, "of": list(DATA)})
