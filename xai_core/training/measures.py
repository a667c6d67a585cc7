"""What is measured of an epoch, whatever the loss: of the batches as they came, and of the validation split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xai_core.label_maps import IGNORE, iou
from xai_core.models.tiles import in_tiles
from xai_core.task import Task
from xai_core.training.data import PictureArrays, TrainingData, batches, scaled

EVALUATION_BATCH = 256
_LEAST = torch.finfo(torch.float32).tiny


class Means:
    """Means over the samples of the batches that had something to say."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._sums: dict[str, float] = defaultdict(float)
        self._counts: dict[str, int] = defaultdict(int)

    def add(self, name: str, total: float, count: int) -> None:
        """The sum over so many samples."""
        self._sums[name] += total
        self._counts[name] += count

    def compare(self, logits: Tensor, targets: Tensor, labels: Tensor) -> None:
        """Add what every run is compared by, whatever it minimises; `targets` may be soft."""
        self.add("loss", float(self._task.cross_entropy(logits, targets).sum()), len(logits))
        self.add("accuracy", float(self._task.right(logits, labels).sum()), len(logits))

    def by_name(self) -> dict[str, float]:
        """Each mean."""
        return {name: total / self._counts[name] for name, total in self._sums.items()}


Normalise = Callable[[Tensor], Tensor]


@torch.no_grad()
def evaluated(
    module: nn.Module, data: TrainingData, normalise: Normalise, batch_size: int, device: torch.device
) -> dict[str, float]:
    """Cross-entropy and accuracy on the validation split; of segmentation also the mean IoU."""
    means, classes = Means(data.task), len(data.class_names)
    of_pixels = data.validation.label_maps is not None
    pixels = np.zeros((classes, classes), np.int64)
    for logits, labels in _answers(module, data, normalise, batch_size if of_pixels else EVALUATION_BATCH, device):
        means.compare(logits, labels, labels)
        if of_pixels:
            pixels += _confused(labels, data.task.says(logits), classes)
    return means.by_name() | ({"mean_iou": float(np.nanmean(iou(pixels)))} if of_pixels else {})


def _answers(
    module: nn.Module, data: TrainingData, normalise: Normalise, size: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits and labels of all samples, some at a time."""
    split = data.validation
    if split.tiles is not None:
        yield from (_of_tiles(module, split, row, normalise, device) for row in range(len(split)))
        return
    for rows in batches(np.arange(len(split)), size):
        x = normalise(scaled(split.pixels, rows, device)).contiguous(memory_format=torch.channels_last)
        yield module(x), split.targets(rows, device)


def _of_tiles(
    module: nn.Module, split: PictureArrays, row: int, normalise: Normalise, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Of one picture, by tiles side by side: with those that overlap, as predictions have them, it took four times."""
    tiles, one = split.tiles, np.array([row])
    assert tiles is not None
    assert split.label_maps is not None
    whole = tiles.whole(row, split.pixels[one][0])
    labels = tiles.whole(row, split.label_maps[one][0])

    def ask(x: Tensor) -> Tensor:
        logits: Tensor = module(x.contiguous(memory_format=torch.channels_last))
        return logits

    x = normalise(scaled(whole[None], np.array([0]), device))[0]
    outside = normalise(x.new_zeros(1, len(x), 1, 1))[0]
    said = in_tiles(ask, x, tiles.height, tiles.width, outside=outside, overlap=False)
    targets = torch.from_numpy(np.ascontiguousarray(labels)).to(device).long()
    return said.clamp(min=_LEAST).log()[None], targets[None]


def _confused(labels: Tensor, said: Tensor, classes: int) -> NDArray[np.int64]:
    """`(K, K)` pixels of each class, in rows, that each class was said of, in columns; those to ignore left out."""
    known = labels != IGNORE
    pairs = torch.bincount(labels[known] * classes + said[known], minlength=classes * classes)
    found: NDArray[np.int64] = pairs.reshape(classes, classes).cpu().numpy()
    return found
