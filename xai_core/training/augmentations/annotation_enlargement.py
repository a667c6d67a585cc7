"""Let what is annotated of thin objects be a little wider, as paper 4's expert did."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadParameter, NotFound
from xai_core.label_maps import enlarged, has_background, mean_width, thin_up_to
from xai_core.params import param
from xai_core.task import SEGMENTATION
from xai_core.text import comma_list, plain_name
from xai_core.training.augmentations.base import COLOUR, augmentation, sometimes
from xai_core.types import Card

if TYPE_CHECKING:
    import torch

    from xai_core.training.batch import Batch
    from xai_core.training.data import TrainingData

MEASURED_ON = 64
"""Training pictures, spread over all of them, on which it is measured which objects are thin."""


@dataclass(frozen=True)
class AnnotationEnlargementParams:
    """Of an enlargement."""

    probability: float = param(1.0, help="share of pictures whose annotation grows", low=0.0, high=1.0)
    pixels: int = param(1, help="by how many pixels of the model's input each edge moves outwards", low=1, high=50)
    categories: str = param("", help='classes that grow: "cable,wire"; empty: those whose objects are thin')
    where: str = param(
        "edges",
        help="along the objects' edges; or random: as many pixels elsewhere, the twin that shows what more alone does",
        choices=("edges", "random"),
    )


@dataclass(frozen=True)
class _Settled(AnnotationEnlargementParams):
    """With the indices of the classes, in the order of the data."""

    classes: tuple[int, ...] = ()


def _settle(params: AnnotationEnlargementParams, data: TrainingData) -> _Settled:
    """Which classes are meant. Raises NotFound, or BadParameter where none is thin, or nothing is background."""
    names = list(data.class_names)
    if not has_background(names):
        remedy = "Train without annotation_enlargement."
        raise BadParameter("objects grow over the background, and there is none", value=names[0], remedy=remedy)
    plain = [plain_name(name).casefold() for name in names]
    classes = []
    for name in comma_list(params.categories):
        if plain_name(name).casefold() not in plain[1:]:
            raise NotFound.among("class of objects", name, names[1:])
        classes.append(plain.index(plain_name(name).casefold()))
    if not classes:
        classes = _thin(data)
    return _Settled(params.probability, params.pixels, params.categories, params.where, tuple(sorted(set(classes))))


def _thin(data: TrainingData) -> list[int]:
    """Classes whose objects are thin on the mean, see `thin_up_to`, on some training pictures."""
    maps = data.training.label_maps
    assert maps is not None
    some = np.unique(np.linspace(0, len(maps) - 1, min(MEASURED_ON, len(maps))).astype(np.int64))
    widths = {
        index: _width([label_map == index for label_map in maps[some]]) for index in range(1, len(data.class_names))
    }
    limit = thin_up_to(*maps.shape[1:3])
    thin = [index for index, width in widths.items() if width <= limit]
    if not thin:
        told = ", ".join(f"{data.class_names[at]} {width:.1f}" for at, width in widths.items() if np.isfinite(width))
        remedy = "Name those that are to grow: --set annotation_enlargement.categories=NAME."
        value = f"at most {limit:.1f} pixels wide; {told}"
        raise BadParameter("no class of objects is thin", value=value, remedy=remedy)
    return thin


def _width(planes: list[NDArray[np.bool_]]) -> float:
    """Over all pixels of all pictures; NaN where there are none."""
    there = [plane for plane in planes if plane.any()]
    if not there:
        return float("nan")
    return float(np.average([mean_width(plane) for plane in there], weights=[plane.sum() for plane in there]))


@augmentation(
    Card(
        key="annotation_enlargement",
        title="Annotation enlargement",
        summary="Thin objects are annotated some pixels wider, over the background alone; pictures stay as they are.",
        blind_spot="Wrong by that much at every edge where the annotation was right already. Only its random twin "
        "(where = random) tells whether the place matters, or more pixels alone.",
        paper="Clement, Nguyen and others, XAI-enhanced semantic segmentation models for visual quality inspection "
        "(paper 4), section IV-B, figure 5a",
    ),
    AnnotationEnlargementParams,
    order=COLOUR,
    tasks=(SEGMENTATION,),
    settle=_settle,
)
def annotation_enlargement(batch: Batch, params: AnnotationEnlargementParams, generator: torch.Generator) -> Batch:
    """After everything that moves pixels, so that edges move by pixels of the model's input: see `enlarged`."""
    import torch

    classes = params.classes if isinstance(params, _Settled) else ()
    labels = batch.targets.cpu().numpy().astype(np.uint8)
    grown = np.stack([enlarged(label_map, classes, params.pixels) for label_map in labels])
    if params.where == "random":
        seeds = torch.randint(2**31, (len(labels),), generator=generator).tolist()
        grown = np.stack([elsewhere(*each) for each in zip(labels, grown, seeds, strict=True)])
    targets = torch.from_numpy(grown).to(batch.targets.device, batch.targets.dtype)
    return sometimes(batch, replace(batch, targets=targets), params.probability, generator)


def elsewhere(label_map: NDArray[np.uint8], grown: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """As many pixels of each class as `grown` has more of, over the background, in another place: the same bands, moved
    by a drawn way around the picture (beyond an edge they go on at the opposite one), turned over or not. Where
    something lies already the nearest background is taken; so the number is the same to the pixel wherever there is
    background enough.
    """
    from scipy.ndimage import distance_transform_edt

    random, found = np.random.default_rng(seed), label_map.copy()
    way = [int(random.integers(size)) for size in label_map.shape]
    turn = [slice(None, None, int(random.choice((-1, 1)))) for _ in way]
    for index in np.unique(grown[grown != label_map]).tolist():
        band = (grown == index) & (label_map != index)
        moved = np.roll(band[turn[0], turn[1]], way, (0, 1))
        free = np.flatnonzero(found == 0)
        nearest = np.argsort(distance_transform_edt(~moved).ravel()[free], kind="stable")
        found.flat[free[nearest[: int(band.sum())]]] = index
    return found
