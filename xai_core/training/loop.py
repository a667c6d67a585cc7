"""The training loop: seeded, resumable, with the best checkpoint kept. The test split has no part in it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from xai_core.errors import BadInput, XaiError
from xai_core.files import storage_errors
from xai_core.models.architectures import ARCHITECTURES
from xai_core.models.build import fresh_module
from xai_core.models.preprocess import Preprocess
from xai_core.models.weights import load_into, read_weights, save_weights
from xai_core.params import build, digest
from xai_core.training import checkpoint
from xai_core.training.augmentations import augment, chosen
from xai_core.training.config import TrainConfig
from xai_core.training.data import PictureArrays, batches, class_weights, normaliser, scaled
from xai_core.training.losses import LOSSES
from xai_core.training.losses.base import LossInput
from xai_core.training.schedule import Stage, one_cycle, stages
from xai_core.types import CancelToken, Progress, silent

WEIGHTS = "weights.safetensors"
COLUMNS = ("epoch", "split", "loss", "accuracy", "seconds", "learning_rate")
EVALUATION_BATCH = 256


@dataclass(frozen=True)
class TrainResult:
    """What came of a training.

    Attributes:
        history: COLUMNS, one row per epoch (from 1) and split (`train`, `validation`). `loss` is plain cross-entropy
            whatever the training loss, so that runs compare; of `train`, over the augmented batches as they came.
            `seconds` of the whole epoch; `learning_rate` of its last step.
        best_epoch, best_accuracy: by validation accuracy, 0…1; the first of equals.
        seconds: over all epochs, those before an interruption included.
    """

    history: pd.DataFrame
    best_epoch: int
    best_accuracy: float
    seconds: float


def starting_module(config: TrainConfig, classes: int, preprocess: Preprocess) -> tuple[nn.Module, list[str]]:
    """The module that training starts from, and what a person should know of it (a fresh head, …).

    Raises what `fresh_module`, `read_weights` and `load_into` raise.
    """
    module = fresh_module(config.architecture, classes, preprocess, seed=config.seed)
    if not config.init:
        return module, []
    head = ARCHITECTURES[config.architecture].head
    return module, load_into(module, read_weights(Path(config.init)), head, allow_new_head=True)


def train(
    module: nn.Module,
    training: PictureArrays,
    validation: PictureArrays,
    config: TrainConfig,
    class_names: Sequence[str],
    preprocess: Preprocess,
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
        validation: chooses the best epoch.
        progress: called per batch, over all epochs.

    Raises:
        BadInput: an empty split, or another unfinished training in `folder`.
        Cancelled: asked to stop; finished epochs are kept.
        XaiError: training diverged.
        StorageFull: no room for a checkpoint; BadInput where the folder cannot be written.
    """
    _check(training, validation, class_names)
    session = _Session(module, training, validation, config.resolved(), class_names, preprocess, torch.device(device))
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _kept_state(module, session.device):
        standing = session.run(folder, progress, cancel or CancelToken())
    module.eval()
    load_into(module, read_weights(folder / WEIGHTS))
    history = pd.DataFrame(standing.history, columns=list(COLUMNS))
    seconds = float(history.loc[history["split"] == "train", "seconds"].sum())
    return TrainResult(history, standing.best_epoch, standing.best_accuracy, seconds)


class _Session:
    """One call of `train`: what its epochs share."""

    def __init__(
        self,
        module: nn.Module,
        training: PictureArrays,
        validation: PictureArrays,
        config: TrainConfig,
        class_names: Sequence[str],
        preprocess: Preprocess,
        device: torch.device,
    ) -> None:
        # Channels last takes 0.8 of the time of a step on a CPU (small_resnet, batch 128).
        self.module = module.to(device).to(memory_format=torch.channels_last)
        self.training, self.validation, self.config, self.device = training, validation, config, device
        self.normalise = normaliser(preprocess, device)
        self.augmentations = chosen(config.augmentations)
        self.loss = LOSSES[config.loss]
        self.loss_params: Any = build(self.loss.params, config.loss_params)
        weights = class_weights(training.labels, len(class_names)) if config.class_weights else None
        self.class_weights = None if weights is None else torch.from_numpy(weights).to(device)
        self.optimiser = _optimiser(module, config.weight_decay)
        self.identity = _identity(training, validation, config, class_names, preprocess)
        self.steps = len(list(batches(np.arange(len(training)), config.batch_size, training=True)))

    def run(self, folder: Path, progress: Progress, cancel: CancelToken) -> checkpoint.Standing:
        """All epochs that are left."""
        standing = checkpoint.restore(folder, self.identity, self.module, self.optimiser)
        if standing.epoch and standing.best_epoch == standing.epoch:
            save_weights(self.module, folder / WEIGHTS)  # killed between the two files
        for epoch in range(standing.epoch + 1, self.config.epochs + 1):
            self._epoch(epoch, standing, progress, cancel)
            checkpoint.save(folder, standing, self.module, self.optimiser)
            if standing.best_epoch == epoch:
                save_weights(self.module, folder / WEIGHTS)
        return standing

    def _epoch(self, epoch: int, standing: checkpoint.Standing, progress: Progress, cancel: CancelToken) -> None:
        start = time.perf_counter()
        stage = next(s for s in stages(self.config) if s.first <= epoch < s.first + s.epochs)
        with _trainable(self.module, self._head() if stage.head_only else None):
            loss, accuracy, rate = self._pass(epoch, stage, progress, cancel)
        row = {"epoch": epoch, "learning_rate": rate}
        checked = self._evaluate()
        self._require_finite(checked[0], epoch)  # the last step of an epoch may have been the one too many
        row["seconds"] = time.perf_counter() - start
        standing.history.append({**row, "split": "train", "loss": loss, "accuracy": accuracy})
        standing.history.append({**row, "split": "validation", "loss": checked[0], "accuracy": checked[1]})
        standing.epoch = epoch
        if checked[1] > standing.best_accuracy:
            standing.best_epoch, standing.best_accuracy = epoch, checked[1]

    def _pass(self, epoch: int, stage: Stage, progress: Progress, cancel: CancelToken) -> tuple[float, float, float]:
        """One epoch of steps: mean cross-entropy, accuracy, last learning rate."""
        # Seeded by epoch, so that a resumed training draws what an uninterrupted one would have drawn.
        seed = int(np.random.SeedSequence([self.config.seed, epoch]).generate_state(1)[0])
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.training), generator=generator).numpy()
        total, right, seen, rate = 0.0, 0, 0, 0.0
        before = (epoch - 1) * self.steps
        for step, rows in enumerate(batches(order, self.config.batch_size, training=True)):
            cancel.check()
            rate = one_cycle((epoch - stage.first) * self.steps + step, stage.epochs * self.steps, stage.peak)
            batch = self._batch(rows, generator)
            logits = self._step(batch, rate, epoch)
            total += float(functional.cross_entropy(logits, batch.labels, reduction="sum"))
            right += int((logits.argmax(1) == batch.labels).sum())
            seen += len(rows)
            progress(before + step + 1, self.config.epochs * self.steps, "batches")
        return total / seen, right / seen, rate

    def _batch(self, rows: Any, generator: torch.Generator) -> LossInput:
        x, masks = scaled(self.training.pixels, rows, self.device), None
        if self.training.masks is not None:
            masks = torch.from_numpy(self.training.masks[rows]).to(self.device)
        x, masks = augment(x, masks, self.augmentations, generator)
        labels = torch.from_numpy(self.training.labels[rows]).to(self.device)
        x = self.normalise(x).contiguous(memory_format=torch.channels_last)
        return LossInput(self.module, x, labels, self.class_weights, masks)

    def _step(self, batch: LossInput, rate: float, epoch: int) -> Tensor:
        """One update; the logits before it."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with self._autocast():
            value, logits = self.loss.compute(batch, self.loss_params)
        self._require_finite(float(value.detach()), epoch)
        self.optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return logits.detach().float()

    def _require_finite(self, loss: float, epoch: int) -> None:
        if not isfinite(loss):
            remedy = f"Lower the learning rate (now {self.config.learning_rate:g}), for example to a third."
            raise XaiError("training diverged: the loss is not a number", value=f"epoch {epoch}", remedy=remedy)

    @torch.no_grad()
    def _evaluate(self) -> tuple[float, float]:
        """Cross-entropy and accuracy on the validation split."""
        self.module.eval()
        total, right = 0.0, 0
        for rows in batches(np.arange(len(self.validation)), EVALUATION_BATCH):
            x = self.normalise(scaled(self.validation.pixels, rows, self.device))
            labels = torch.from_numpy(self.validation.labels[rows]).to(self.device)
            logits = self.module(x.contiguous(memory_format=torch.channels_last))
            total += float(functional.cross_entropy(logits, labels, reduction="sum"))
            right += int((logits.argmax(1) == labels).sum())
        return total / len(self.validation), right / len(self.validation)

    def _head(self) -> nn.Module:
        return self.module.get_submodule(ARCHITECTURES[self.config.architecture].head)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16")


def _check(training: PictureArrays, validation: PictureArrays, class_names: Sequence[str]) -> None:
    for name, arrays in (("training", training), ("validation", validation)):
        if not len(arrays):
            remedy = "Make the study with a split that has pictures in both training and validation."
            raise BadInput(f"the {name} split is empty", remedy=remedy)
        if arrays.labels.min() < 0 or arrays.labels.max() >= len(class_names):
            raise BadInput(f"a label of the {name} split has no class name", remedy="Check the classes of the study.")


def _optimiser(module: nn.Module, weight_decay: float) -> torch.optim.AdamW:
    """AdamW; biases and norms are not pulled to zero."""
    groups: tuple[list[nn.Parameter], list[nn.Parameter]] = ([], [])
    for parameter in module.parameters():
        groups[parameter.ndim < 2].append(parameter)
    return torch.optim.AdamW(
        [{"params": groups[0], "weight_decay": weight_decay}, {"params": groups[1], "weight_decay": 0.0}]
    )


def _identity(
    training: PictureArrays,
    validation: PictureArrays,
    config: TrainConfig,
    names: Sequence[str],
    preprocess: Preprocess,
) -> str:
    """Digest of what decides the outcome; pictures by shape and labels, which is quick and tells splits apart."""
    data = [(list(a.pixels.shape), digest(a.labels.tolist())) for a in (training, validation)]
    return digest(
        {"config": config.as_dict(), "classes": list(names), "preprocess": preprocess.as_dict(), "data": data}
    )


@contextmanager
def _trainable(module: nn.Module, head: nn.Module | None) -> Iterator[None]:
    """Training mode; with `head` given, the rest is frozen, its batch norms' statistics included."""
    flags = {parameter: parameter.requires_grad for parameter in module.parameters()}
    module.train(head is None)
    try:
        if head is not None:
            module.requires_grad_(False)
            head.requires_grad_(True).train()
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
