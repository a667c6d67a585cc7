"""What a study's pictures are by themselves: the input of a model that nobody said anything of. No torch here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xai_core.store.study import Study

LOOKED_AT = 32
"""Pictures that tell whether all are grey."""


def own_channels(study: Study, rows: Sequence[int] | NDArray[np.int64]) -> int:
    """1 where the first of these pictures are grey, else 3. Raises BadInput for one that cannot be read."""
    return 1 if all(study.picture(int(row)).mode == "L" for row in rows[:LOOKED_AT]) else 3


def own_size(study: Study, low: int, high: int) -> int | None:
    """The side of the pictures where all are squares of one size within these bounds."""
    widths, heights = set(study.samples["width"]), set(study.samples["height"])
    if len(widths) == 1 and widths == heights and low <= (size := int(widths.pop())) <= high:
        return size
    return None
