"""What a sample's parts count: what the explained output loses when each is drawn away, alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import XaiError
from xai_core.metrics import SampleParts
from xai_core.store.data_folder import MissingData

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from xai_core.datasets.base import Parts
    from xai_core.models.classifier import Classifier
    from xai_core.store.study import Study

AT_ONCE = 64
"""So many pictures go through the model together."""


@dataclass(frozen=True)
class PartsFound:
    """Of N samples their parts, None where there are none, and why some cannot be shown, by place."""

    parts: Sequence[SampleParts | None]
    unread: Mapping[int, str]


def parts_of(study: Study, classifier: Classifier, x: Tensor, weights: Tensor, rows: NDArray[np.int64]) -> PartsFound:
    """The parts of samples with their importance. A sample whose parts cannot be shown costs no other.

    The importance of a part is output(x) − output(the picture without it), where the output is `(logits · weights)`
    summed over all but the sample, and x the sample as the model sees it; where several pictures are without it, the
    mean over them. Parts go one at a time: what two do only together is not seen.

    Args:
        study: whose pictures they are.
        classifier: the model.
        x: `(N, C, H, W)`, the samples as its input.
        weights: `(N, *output)` of what is explained.
        rows: `(N,)` row numbers.
    """
    found: list[SampleParts | None] = []
    unread: dict[int, str] = {}
    whole = outputs(classifier, x, weights)
    for place, row in enumerate(rows.tolist()):
        made = None
        try:
            if (parts := study.parts(row)) is not None:
                made = _counted(classifier, parts, float(whole[place]), weights[place : place + 1])
        except MissingData:
            raise
        except XaiError as error:
            unread[place] = str(error)
        found.append(made)
    return PartsFound(found, unread)


def _counted(classifier: Classifier, parts: Parts, whole: float, weights: Tensor) -> SampleParts:
    from xai_core.pipeline.load import as_input

    preprocess = classifier.preprocess
    pictures = [picture for pictures in parts.without for picture in pictures]
    x = as_input(classifier, [preprocess.pixels(picture) for picture in pictures])
    without = iter(outputs(classifier, x, weights.expand(len(x), *weights.shape[1:])))
    importance = [_lost(whole, pictures, without) for pictures in parts.without]
    return SampleParts(parts.names, np.stack([preprocess.mask(mask) for mask in parts.masks]), np.array(importance))


def _lost(whole: float, pictures: Sequence[Image.Image], without: Iterator[np.float64]) -> float:
    return whole - float(np.mean([next(without) for _ in pictures])) if pictures else np.nan


def outputs(classifier: Classifier, x: Tensor, weights: Tensor) -> NDArray[np.float64]:
    """`(N,)` what is explained of each input; the model stays as it was.

    Raises:
        NotApplicable: the model's own code fails.
    """
    import torch

    from xai_core.explainers.engine.guard import told, untouched
    from xai_core.explainers.engine.output import logits_of, weighted
    from xai_core.explainers.engine.plan import ONE_AT_A_TIME

    found = []
    with ONE_AT_A_TIME, told(classifier), untouched(classifier), torch.no_grad():
        for first in range(0, len(x), AT_ONCE):
            logits = logits_of(classifier, x[first : first + AT_ONCE])
            found.append(weighted(logits, weights[first : first + AT_ONCE]).double().cpu().numpy())
    return np.concatenate(found) if found else np.empty(0)
