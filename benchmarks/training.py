"""What training costs beside the model, as a share of its steps; and what a step of segment overlap costs.

`python -m benchmarks.training --json [SETTING…]`, first: epochs of the training loop itself on pictures of noise, from
memory and from a file of rows on the disk, in turns. Key: `share_outside_model` by setting, the part of the time of the
steps that is neither forward, backward nor the optimiser's step; the median over the repetitions. Also `step_ms`. A
setting is `ARCHITECTURE-PIXELS-PLACE`; the small networks take at most 128 px as registered, and are built for 224 all
the same, since nothing is quicker there. `--full` takes more pictures and repetitions.

Second, with no setting named: what one step (forward, backward, optimiser) takes of the processor, in steps of
cross-entropy on the same batch; ResNet-18, medians of steps in turns. Key `so_step_in_ce_steps` by picture side, way
and number of views; the ways are `closed_form`, `double_backward` (the closed form switched off) and `detached`. Key
`peers_step_in_ce_steps`: the energy loss at the CAM layer and at the pixels, and right for the right reasons.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import nn

from benchmarks.dataset import Stopwatch
from benchmarks.report import Clock, run
from xai_core.models.architectures import ARCHITECTURES
from xai_core.models.architectures.base import ModelSpec
from xai_core.models.preprocess import Preprocess
from xai_core.params import build
from xai_core.training import cams
from xai_core.training.config import TrainConfig
from xai_core.training.data import PictureArrays, TrainingData
from xai_core.training.loop import train
from xai_core.training.losses import LOSSES, LossInput
from xai_core.training.model import TrainingModel
from xai_core.training.rows import FileRows, Rows, write_rows

ARCHITECTURE_NAMES, SIZES, PLACES = ("small_cnn", "small_resnet"), (64, 224), ("memory", "disk")
SETTINGS = [f"{name}-{size}-{place}" for size in SIZES for name in ARCHITECTURE_NAMES for place in PLACES]
CLASSES, BATCH, VALIDATION = 10, 32, 2
STEPS = {64: 8, 224: 3}
"""Of one epoch; a step of a small network at 224 px takes a second or two on two cores."""
VIEWS, WAYS = (1, 2, 4, 8), ("closed_form", "double_backward", "detached")
PEERS: Mapping[str, Mapping[str, Any]] = {"energy": {}, "energy-input": {"at": "input"}, "rrr": {"weight": 1.0}}
GUIDED_BATCH = {64: 16, 224: 4}
"""Pictures of a step that is timed."""


@contextmanager
def time_in_model(module: nn.Module) -> Iterator[Stopwatch]:
    """Of forwards, backwards and the optimiser's steps."""
    watch = Stopwatch()
    with ExitStack() as stack:
        stack.enter_context(patch.object(module, "forward", watch.wrap(module.forward)))
        for owner, name in ((torch.Tensor, "backward"), (torch.optim.AdamW, "step")):
            stack.enter_context(patch.object(owner, name, watch.wrap(getattr(owner, name))))
        yield watch


def rows(pixels: np.ndarray, folder: Path, place: str) -> Rows:
    """The pictures in memory, or in a file of rows."""
    if place == "memory":
        return pixels
    path = folder / "rows.bin"
    path.unlink(missing_ok=True)
    return FileRows(path, pixels.shape, write_rows(path, pixels))


def measured(setting: str, steps: int) -> tuple[float, float]:
    """Share of the time outside of the model, and milliseconds of a step, after a first epoch that warms up."""
    name, size, place = setting.split("-")
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (steps * BATCH, int(size), int(size), 3), np.uint8)
    preprocess = Preprocess(int(size), int(size), 3, (0.5,) * 3, (0.25,) * 3)
    labels = rng.integers(0, CLASSES, len(pixels))
    config = TrainConfig(architecture=name, epochs=2, batch_size=BATCH)
    module = ARCHITECTURES[name].build(ModelSpec(CLASSES, 3, int(size)))
    marks: list[tuple[float, float]] = []
    with TemporaryDirectory() as folder, time_in_model(module) as watch:
        arrays = PictureArrays(rows(pixels, Path(folder), place), labels)
        few = PictureArrays(pixels[:VALIDATION], labels[:VALIDATION])
        data = TrainingData(arrays, few, [f"class {index}" for index in range(CLASSES)], preprocess)

        def mark(*_: object) -> None:
            marks.append((time.perf_counter(), watch.seconds))

        train(module, data, config, folder=Path(folder) / "training", progress=mark)
    (begun, model_begun), (ended, model_ended) = marks[steps], marks[-1]  # after the second epoch's first step
    seconds = ended - begun
    return 1 - (model_ended - model_begun) / seconds, 1000 * seconds / (steps - 1)


@dataclass(frozen=True)
class Step:
    """One update by a loss on one batch, again and again."""

    net: nn.Module
    given: LossInput
    optimiser: torch.optim.Optimizer

    @classmethod
    def of(cls, size: int) -> Step:
        """ResNet-18 on noise; the upper half of each picture is the object."""
        torch.manual_seed(0)
        member = ARCHITECTURES["resnet18"]
        net = member.build(ModelSpec(CLASSES, 3, size)).to(memory_format=torch.channels_last).train()
        x = torch.randn(GUIDED_BATCH[size], 3, size, size).contiguous(memory_format=torch.channels_last)
        targets = torch.eye(CLASSES)[torch.arange(len(x)) % CLASSES]
        masks = torch.zeros(len(x), size, size, dtype=torch.bool)
        masks[:, : size // 2] = True
        model = TrainingModel(net, member.cam_layer, member.restore_grid)
        given = LossInput(model, x, targets, None, masks, torch.ones(len(x), dtype=torch.bool))
        return cls(net, given, torch.optim.AdamW(net.parameters(), 1e-4))

    def seconds(self, key: str, way: str = "", **values: Any) -> float:
        """Of the processor, for one update."""
        loss = LOSSES[key]
        params: Any = build(loss.params, values)
        found = cams.pooled_head if way != "double_backward" else lambda *_: None
        with patch.object(cams, "pooled_head", found):
            begun = time.process_time()
            output = loss.compute(self.given, params)
            self.optimiser.zero_grad()
            output.value.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            return time.process_time() - begun


def guided_steps(clock: Clock, repetitions: int) -> dict[str, Any]:
    """What a step takes, in steps of cross-entropy: of segment overlap by side, way and views, of others by side."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    others: dict[str, dict[str, float]] = {}
    for number, size in enumerate(SIZES):
        step = Step.of(size)
        step.seconds("so", views=2)  # warms up
        rounds = [_round(step) for _ in clock.part(len(SIZES) - number).rounds(repetitions)]
        plain = np.median([each["cross_entropy", 1] for each in rounds])
        costs = {key: round(float(np.median([each[key] for each in rounds]) / plain), 2) for key in rounds[0]}
        found[str(size)] = {way: {str(views): costs[way, views] for views in VIEWS} for way in WAYS}
        others[str(size)] = {key: costs[key, 1] for key in PEERS}
    return {"so_step_in_ce_steps": found, "peers_step_in_ce_steps": others}


def _round(step: Step) -> dict[tuple[str, int], float]:
    taken = {("cross_entropy", 1): min(step.seconds("cross_entropy") for _ in range(2))}
    taken |= {(key, 1): step.seconds(key.partition("-")[0], **values) for key, values in PEERS.items()}
    for way in WAYS:
        for views in VIEWS:
            taken[way, views] = step.seconds("so", way, views=views, detached=way == "detached")
    return taken


def measure(args: argparse.Namespace) -> Mapping[str, Any]:
    """All settings, in turns."""
    settings = args.settings or SETTINGS
    factor, repetitions = (4, 5) if args.full else (1, 2)
    found: dict[str, list[tuple[float, float]]] = {setting: [] for setting in settings}
    for _ in args.clock.part(2).rounds(repetitions):
        for setting, taken in found.items():
            taken.append(measured(setting, factor * STEPS[int(setting.split("-")[1])]))
    shares, steps = ({key: np.median(np.array(v)[:, column]) for key, v in found.items()} for column in (0, 1))
    return {
        "share_outside_model": {key: round(float(value), 3) for key, value in shares.items()},
        "step_ms": {key: round(float(value), 1) for key, value in steps.items()},
        "batch": BATCH,
        "repetitions": min(map(len, found.values())),
        "threads": torch.get_num_threads(),
    } | ({} if args.settings else guided_steps(args.clock, 3 if args.full else 2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("settings", nargs="*", metavar="SETTING", help=f"only these: {', '.join(SETTINGS)}")
    run(measure, parser)
