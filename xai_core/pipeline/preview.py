"""What a configuration's augmentations make of a few training pictures, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from xai_core.pipeline.asked import Given
from xai_core.pipeline.evidence import with_evidence
from xai_core.pipeline.pictures import tiles_of
from xai_core.pipeline.train import chosen_preprocess
from xai_core.store.study import Study
from xai_core.store.versions import reader
from xai_core.task import SEGMENTATION
from xai_core.training.augmentations import augment, chosen, settled
from xai_core.training.augmentations.base import DRAWS, PREVIEWED
from xai_core.training.config import TrainConfig
from xai_core.training.data import PictureArrays, TrainingData, load_pictures
from xai_core.triage.ordering import drawn
from xai_core.types import CancelToken, Progress, silent

GAP, SIDE = 4, 128
"""Pixels between the pictures of a sheet, and the least side of one."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Preview:
    """Pictures as the model would see them, uint8: `before` `(n, H, W, C)`, `after` `(draws, n, H, W, C)`."""

    rows: Sequence[int]
    before: Pixels
    after: Pixels

    def sheet(self) -> Image.Image:
        """The pictures as they are in the first row, then a row for each draw."""
        rows = [self.before, *self.after]
        high, wide = self.before.shape[1:3]
        scale = max(1, -(-SIDE // max(high, wide)))
        width, height = (len(self.before) * (wide * scale + GAP), len(rows) * (high * scale + GAP) + GAP)
        sheet = Image.new("RGBA", (width - GAP, height), (0, 0, 0, 0))
        for down, pictures in enumerate(rows):
            for right, pixels in enumerate(pictures):
                one = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert("RGB")
                one = one.resize((wide * scale, high * scale), Image.Resampling.NEAREST)
                # Twice the gap sets the originals off.
                sheet.paste(one, (right * (wide * scale + GAP), down * (high * scale + GAP) + (GAP if down else 0)))
        return sheet


def preview(
    study: Study,
    config: TrainConfig,
    given: Given | None = None,
    *,
    pictures: int = PREVIEWED,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Preview:
    """Some training pictures, drawn by the study's seed, and what DRAWS seeds make of them.

    Raises:
        NotFound, BadParameter, BadInput: as `train_run`, for augmentations that cannot be had.
        Cancelled: asked to stop.
    """
    config, given = config.resolved(), given or Given()
    preprocess = chosen_preprocess(study, config, given)
    rows = np.sort(drawn(study.rows("train"), pictures, study.info.seed))
    kept = preprocess.canvas
    pixels = load_pictures(study.picture, rows, kept, progress, cancel)
    masks = [study.mask(int(row)) for row in rows] if "mask" in config.needs else []
    planes = [
        np.zeros(pixels.shape[1:3], np.uint8) if m is None else preprocess.mask(m).astype(np.uint8) for m in masks
    ]
    there = np.array([mask is not None for mask in masks], bool)
    arrays = PictureArrays(pixels, study.labels[rows], np.stack(planes) if planes else None, there if planes else None)
    if study.task.key == SEGMENTATION:
        read = reader(study, config.annotations)
        maps = np.stack([kept.label_map(read(int(row)), study.has_background) for row in rows])
        arrays = replace(arrays, label_maps=maps, tiles=tiles_of(study, rows, preprocess) if preprocess.tiled else None)
    data = TrainingData(arrays, arrays, study.class_names, preprocess, study.task)
    data = with_evidence(data, study, config, given, rows=rows, progress=progress, cancel=cancel)
    generator = torch.Generator().manual_seed(study.info.seed)
    batch = data.training.batch(np.arange(len(rows)), len(study.class_names), torch.device("cpu"), generator)
    steps = settled(chosen(config.augmentations), data)
    made = [augment(batch, steps, torch.Generator().manual_seed(seed)).x for seed in range(DRAWS)]
    return Preview(rows.tolist(), _pixels(batch.x), _pixels(torch.stack(made)))


def _pixels(x: torch.Tensor) -> Pixels:
    """`(…, C, H, W)` on the 0…1 scale as `(…, H, W, C)`."""
    found: Pixels = (x.clamp(0, 1) * 255).round().to(torch.uint8).movedim(-3, -1).numpy()
    return found
