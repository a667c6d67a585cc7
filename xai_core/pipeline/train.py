"""From a study and a configuration to a run: what is unfinished lies in `training/` until it is whole."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core import __version__
from xai_core.errors import BadInput
from xai_core.files import locked, storage_errors
from xai_core.models.architectures import ARCHITECTURES
from xai_core.models.architectures.base import IMAGENET_MEAN, IMAGENET_STD
from xai_core.models.build import pick_device
from xai_core.models.preprocess import Preprocess, check_scale
from xai_core.models.weights import fingerprint, save_weights
from xai_core.pipeline.asked import Given, existing
from xai_core.pipeline.evidence import with_evidence
from xai_core.pipeline.own_input import own_channels, own_size
from xai_core.pipeline.pictures import checked_masks, training_data
from xai_core.store.files import checked_name
from xai_core.store.run import Run, RunInfo
from xai_core.store.study import Study
from xai_core.store.versions import learned_from
from xai_core.training.config import TrainConfig
from xai_core.training.data import load_pictures, on_random_labels
from xai_core.training.loop import starting_module, train
from xai_core.triage.ordering import drawn
from xai_core.types import CancelToken, Progress, silent

MEASURED_ON = 2000
"""Training pictures that mean and std are taken from where nobody gave them."""


def train_run(
    study: Study,
    name: str,
    config: TrainConfig,
    given: Given | None = None,
    *,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Run:
    """Train a model and add it to the study as a run, or go on with an unfinished training of that name.

    A run of that name that was trained just so is returned as it is: the same call again does nothing.

    Raises:
        BadParameter: not a name, or a configuration that does not fit.
        BadInput: a run of that name that came about otherwise, pictures or masks that cannot be read, an empty split,
            another unfinished training of that name, or one that goes on right now.
        Cancelled: asked to stop; finished epochs are kept.
    """
    checked_name(name, "run")
    given = given or Given()
    config = config.resolved()
    config.check_task(study.task.key)
    if run := existing(study, name, config, given):
        return run
    folder = study.path / "training" / name
    with _alone(folder):
        if run := existing(study, name, config, given):  # who trained it until now may just have finished
            return run
        preprocess = chosen_preprocess(study, config, given)
        annotation = learned_from(study, config.annotations)
        module, notes = starting_module(config, len(study.class_names), preprocess)
        notes = [*notes, *_taken(preprocess, config, given)]
        masks = "mask" in config.needs
        data = training_data(
            study, preprocess, masks=masks, annotations=config.annotations, progress=progress, cancel=cancel
        )
        notes += checked_masks(data.training) if masks else []
        data = with_evidence(data, study, config, given, progress=progress, cancel=cancel)
        data = on_random_labels(data, config.seed) if config.random_labels else data
        device = pick_device(given.device)
        result = train(module, data, config, folder=folder, progress=progress, cancel=cancel, device=device)
        info = RunInfo(
            architecture=config.architecture,
            preprocess=preprocess.as_dict(),
            cam_layer=ARCHITECTURES[config.architecture].cam_layer,
            fingerprint=fingerprint(module, config.architecture, preprocess),
            parent=given.parent,
            arm=given.arm,
            training={**config.as_dict(), "init": Path(config.init).name, "best_epoch": result.best_epoch},
            provenance=_provenance(config, result.found, notes) | annotation,
            seconds=result.seconds,
        )
        with study.new_run(name, info) as run:
            save_weights(module, run.weights)
            run.write_history(result.history)
        shutil.rmtree(folder, ignore_errors=True)
        return study.run(name)


def _provenance(config: TrainConfig, found: Mapping[str, float], notes: Sequence[str]) -> dict[str, Any]:
    """Where the weights came from; what the loss found for itself is kept, and told."""
    named = ", ".join(f"{config.loss}.{name} {value:.3g}" for name, value in found.items())
    told = [f"Found on the first batches: {named}; --set gives another."] if found else []
    about = {"trained_by": f"second-look {__version__}", "notes": [*notes, *told]}
    return about | ({"loss_found": dict(found)} if found else {})


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two trainings of one name would take each other's epochs: the second is refused at once.

    The lock ends with its process, also by a kill. Where the file system knows no locks there is none.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(folder, wait=False))
        except BlockingIOError:
            remedy = "Wait until it has finished, or choose another name."
            raise BadInput("another process is training this run", value=folder.name, remedy=remedy) from None
        except OSError:
            pass
        try:
            yield
        finally:
            for empty in (folder, folder.parent):  # nothing unfinished lies there
                with contextlib.suppress(OSError):
                    empty.rmdir()


def chosen_preprocess(study: Study, config: TrainConfig, given: Given) -> Preprocess:
    """What was given; else ImageNet's mean and std for pretrained weights, and the training pictures' own for new."""
    member = ARCHITECTURES[config.architecture]
    rows = drawn(study.rows("train"), MEASURED_ON, study.info.seed)
    if not len(rows):
        raise BadInput("the training split is empty", remedy="Make the study anew with pictures to train on.")
    rgb = bool(config.init) or not member.grey
    channels = len(given.mean) if given.mean else 3 if rgb else own_channels(study, rows)
    own = None if config.tiles_of else own_size(study, *member.sizes)
    size = (own or member.size) if given.size is None else given.size
    whole = Preprocess(size, size, channels, given.mean or (0.0,) * channels, given.std or (1.0,) * channels)
    check_scale(whole.mean, whole.std)
    mean, std = given.mean, given.std
    if not (mean and std):
        others = (IMAGENET_MEAN, IMAGENET_STD) if config.init else _measured(study, rows, whole)
        mean, std = mean or others[0], std or others[1]
    tiles: dict[str, Any] = {"fit": "tiles", "resize": config.tiles_of} if config.tiles_of else {}
    return replace(whole, mean=mean, std=std, **tiles)


def _taken(preprocess: Preprocess, config: TrainConfig, given: Given) -> list[str]:
    """What nobody gave and weights from elsewhere depend on: a wrong one shows in nothing but the accuracy."""
    lacking = [name for name in ("mean", "std") if not getattr(given, name)]
    if not config.init or not lacking:
        return []
    values = " and ".join(f"{name} {', '.join(f'{v:g}' for v in getattr(preprocess, name))}" for name in lacking)
    return [f"Taken as none was given: ImageNet's {values}; if the weights want others, give --mean and --std."]


def _measured(
    study: Study, rows: Sequence[int] | NDArray[np.int64], preprocess: Preprocess
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel on the 0…1 scale, to four digits."""
    pixels = load_pictures(study.picture, rows, preprocess).reshape(-1, preprocess.channels).astype(np.float32) / 255
    mean, std = pixels.mean(0, dtype=np.float64), pixels.std(0, dtype=np.float64)
    return tuple(np.round(mean, 4).tolist()), tuple(np.round(np.maximum(std, 1e-3), 4).tolist())
