"""The arms of `benchmarks.repair`: what is done to a network that goes by a shortcut, at one budget.

Every arm begins from the same network (`frozen`). Those that train it go on for as many epochs as `MORE` says, with the
same batches, rate and optimiser; they differ in loss and augmentation alone. Those of the last layer learn from
validation. `unplanted` is no arm but what could be reached: as many epochs in all, on the same pictures without the
shortcut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from xai_core.answers.training import going_on
from xai_core.pipeline.asked import Given
from xai_core.pipeline.load import load_classifier
from xai_core.pipeline.predict import predict
from xai_core.pipeline.repair import RepairWanted, repair_run
from xai_core.pipeline.train import train_run
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.training.config import TrainConfig

MORE = 0.5
"""Epochs that a trained arm has, in those of the network that it begins from."""


@dataclass(frozen=True)
class Trial:
    """One seed on one study: what an arm begins from.

    Attributes:
        study, unplanted: with the shortcut, and the same pictures without.
        base: the network that every arm begins from.
        config, given: how it was trained.
    """

    study: Study
    unplanted: Study
    base: Run
    config: TrainConfig
    given: Given
    seed: int

    @property
    def epochs(self) -> int:
        """Of a trained arm."""
        return max(1, round(MORE * self.config.epochs))


def trained(study: Study, name: str, config: TrainConfig, given: Given) -> Run:
    """A network of this configuration, with predictions of the test."""
    return predicted(train_run(study, name, config, given))


def predicted(run: Run, *splits: str) -> Run:
    """The same run with predictions of the test, and of other splits."""
    predict(run, load_classifier(run, device="cpu"), [*splits, "test"])
    return run.study.run(run.name)


def more(name: str, trial: Trial, **other: Any) -> Run:
    """The network trained on, at the peak rate that it had, with another loss or augmentation."""
    start = going_on(trial.base) | {"epochs": trial.epochs, "learning_rate": trial.config.resolved().learning_rate}
    known = trial.base.info.preprocess or {}
    given = replace(trial.given, parent=trial.base.name, mean=tuple(known["mean"]), std=tuple(known["std"]))
    return trained(trial.study, f"{name}-{trial.seed}", replace(trial.config, **(start | other)), given)


def unplanted(trial: Trial) -> Run:
    """The same network without the shortcut, for all epochs that a trained arm has seen."""
    config = replace(trial.config, epochs=trial.config.epochs + trial.epochs)
    return trained(trial.unplanted, f"unplanted-{trial.seed}", config, trial.given)


def last_layer(method: str, trial: Trial, **params: Any) -> Run:
    """A repair of the last layer, learned from validation."""
    wanted = RepairWanted(trial.base.name, f"{method}-{trial.seed}", method, params, seed=trial.seed)
    return repair_run(trial.study, wanted, device="cpu")


def after_swap(method: str, trial: Trial) -> Run:
    """Trained on before swapped backgrounds, and then the last layer again."""
    swapped = replace(trial, base=ARMS["background_swap"](trial))
    wanted = RepairWanted(swapped.base.name, f"swap-{method}-{trial.seed}", method, seed=trial.seed)
    return repair_run(trial.study, wanted, device="cpu")


Arm = Callable[[Trial], Run]

AUGMENTED: Mapping[str, Mapping[str, Any]] = {
    "saliency_masking": {"saliency_masking": {"hide": "strongest"}},
    "random_masking": {"saliency_masking": {"hide": "random"}},
    "background_swap": {"background_swap": {"probability": 1.0}},
}
"""Arms that change pictures; the second is the twin of the first that looks at no heatmap."""

ARMS: Mapping[str, Arm] = {
    "frozen": lambda trial: trial.base,
    "background_swap": partial(more, "background_swap", augmentations=AUGMENTED["background_swap"]),
    "swap_retrain": partial(after_swap, "retrain"),
    "swap_groupdro": partial(after_swap, "groupdro"),
    **{method: partial(last_layer, method) for method in ("retrain", "dfr", "groupdro", "jtt")},
    "unplanted": unplanted,
    "longer": partial(more, "longer"),
    **{name: partial(more, name, augmentations=AUGMENTED[name]) for name in ("saliency_masking", "random_masking")},
    "rrr": partial(more, "rrr", loss="rrr"),  # its weight by the paper's rule
    "energy": partial(more, "energy", loss="energy"),
    "so": partial(more, "so", loss="so", loss_params={"views": 1}),  # eight cost eight times the budget
}
"""By name, what makes a run of a trial, in the order of what a short form should have; another arm is a line here."""
