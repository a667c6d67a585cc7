"""Training as a job: one run, or an arm of runs that differ in their seed alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from xai_core.answers.arms import all_arms
from xai_core.errors import BadInput, BadParameter
from xai_core.jobs.checking import CheckArguments
from xai_core.jobs.values import record
from xai_core.pipeline.asked import Given, existing
from xai_core.store.files import checked_name
from xai_core.store.readable import readable_runs
from xai_core.store.versions import learned_from
from xai_core.text import counted
from xai_core.types import SPLITS, Progress

if TYPE_CHECKING:
    from xai_core.jobs.operations import Work
    from xai_core.store.study import Study
    from xai_core.training.config import TrainConfig

MOST_SEEDS = 50


@dataclass(frozen=True)
class TrainArguments:
    """What `train_run` takes: `config` is the JSON form of a TrainConfig; size, mean and std where they are given.

    Attributes:
        run: name of the run; of an arm, what the names of its runs begin with.
        seeds: how many runs, of the configuration's seed and those that follow: with more than one they are an arm.
        predict: whether each predicts once it is trained; runs of an arm do anyway.
        splits: which they predict.
        check: whether heatmaps are checked afterwards, as `xai check` does.
    """

    run: str
    config: Mapping[str, Any]
    parent: str | None = None
    size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    check: bool = False
    seeds: int = 1
    predict: bool = False
    splits: tuple[str, ...] = SPLITS

    def given(self, device: str = "auto") -> Given:
        """The same as `train_run` takes it."""
        arm = self.run if self.seeds > 1 else ""
        return Given(self.size, self.mean, self.std, self.parent, device, arm)

    def runs(self) -> Iterator[tuple[str, TrainConfig]]:
        """Name and configuration of each run."""
        from xai_core.training.config import TrainConfig

        config = TrainConfig.from_dict(self.config)
        for seed in range(config.seed, config.seed + self.seeds):
            yield (self.run if self.seeds == 1 else f"{self.run}-seed{seed}"), replace(config, seed=seed)


def current_run(study: Study, arguments: Mapping[str, Any]) -> str:
    """Of a job with these arguments, the run that it trains now: the first that is not there yet.

    Raises:
        XaiError: its file holds arguments that are none.
    """
    known = record(TrainArguments, arguments)
    names = [name for name, _ in known.runs()]
    return next((name for name in names if name not in study.runs()), names[-1])


def title(wanted: TrainArguments) -> str:
    """For people."""
    seeds = f" ({counted(wanted.seeds, 'seed')})" if wanted.seeds > 1 else ""
    return f"Training of {wanted.run}{seeds}"


def check(study: Study, wanted: TrainArguments) -> None:
    """Raise now what would only be found out later."""
    if wanted.parent:
        study.run(wanted.parent)
    check_arm(study, wanted.run, wanted.seeds)
    for name, config in wanted.runs():
        checked_name(name, "run")
        existing(study, name, config.resolved(), wanted.given())
        learned_from(study, config.resolved().annotations)


def check_arm(study: Study, name: str, seeds: int) -> None:
    """Raise BadParameter for a number of seeds that is none; BadInput where a run and an arm would have one name."""
    if not 1 <= seeds <= MOST_SEEDS:
        raise BadParameter("how many seeds?", value=seeds, remedy=f"Give 1 to {MOST_SEEDS}.")
    if seeds > 1:
        taken = name in study.runs()
    else:
        arms = all_arms(readable_runs(study, predictions=False))
        taken = any(arm.name == name and len(arm.runs) > 1 for arm in arms)
    if taken:
        other = "a run" if seeds > 1 else "an arm"
        raise BadInput(f"{other} has this name", value=name, remedy="Choose another name.")


def work(study: Study, wanted: TrainArguments, work: Work) -> dict[str, Any]:
    """Run after run. What is trained already is not trained again."""
    from xai_core.jobs.operations import CHECK, PREDICT, PredictArguments
    from xai_core.pipeline.train import train_run

    made: list[dict[str, Any]] = []
    for number, (name, config) in enumerate(wanted.runs()):
        progress = part_of(work.progress, number, wanted.seeds)
        run = train_run(study, name, config, wanted.given(work.settings.device), progress=progress, cancel=work.cancel)
        made.append({"run": name, "best_epoch": run.info.training["best_epoch"], "seconds": run.info.seconds})
        if wanted.predict or wanted.seeds > 1:
            PREDICT.run(study, PredictArguments(name, wanted.splits), replace(work, progress=progress))
        if wanted.check:
            made[-1] |= CHECK.run(study, CheckArguments(name), work)
    return made[0] if wanted.seeds == 1 else {"arm": wanted.run, "runs": made}


def part_of(progress: Progress, number: int, parts: int) -> Progress:
    """The progress of one run among several of one size."""
    if parts == 1:
        return progress
    which = f"run {number + 1} of {parts}"
    return lambda done, total, what: progress(number * total + done, parts * total, f"{what}, {which}")
