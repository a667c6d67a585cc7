"""The training loop: seeded, resumable, with the best checkpoint kept. The test split has no part in it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from xai_core.errors import BadParameter, XaiError
from xai_core.files import storage_errors
from xai_core.models.architectures import ARCHITECTURES
from xai_core.models.build import fresh_module
from xai_core.models.preprocess import Preprocess
from xai_core.models.start import start_from
from xai_core.models.weights import load_into, read_weights, save_weights
from xai_core.params import as_dict, build, digest, identifying
from xai_core.training import checkpoint
from xai_core.training.augmentations import augment, chosen, settled
from xai_core.training.config import TrainConfig
from xai_core.training.data import (
    TrainingData,
    batches,
    class_shares,
    class_weights,
    normaliser,
    pixel_counts,
    pixel_weights,
)
from xai_core.training.history import entries, frame, values
from xai_core.training.losses import LOSSES
from xai_core.training.losses.base import LossInput, LossOutput
from xai_core.training.measures import Means, evaluated
from xai_core.training.model import TrainingModel
from xai_core.training.schedule import Stage, one_cycle, stages
from xai_core.training.standing import Standing
from xai_core.types import CancelToken, Progress, silent

WEIGHTS = "weights.safetensors"
SETTLED_ON = 512
"""Samples, in whole batches, from which a loss may find what nobody gave."""


@dataclass(frozen=True)
class TrainResult:
    """What came of a training.

    Attributes:
        history: see `training.history`; epochs from 1, splits `train` and `validation`.
        best_epoch, best_accuracy: by validation accuracy, 0…1; the first of equals.
        seconds: over all epochs, those before an interruption included.
        found: parameters of the loss that nobody gave and that were found at the start.
    """

    history: pd.DataFrame
    best_epoch: int
    best_accuracy: float
    seconds: float
    found: Mapping[str, float]


def starting_module(config: TrainConfig, classes: int, preprocess: Preprocess) -> tuple[nn.Module, list[str]]:
    """The module that training starts from, and what a person should know of it (a fresh head, …).

    Raises what `fresh_module`, `read_weights` and `load_into` raise.
    """
    module = fresh_module(config.architecture, classes, preprocess, seed=config.seed)
    if not config.init:
        return module, []
    return module, start_from(module, read_weights(Path(config.init)), ARCHITECTURES[config.architecture])


def train(
    module: nn.Module,
    data: TrainingData,
    config: TrainConfig,
    *,
    folder: Path,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
    device: torch.device | str = "cpu",
) -> TrainResult:
    """Train `module` and leave its best weights in it and in `folder/weights.safetensors`; eval mode afterwards.

    A training that was killed or cancelled goes on after its last finished epoch when called again with the same
    module, data and configuration and the same folder; on a CPU it ends with the very weights of one that was never
    interrupted. The folder is the caller's to remove once the weights are safe elsewhere: until then another call has
    nothing left to do.

    Args:
        progress: called per batch, over all epochs.

    Raises:
        BadInput: an empty split, or another unfinished training in `folder`: other settings, pictures or masks.
        Cancelled: asked to stop; finished epochs are kept.
        XaiError: training diverged.
        StorageFull: no room for a checkpoint; BadInput where the folder cannot be written.
    """
    data.check()
    session = _Session(module, data, config.resolved(), torch.device(device))
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _kept_state(module, session.device):
        standing = session.run(folder, progress, cancel or CancelToken())
    module.eval()
    load_into(module, read_weights(folder / WEIGHTS))
    history = frame(standing.history)
    seconds = float(values(history, "train", "seconds").sum())
    return TrainResult(history, standing.best_epoch, standing.best_accuracy, seconds, standing.found)


class _Session:
    """One call of `train`: what its epochs share."""

    def __init__(self, module: nn.Module, data: TrainingData, config: TrainConfig, device: torch.device) -> None:
        # Channels last takes 0.8 of the time of a step on a CPU (small_resnet, batch 128).
        self.module = module.to(device).to(memory_format=torch.channels_last)
        self.data, self.training, self.config, self.device = data, data.training, config, device
        self.architecture = ARCHITECTURES[config.architecture]
        self.model = TrainingModel(self.module, self.architecture.cam_layer, self.architecture.restore_grid)
        self.normalise = normaliser(data.preprocess, device)
        self.augmentations = settled(chosen(config.augmentations), data)
        self.loss = LOSSES[config.loss]
        self.loss_params: Any = build(self.loss.params, config.loss_params)
        weights = self._weights(len(data.class_names)) if config.class_weights else None
        self.class_weights = None if weights is None else torch.from_numpy(weights).to(device)
        self.class_shares = class_shares(self.training.labels, len(data.class_names)).to(device)
        self.optimiser = _optimiser(module, config.weight_decay)
        self.steps = len(list(batches(np.arange(len(self.training)), config.batch_size, training=True)))

    def _weights(self, classes: int) -> NDArray[np.float32]:
        maps = self.training.label_maps
        return (
            class_weights(self.training.labels, classes) if maps is None else pixel_weights(pixel_counts(maps, classes))
        )

    def run(self, folder: Path, progress: Progress, cancel: CancelToken) -> Standing:
        """All epochs that are left."""
        names = _identity(self.data, self.config), _former_identity(self.data, self.config)
        standing = checkpoint.restore(folder, *names, self.module, self.optimiser)
        if not standing.epoch:
            standing.found = self._found()
        self.loss_params = replace(self.loss_params, **standing.found)
        if standing.epoch and standing.best_epoch == standing.epoch:
            save_weights(self.module, folder / WEIGHTS)  # killed between the two files
        for epoch in range(standing.epoch + 1, self.config.epochs + 1):
            self._epoch(epoch, standing, progress, cancel)
            checkpoint.save(folder, standing, self.module, self.optimiser)
            if standing.best_epoch == epoch:
                save_weights(self.module, folder / WEIGHTS)
        return standing

    def _found(self) -> dict[str, float]:
        """Parameters of the loss as the first batches have them; nothing else is changed by looking."""
        if self.loss.settle is None:
            return {}
        given, kept = as_dict(self.loss_params), {name: b.clone() for name, b in self.module.named_buffers()}
        with self._learning(1), self._autocast():
            settled = as_dict(self.loss.settle(self._first_batches(), self.loss_params))
        for name, buffer in self.module.named_buffers():
            buffer.copy_(kept[name])
        return {name: value for name, value in settled.items() if value != given[name]}

    def _first_batches(self) -> Iterator[LossInput]:
        """The batches that the first epoch begins with."""
        order, generator = self._drawn(1)
        count = -(-SETTLED_ON // self.config.batch_size)
        for rows in islice(batches(order, self.config.batch_size, training=True), count):
            yield self._batch(rows, generator)

    def _drawn(self, epoch: int) -> tuple[NDArray[np.int64], torch.Generator]:
        """The order of an epoch's samples, and what draws for it; global draws begin anew as well.

        Seeded by epoch, so that a resumed training draws what an uninterrupted one would have drawn.
        """
        seed = int(np.random.SeedSequence([self.config.seed, epoch]).generate_state(1)[0])
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        return torch.randperm(len(self.training), generator=generator).numpy(), generator

    def _stage(self, epoch: int) -> Stage:
        return next(s for s in stages(self.config) if s.first <= epoch < s.first + s.epochs)

    def _learning(self, epoch: int) -> AbstractContextManager[None]:
        """The module as it learns in this epoch."""
        alone = self.architecture.trained_first if self._stage(epoch).head_only else ()
        return _trainable(self.module, [self.module.get_submodule(name) for name in alone])

    def _epoch(self, epoch: int, standing: Standing, progress: Progress, cancel: CancelToken) -> None:
        start = time.perf_counter()
        with self._learning(epoch):
            learned, rate = self._pass(epoch, self._stage(epoch), progress, cancel)
        checked = self._evaluate()
        self._require_finite(checked["loss"], epoch)  # the last step of an epoch may have been the one too many
        both = {"seconds": time.perf_counter() - start, "learning_rate": rate}
        standing.history += entries(epoch, "train", learned | both) + entries(epoch, "validation", checked | both)
        standing.epoch = epoch
        if checked[self.data.task.chosen_by] > standing.best_accuracy:
            standing.best_epoch, standing.best_accuracy = epoch, checked[self.data.task.chosen_by]

    def _pass(
        self, epoch: int, stage: Stage, progress: Progress, cancel: CancelToken
    ) -> tuple[dict[str, float], float]:
        """One epoch of steps: what was measured, and the last learning rate."""
        order, generator = self._drawn(epoch)
        means, rate = Means(self.data.task), 0.0
        before = (epoch - 1) * self.steps
        for step, rows in enumerate(batches(order, self.config.batch_size, training=True)):
            cancel.check()
            rate = one_cycle((epoch - stage.first) * self.steps + step, stage.epochs * self.steps, stage.peak)
            batch = self._batch(rows, generator)
            output = self._step(batch, rate, epoch)
            logits = output.logits.detach()
            soft = batch.targets.is_floating_point()
            labels = self.data.task.says(batch.targets) if soft else batch.targets
            means.compare(logits, batch.targets, labels)
            for name, part in output.parts.items():
                means.add(name, float(part.detach()) * len(rows), len(rows))
            progress(before + step + 1, self.config.epochs * self.steps, "batches")
        return means.by_name(), rate

    def _batch(self, rows: Any, generator: torch.Generator) -> LossInput:
        batch = self.training.batch(rows, len(self.data.class_names), self.device, generator)
        batch = augment(batch, self.augmentations, generator)
        x = self.normalise(batch.x).contiguous(memory_format=torch.channels_last)
        has_mask = None if batch.masks is None else batch.has_mask
        weights, shares = self.class_weights, self.class_shares
        return LossInput(self.model, x, batch.targets, weights, batch.masks, has_mask, shares)

    def _step(self, batch: LossInput, rate: float, epoch: int) -> LossOutput:
        """One update; what the loss said before it."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with self._autocast(), _several_pictures(len(batch.x)):
            output = self.loss.compute(batch, self.loss_params)
        self._require_finite(float(output.value.detach()), epoch)
        self.optimiser.zero_grad()
        output.value.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return output

    def _require_finite(self, loss: float, epoch: int) -> None:
        if not isfinite(loss):
            remedy = f"Lower the learning rate (now {self.config.learning_rate:g}), for example to a third."
            raise XaiError("training diverged: the loss is not a number", value=f"epoch {epoch}", remedy=remedy)

    def _evaluate(self) -> dict[str, float]:
        """Of the validation split."""
        self.module.eval()
        return evaluated(self.module, self.data, self.normalise, self.config.batch_size, self.device)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16")


def _optimiser(module: nn.Module, weight_decay: float) -> torch.optim.AdamW:
    """AdamW; biases and norms are not pulled to zero."""
    groups: tuple[list[nn.Parameter], list[nn.Parameter]] = ([], [])
    for parameter in module.parameters():
        groups[parameter.ndim < 2].append(parameter)
    return torch.optim.AdamW(
        [{"params": groups[0], "weight_decay": weight_decay}, {"params": groups[1], "weight_decay": 0.0}]
    )


def _identity(data: TrainingData, config: TrainConfig) -> str:
    """Digest of what decides the outcome, the pixels of pictures and masks included."""
    return _digest(data, config, [arrays.digest() for arrays in (data.training, data.validation)])


def _former_identity(data: TrainingData, config: TrainConfig) -> str:
    """The same as earlier versions made it: of the pictures their shape and labels."""
    splits = (data.training, data.validation)
    return _digest(data, config, [(list(arrays.pixels.shape), digest(arrays.labels.tolist())) for arrays in splits])


def _digest(data: TrainingData, config: TrainConfig, content: Sequence[object]) -> str:
    about = {"config": identifying(config), "classes": list(data.class_names), "preprocess": data.preprocess.as_dict()}
    return digest(about | {"data": content})


@contextmanager
def _several_pictures(count: int) -> Iterator[None]:
    """Batch norm after pooling has no spread within one picture."""
    try:
        yield
    except ValueError as error:
        if count > 1 or "more than 1 value per channel" not in str(error):
            raise
        remedy = "Give --batch-size 2 or more."
        raise BadParameter("this network cannot learn from one picture at a time", value=count, remedy=remedy) from None


@contextmanager
def _trainable(module: nn.Module, alone: Sequence[nn.Module]) -> Iterator[None]:
    """Training mode; with layers to be trained `alone`, the rest is frozen, its batch norms' statistics included."""
    flags = {parameter: parameter.requires_grad for parameter in module.parameters()}
    module.train(not alone)
    try:
        if alone:
            module.requires_grad_(False)
        for layer in alone:
            layer.requires_grad_(True).train()
        yield
    finally:
        for parameter, flag in flags.items():
            parameter.requires_grad_(flag)


@contextmanager
def _kept_state(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Global random state is as before afterwards, and the module in eval mode without gradients."""
    devices = [device] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        module.eval()
        module.zero_grad()
