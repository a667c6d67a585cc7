"""What is asked of a training, and whether it is done already. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xai_core.errors import BadInput
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.store.versions import ANNOTATION, learned_from
from xai_core.training.config import TrainConfig


@dataclass(frozen=True)
class Given:
    """What may be said of a training beside its configuration; None where nothing is said.

    Attributes:
        size, mean, std: of the model's input.
        parent: the run that it is to be compared with.
        arm: what runs of other seeds have in common with it; it changes nothing else that is stored.
        device: where it runs; it changes nothing that is stored.
    """

    size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    parent: str | None = None
    device: str = "auto"
    arm: str = ""


def existing(study: Study, name: str, config: TrainConfig, given: Given) -> Run | None:
    """The run of this name, if it was trained with this very configuration; None where there is no such run.

    Raises:
        BadInput: it came about otherwise.
    """
    if name not in study.runs():
        return None
    run = study.run(name)
    config = config.resolved()
    if different := [*_differences(run, config, given), *_other_annotation(study, run, config)]:
        value = f"{name} ({', '.join(different)})"
        raise BadInput("this run exists already, and is another", value=value, remedy="Choose another name.")
    return run


def _other_annotation(study: Study, run: Run, config: TrainConfig) -> list[str]:
    """A version of the annotation may have changed since."""
    kept = run.info.provenance.get(ANNOTATION)
    if not config.annotations or not isinstance(kept, dict) or kept.get("version") != config.annotations:
        return []
    now = learned_from(study, config.annotations)[ANNOTATION]
    if kept.get("digest") == now["digest"]:
        return []
    return [f"annotation {config.annotations}: {kept.get('changes')} changes then, {now['changes']} or others now"]


def _differences(run: Run, config: TrainConfig, given: Given) -> list[str]:
    """In what a run differs from what is asked for; what nothing is said of does not differ."""
    stored = {name: value for name, value in run.info.training.items() if name != "best_epoch"}
    if not stored:
        return ["it was not trained here"]
    before = TrainConfig.from_dict(stored).resolved().as_dict()
    asked = config.as_dict() | {"init": Path(config.init).name}
    different = [f"{name}: {before[name]}, not {asked[name]}" for name in asked if asked[name] != before[name]]
    known = run.info.preprocess or {}
    inputs = {"width": given.size, "mean": given.mean and list(given.mean), "std": given.std and list(given.std)}
    for name, value in inputs.items():
        if value is not None and known.get(name) != value:
            different.append(f"{name}: {known.get(name)}, not {value}")
    if run.info.parent != given.parent:
        different.append(f"parent: {run.info.parent}, not {given.parent}")
    return different
