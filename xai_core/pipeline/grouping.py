"""From a few words to groups: a fact of the samples, a tag, the size of the object, a run's errors, or clusters of it.

camera              a fact; numbers are cut into thirds, where they are more than a few
fact:mask-size      a fact that is called like one of the words below
tag:blurred         whether a sample has a tag
mask-size           thirds of the share of the picture that the mask covers
errors:RUN          what the run got right and what not: groups for a repair, not to measure by
clusters:RUN        two clusters of the run's features in each class (as GEORGE, Sohoni et al. 2020)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadInput, NotApplicable, NotFound, XaiError
from xai_core.store.facts import said
from xai_core.store.features import Features
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.store.subgroups import TAG, UNKNOWN, Grouping, tagged
from xai_core.words import percent

MASK_SIZE, ERRORS, CLUSTERS, FACT = "mask-size", "errors", "clusters", "fact:"
MOST_VALUES, FEW_NUMBERS, PARTS, CLUSTERS_OF_A_CLASS = 20, 5, 3, 2
LEAST_OF_A_CLASS = 10
"""Samples of a class below which it is one cluster."""

_Name = Callable[[float | None, float | None], str]
"""From the ends of a part to its name; None where it is open."""


def of_run(spec: str) -> tuple[str, str]:
    """`errors:RUN` → `errors`, `RUN`; "" for what is about no run, or does not name one."""
    kind, _, name = spec.partition(":")
    return (kind, name) if kind in (ERRORS, CLUSTERS) else ("", "")


def grouping(study: Study, spec: str, run: Run | None = None, features: Features | None = None) -> Grouping:
    """The groups that `spec` means.

    Args:
        study: whose samples are grouped.
        spec: as above.
        run: whose errors or clusters are meant where `spec` names no run.
        features: of the run, for clusters.

    Raises:
        NotFound: no such fact, tag or run.
        BadInput: one value for all, more values than anybody could look at, or what it is made of is not there.
    """
    kind, name = of_run(spec)
    if kind:
        about = study.run(name) if name else run
        if about is None:
            raise BadInput("of which run?", value=spec, remedy=f"Write {kind}:RUN.")
        made = _errors(about) if kind == ERRORS else _clusters(about, features)
    elif spec.startswith(TAG):
        made = _tag(study, spec.removeprefix(TAG))
    elif spec == MASK_SIZE:
        made = _mask_size(study)
    else:
        made = _fact(study, spec)
    if len(np.unique(made.codes[made.codes != UNKNOWN])) < 2:
        raise BadInput("this parts no samples", value=spec, remedy="Group by what differs between samples.")
    return made


def _tag(study: Study, tag: str) -> Grouping:
    known = study.annotations.known_tags()
    if tag not in known:
        raise NotFound.among("tag", tag, known)
    return tagged(study.path, tag, len(study.labels))


def _fact(study: Study, spec: str) -> Grouping:
    name = spec.removeprefix(FACT)
    if name not in study.facts.names:
        raise NotFound.among("fact", name, [*study.facts.names, MASK_SIZE, *map(TAG.__add__, _tags(study))])
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


def _tags(study: Study) -> Sequence[str]:
    try:
        return study.annotations.known_tags()
    except XaiError:
        return ()


def _mask_size(study: Study) -> Grouping:
    rows = np.flatnonzero(study.samples["has_mask"].to_numpy())
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


def _errors(run: Run) -> Grouping:
    if run.predictions is None:
        raise BadInput("this run has no predictions yet", value=run.name, remedy="xai predict makes them.")
    rows, codes = run.predictions.rows, np.full(len(run.study.labels), UNKNOWN, np.int64)
    codes[rows] = run.predictions.predicted != run.study.labels[rows]
    return Grouping(f"{ERRORS}:{run.name}", (f"right by {run.name}", f"wrong by {run.name}"), codes)


def _clusters(run: Run, features: Features | None) -> Grouping:
    """Two of each class, where it has enough samples, by k-means on scaled features; the larger one comes first."""
    from sklearn.cluster import KMeans

    if features is None:
        raise BadInput("the run has no features yet", value=run.name, remedy="xai repair computes them.")
    labels, codes = run.study.labels[features.rows], np.full(len(run.study.labels), UNKNOWN, np.int64)
    for label in np.unique(labels):
        inside = labels == label
        values = features.values[inside].astype(np.float64)
        values = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-12)
        found = np.zeros(len(values), np.int64)
        if len(values) >= LEAST_OF_A_CLASS and values.any():
            found = KMeans(CLUSTERS_OF_A_CLASS, n_init=4, random_state=run.study.info.seed % 2**32).fit_predict(values)
        codes[features.rows[inside]] = found if np.mean(found) <= 0.5 else 1 - found
    return Grouping(f"{CLUSTERS}:{run.name}", ("larger cluster", "smaller cluster"), codes)
