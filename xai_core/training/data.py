"""Pictures as training reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xai_core.errors import BadInput, NotApplicable
from xai_core.models.preprocess import Preprocess
from xai_core.params import digest
from xai_core.task import CLASSIFICATION, TASKS, Task
from xai_core.training.batch import Batch
from xai_core.training.rows import Rows, checksums, in_order
from xai_core.training.tiles import Tiles
from xai_core.types import CancelToken, Progress, silent

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class PictureArrays:
    """Resized pictures of one split, in memory or in files.

    Attributes:
        pixels: `(n, H, W, C)` uint8.
        labels: `(n,)` int64 class indices.
        label_maps: of segmentation, `(n, H, W)` uint8 on the same pixels, 255 to ignore; else None.
        masks: `(n, H, W)` uint8, 1 on the object, on the same pixels; or None where nobody asks for masks.
        has_mask: `(n,)` bool: which samples have one at all; None where `masks` is.
        evidence: by the key of the augmentation that asked for it, `(n, h, w)` float32 in 0…1, or `(1, h, w)` where it
            is the same for all.
        tiles: how tiles are cut of the pictures, where the model sees no more of them at once; else None.
    """

    pixels: Rows
    labels: NDArray[np.int64]
    masks: Rows | None = None
    has_mask: NDArray[np.bool_] | None = None
    evidence: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    label_maps: Rows | None = None
    tiles: Tiles | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def digest(self) -> str:
        """Of shapes, labels, and each picture's and mask's pixels: the same in memory and in files."""
        content = [digest(checksums(self.pixels).tolist()), digest(self.labels.tolist())]
        if self.masks is not None and self.has_mask is not None:
            content += [digest(checksums(self.masks).tolist()), digest(self.has_mask.tolist())]
        if self.label_maps is not None:
            content.append(digest(checksums(self.label_maps).tolist()))
        for key, planes in sorted(self.evidence.items()):
            content += [key, digest([list(planes.shape), hashlib.sha256(planes.tobytes()).hexdigest()])]
        return digest([list(self.pixels.shape), content])

    def targets(self, rows: NDArray[np.int64], device: torch.device) -> Tensor:
        """Labels of some samples, `(N,)` int64, or of segmentation of their pixels, `(N, H, W)`."""
        labels = self.labels if self.label_maps is None else self.label_maps
        return torch.from_numpy(labels[rows]).to(device).long()

    def batch(
        self, rows: NDArray[np.int64], classes: int, device: torch.device, generator: torch.Generator | None = None
    ) -> Batch:
        """Some samples, before augmentation; of tiles one of each, which `generator` draws."""
        if self.tiles is not None:
            assert self.label_maps is not None
            assert generator is not None
            pixels, label_maps = self.tiles.drawn(rows, self.pixels[rows], self.label_maps[rows], generator)
            every = np.arange(len(rows))
            return PictureArrays(pixels, self.labels[rows], label_maps=label_maps).batch(every, classes, device)
        targets = self.targets(rows, device)
        if self.label_maps is None:
            targets = torch.nn.functional.one_hot(targets, classes).float()
        has_mask, masks = torch.zeros(len(rows), dtype=torch.bool, device=device), None
        if self.masks is not None and self.has_mask is not None:
            masks = torch.from_numpy(self.masks[rows]).to(device) > 0
            has_mask = torch.from_numpy(self.has_mask[rows]).to(device)
        evidence = {
            key: torch.from_numpy(planes[rows] if len(planes) > 1 else planes.repeat(len(rows), 0)).to(device)
            for key, planes in self.evidence.items()
        }
        return Batch(scaled(self.pixels, rows, device), targets, masks, has_mask, evidence)


@dataclass(frozen=True)
class TrainingData:
    """What a model is trained on.

    Attributes:
        training: what it learns from.
        validation: what chooses the best epoch; its masks are not used.
        class_names: K names, which labels index.
        preprocess: how the pictures were resized, and how they are normalised.
        task: what the model learns to do.
    """

    training: PictureArrays
    validation: PictureArrays
    class_names: Sequence[str]
    preprocess: Preprocess
    task: Task = TASKS[CLASSIFICATION]

    def check(self) -> None:
        """Raise BadInput for an empty split, or a label that no class has."""
        for name, arrays in (("training", self.training), ("validation", self.validation)):
            if not len(arrays):
                remedy = "Make the study with a split that has pictures in both training and validation."
                raise BadInput(f"the {name} split is empty", remedy=remedy)
            if arrays.labels.min() < 0 or arrays.labels.max() >= len(self.class_names):
                remedy = "Check the classes of the study."
                raise BadInput(f"a label of the {name} split has no class name", remedy=remedy)


def load_pictures(
    read: Callable[[int], Image.Image],
    rows: Sequence[int] | NDArray[np.int64],
    preprocess: Preprocess,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> NDArray[np.uint8]:
    """Read and resize pictures.

    Args:
        read: the picture of a row; may raise BadInput.

    Returns:
        `(n, H, W, C)` uint8, in the order of `rows`.

    Raises:
        BadInput: a picture that cannot be read.
        Cancelled: asked to stop.
    """
    pixels = np.empty((len(rows), preprocess.height, preprocess.width, preprocess.channels), dtype=np.uint8)
    made = in_order(lambda row: preprocess.pixels(read(row)), rows, "pictures", progress, cancel)
    for place, picture in enumerate(made):
        pixels[place] = picture
    return pixels


def on_random_labels(data: TrainingData, seed: int) -> TrainingData:
    """The same pictures with shuffled labels, which can only be memorised (Adebayo et al. 2018, section 4.2).

    What chooses the best epoch is then how much is memorised, on these very pictures: on others there is nothing to
    be right about.

    Raises:
        NotApplicable: labels of pixels cannot be shuffled among pictures of other sizes.
    """
    if data.training.label_maps is not None:
        raise NotApplicable(
            "random labels are of whole pictures", value=data.task.key, remedy="Leave random_labels out."
        )
    labels = np.random.default_rng(seed).permutation(data.training.labels)
    training = replace(data.training, labels=labels)
    return replace(data, training=training, validation=replace(training, masks=None, has_mask=None, evidence={}))


def scaled(pixels: Rows, rows: NDArray[np.int64], device: torch.device) -> Tensor:
    """Some pictures as `(N, C, H, W)` float32 on the 0…1 scale."""
    return torch.from_numpy(pixels[rows]).to(device).permute(0, 3, 1, 2).float().div_(255)


def normaliser(preprocess: Preprocess, device: torch.device) -> Callable[[Tensor], Tensor]:
    """The rest of the preprocessing: 0…1 → what the model expects."""
    mean, std = (torch.tensor(v, device=device)[:, None, None] for v in (preprocess.mean, preprocess.std))
    return lambda x: (x - mean) / std


def batches(order: NDArray[np.int64], size: int, *, training: bool = False) -> Iterator[NDArray[np.int64]]:
    """`order`, `size` indices at a time. In training, without a last batch of one: batch norm fails on it."""
    for start in range(0, len(order), size):
        part = order[start : start + size]
        if start == 0 or len(part) > 1 or not training:
            yield part


def class_weights(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """`(K,)` inverse class frequency, with mean 1 over the classes that occur; 0 for those that do not."""
    counts = np.bincount(labels, minlength=classes)
    inverse = np.divide(1.0, counts, out=np.zeros(classes), where=counts > 0)
    weights: Any = inverse / inverse[counts > 0].mean()
    return weights.astype(np.float32)


def pixel_counts(label_maps: Rows, classes: int) -> NDArray[np.int64]:
    """`(K,)`: how many pixels of all label maps are of each class."""
    counts = np.zeros(classes, np.int64)
    for rows in batches(np.arange(len(label_maps)), 256):
        counts += np.bincount(label_maps[rows].ravel(), minlength=256)[:classes]
    return counts


def pixel_weights(counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """`(K,)`: one over the root of each class's share of the pixels, with mean 1 over the classes that occur.

    The inverse itself, as of samples, would give a thin object a thousand times the weight of its background, and the
    network would see it everywhere.
    """
    roots = np.sqrt(counts)
    inverse = np.divide(1.0, roots, out=np.zeros(len(counts)), where=counts > 0)
    weights: Any = inverse / inverse[counts > 0].mean() if counts.any() else inverse
    return weights.astype(np.float32)


def class_shares(labels: NDArray[np.int64], classes: int) -> Tensor:
    """`(K,)` float32: of each class among `labels`."""
    return torch.from_numpy(np.bincount(labels, minlength=classes) / len(labels)).float()
