"""From a few words to groups: a fact of the samples, a tag, the size of the object, a run's errors, or clusters of it.

camera              a fact; numbers are cut into thirds, where they are more than a few
fact:mask-size      a fact that is called like one of the words below
tag:blurred         whether a sample has a tag
mask-size           thirds of the share of the picture that the mask covers
errors:RUN          what the run got right and what not: groups for a repair, not to measure by
clusters:RUN        two clusters of the run's features in each class (as GEORGE, Sohoni et al. 2020)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xai_core.errors import BadInput, NotFound, XaiError
from xai_core.store.attributes import FACT, MASK_SIZE, by_fact, by_mask_size, by_tag
from xai_core.store.features import Features
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.store.subgroups import TAG, UNKNOWN, Grouping
from xai_core.task import need_samples

ERRORS, CLUSTERS = "errors", "clusters"
CLUSTERS_OF_A_CLASS = 2
LEAST_OF_A_CLASS = 10
"""Samples of a class below which it is one cluster."""


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
        made = by_mask_size(study)
    else:
        made = _fact(study, spec)
    if len(np.unique(made.codes[made.codes != UNKNOWN])) < 2:
        raise BadInput("this parts no samples", value=spec, remedy="Group by what differs between samples.")
    return made


def _tag(study: Study, tag: str) -> Grouping:
    known = study.annotations.known_tags()
    if tag not in known:
        raise NotFound.among("tag", tag, known)
    return by_tag(study, tag)


def _fact(study: Study, spec: str) -> Grouping:
    if (name := spec.removeprefix(FACT)) not in study.facts.names:
        raise NotFound.among("fact", name, [*study.facts.names, MASK_SIZE, *map(TAG.__add__, _tags(study))])
    return by_fact(study, spec)


def _tags(study: Study) -> Sequence[str]:
    try:
        return study.annotations.known_tags()
    except XaiError:
        return ()


def _errors(run: Run) -> Grouping:
    need_samples(run.study.info.task, run.study.name)
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
