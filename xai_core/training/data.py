"""Pictures in memory, as training reads them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xai_core.errors import BadInput
from xai_core.models.preprocess import Preprocess
from xai_core.types import CancelToken, Progress, silent

if TYPE_CHECKING:
    from PIL import Image

LIMIT_BYTES = 4 * 2**30
"""Pictures are held in memory; more than this is refused."""


@dataclass(frozen=True)
class PictureArrays:
    """Resized pictures of one split.

    Attributes:
        pixels: `(n, H, W, C)` uint8.
        labels: `(n,)` int64 class indices.
        masks: `(n, H, W)` bool on the same pixels, or None.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    masks: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.labels)


def load_pictures(
    read: Callable[[int], Image.Image],
    rows: Sequence[int] | NDArray[np.int64],
    preprocess: Preprocess,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> NDArray[np.uint8]:
    """Read and resize pictures in threads (decoding and resizing release Python's lock).

    Args:
        read: the picture of a row; may raise BadInput.

    Returns:
        `(n, H, W, C)` uint8, in the order of `rows`.

    Raises:
        BadInput: a picture that cannot be read, or more than 4 GiB in all.
        Cancelled: asked to stop.
    """
    shape = (len(rows), preprocess.height, preprocess.width, preprocess.channels)
    if (size := int(np.prod(shape, dtype=np.int64))) > LIMIT_BYTES:
        remedy = "Use a smaller input size or fewer pictures (4 GiB is the limit)."
        raise BadInput("the pictures do not fit in memory", value=f"{size / 2**30:.1f} GiB", remedy=remedy)
    pixels = np.empty(shape, dtype=np.uint8)

    def fill(place: int) -> None:
        pixels[place] = preprocess.pixels(read(int(rows[place])))

    pool = ThreadPoolExecutor(max_workers=os.cpu_count())
    try:
        for done, _ in enumerate(pool.map(fill, range(len(rows))), start=1):
            if cancel is not None:
                cancel.check()
            progress(done, len(rows), "pictures")
    finally:
        pool.shutdown(cancel_futures=True)
    return pixels


def scaled(pixels: NDArray[np.uint8], rows: NDArray[np.int64], device: torch.device) -> Tensor:
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
