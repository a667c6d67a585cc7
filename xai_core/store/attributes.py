"""What parts a study's samples beside their classes: a tag, a fact, the size of the object."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadInput, NotApplicable
from xai_core.store.facts import said
from xai_core.store.study import Study
from xai_core.store.subgroups import UNKNOWN, Grouping, tagged
from xai_core.words import percent

MASK_SIZE, FACT = "mask-size", "fact:"
MOST_VALUES, FEW_NUMBERS, PARTS = 20, 5, 3

_Name = Callable[[float | None, float | None], str]
"""From the ends of a part to its name; None where it is open."""


def by_tag(study: Study, tag: str) -> Grouping:
    """Samples with a tag, and those without. Raises BadInput when the annotations are damaged."""
    return tagged(study.path, tag, len(study.labels))


def by_fact(study: Study, spec: str) -> Grouping:
    """The values of a fact of the study; numbers are cut into PARTS where they are more than a few.

    Raises BadInput for more values than anybody could look at.
    """
    name = spec.removeprefix(FACT)
    values = study.facts.columns(study.rows())[name]
    found = [value for value, _ in study.facts.values(name) if value is not None]
    if study.facts.kind(name) == "number" and len(found) > FEW_NUMBERS:
        numbers = np.array([np.nan if value is None else float(value) for value in values])
        return _parts(spec, numbers, lambda low, high: _between(name, low, high))
    if len(found) > MOST_VALUES:
        remedy = f"Group by a fact of at most {MOST_VALUES} values."
        raise BadInput("too many values to group by", value=f"{name}: {len(found)}", remedy=remedy)
    place = {value: code for code, value in enumerate(found)}
    codes = np.array([UNKNOWN if value is None else place[value] for value in values], np.int64)
    return Grouping(spec, tuple(f"{name} = {said(value)}" for value in found), codes)


def by_mask_size(study: Study, rows: NDArray[np.int64] | None = None) -> Grouping:
    """PARTS of the share of the picture that the mask covers, of all samples or of these.

    Raises NotApplicable where none has a mask.
    """
    masked = study.samples["has_mask"].to_numpy()
    rows = np.flatnonzero(masked) if rows is None else rows[masked[rows]]
    if not len(rows):
        raise NotApplicable("the study has no masks", value=study.name, remedy="Group by a fact or a tag.")
    shares = np.full(len(study.labels), np.nan)
    for row in rows.tolist():
        mask = study.mask(row)
        shares[row] = np.nan if mask is None else mask.mean()
    return _parts(MASK_SIZE, shares, _of_the_picture)


def _of_the_picture(low: float | None, high: float | None) -> str:
    return f"object {_range(*(None if end is None else percent(end) for end in (low, high)))} of the picture"


def _between(name: str, low: float | None, high: float | None) -> str:
    return f"{name} {_range(*(None if end is None else f'{end:.4g}' for end in (low, high)))}"


def _range(low: str | None, high: str | None) -> str:
    """`up to 31`, `31 to 54`, `over 54`: a part ends with what it names."""
    if low is None:
        return f"up to {high}"
    return f"over {low}" if high is None else f"{low} to {high}"


def _parts(by: str, values: NDArray[np.float64], name: _Name) -> Grouping:
    """PARTS of about as many samples; fewer where values repeat."""
    known = np.isfinite(values)
    inner = np.unique(np.quantile(values[known], np.arange(1, PARTS) / PARTS)) if known.any() else np.empty(0)
    cuts = [float(cut) for cut in inner if cut < values[known].max()]
    codes = np.where(known, np.searchsorted(cuts, np.where(known, values, 0.0)), UNKNOWN).astype(np.int64)
    ends = [None, *cuts, None]
    return Grouping(by, tuple(name(*pair) for pair in pairwise(ends)), codes)
