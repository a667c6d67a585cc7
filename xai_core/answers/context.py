"""Does the model look at the object or at its surroundings? Evidence of maps, by distance from what they are about.

The distance is from the region, of a classifier from the object, as a share of the picture's shorter side. How much of
the evidence lies there says little by itself: nearly all of a picture lies outside of a wire. So each band stands
beside its share of the area, and each method beside the controls, which know nothing of the model.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.controls import name, number
from xai_core.answers.lines import paragraphs, table
from xai_core.answers.maps import Column, explain_many_line, target_keys
from xai_core.answers.quality_choice import with_controls
from xai_core.answers.question import Asked, Choice, Question
from xai_core.answers.scope import Rows, Scope
from xai_core.errors import BadInput, XaiError
from xai_core.metrics.distances import beyond, distances
from xai_core.metrics.grids import on_grid
from xai_core.models.preprocess import Preprocess
from xai_core.regions import spec_name
from xai_core.store.maps import MISSING, STORED
from xai_core.store.targets import asked_about
from xai_core.task import SEGMENTATION
from xai_core.triage.context import EDGES, Bands, Shares, banded, in_bands
from xai_core.triage.ordering import drawn
from xai_core.triage.paired import Differences, simultaneous
from xai_core.types import Card, Target
from xai_core.words import NO_NUMBER, percent

MOST = 500
"""Samples that are looked at; of more with maps so many are drawn by the study's seed."""

AT_ONCE = 16
"""Samples whose maps are in memory together."""


@dataclass(frozen=True)
class Against:
    """A method's share of evidence outside less a control's, on the pictures of both; see `triage.paired`."""

    control: Card
    difference: float
    low: float
    high: float
    n: int

    @property
    def words(self) -> str:
        """`Random −12.1 (−15.2 to −9.0)`, in percentage points."""
        bounds = f" ({_points(self.low)} to {_points(self.high)})" if np.isfinite(self.low) else ""
        return f"{name(self.control)} {_points(self.difference)}{bounds}"


@dataclass(frozen=True)
class OfMethod:
    """One method: its evidence in each band, of `n` maps; `missing` are not computed, `others` have none to count."""

    card: Card
    bands: Bands
    n: int
    missing: int
    others: int
    against: Sequence[Against]

    @property
    def outside(self) -> tuple[float, float, float]:
        """The share outside, and its interval."""
        inside = self.bands.share
        return 1 - float(inside.value[0]), 1 - float(inside.high[0]), 1 - float(inside.low[0])

    @property
    def sentence(self) -> str:
        """What it says, in a line."""
        share, area = outside_words(self)
        return f"{self.card.title}: {share} of the evidence lies outside, n = {self.n}; outside is {area} of the area."


@dataclass(frozen=True)
class ContextAnswer:
    """The answer.

    Attributes:
        scope, target: what the maps are of; `of`: pictures with a map, of which `looked` were looked at.
        place: what maps are about: `region` of a segmenter, `object` of a classifier.
        methods: those with maps, controls at the end.
        command: what computes what is missing.
    """

    scope: Scope
    target: str
    place: str
    of: int
    looked: int
    methods: Sequence[OfMethod]
    command: str

    @property
    def believable(self) -> list[OfMethod]:
        """Those that are no controls."""
        return [each for each in self.methods if not each.card.control]

    @cached_property
    def bands(self) -> list[str]:
        """What the bands are called."""
        ends = [f"{100 * edge:g}" for edge in EDGES]
        between = [f"{low} to {high} % away" for low, high in pairwise(ends[1:])]
        return [f"in the {self.place}", f"up to {ends[1]} % away", *between, f"over {ends[-1]} % away"]

    @property
    def sentences(self) -> list[str]:
        """What each method says, and how that differs from controls."""
        found = []
        for each in self.believable:
            found.append(each.sentence)
            if each.against:
                found.append(f"Points of evidence outside, less those of controls: {against_words(each)}.")
        return found

    def as_json(self) -> dict[str, Any]:
        """As JSON; null where there is no number."""
        return {
            "run": self.scope.run.name,
            "split": self.scope.split,
            "target": self.target,
            "place": self.place,
            "edges": EDGES.tolist(),
            "bands": self.bands,
            "pictures": self.looked,
            "of": self.of,
            "methods": [_json(each) for each in self.methods],
            "sentences": self.sentences,
            "command": self.command,
        }

    def text(self) -> str:
        """For people."""
        head = f"{self.scope.run.name}, {self.scope.samples}, target {self.target}: evidence by its distance"
        if not self.methods:
            return paragraphs(head, f"No maps with evidence are stored. This computes them:\n{self.command}")
        parts = [paragraphs(each.card.title, table(lines_of(self, each), right=(1, 3))) for each in self.methods]
        missing = any(each.missing for each in self.methods)
        more = f"What is not computed yet comes with:\n{self.command}" if missing else ""
        return paragraphs(f"{head}\n{HOW}", *parts, "\n".join(self.sentences), more)


HOW = (
    "Distances are shares of the picture's shorter side. Times is the share of the evidence over that of the area: 1 "
    "is what a map gives that is the same everywhere. Intervals hold in 95 % of cases, over pictures."
)


SAME_EVERYWHERE = "the same everywhere"
"""The map that all others are compared with, as a picture names it."""


def outside_words(each: OfMethod) -> tuple[str, str]:
    """The share of the evidence that lies outside, with its interval; and the share of the area that does."""
    value, low, high = each.outside
    return " ".join(filter(None, [percent(value), _bounds(100 * low, 100 * high)])), percent(1 - each.bands.area[0])


def against_words(each: OfMethod) -> str:
    """`Random −12.1 (−15.2 to −9.0), …`; "" of a control."""
    told = ", ".join(one.words for one in each.against)
    few = bool(told) and not any(np.isfinite(one.low) for one in each.against)
    return f"{told}: too few pictures to tell" if few else told


def lines_of(found: ContextAnswer, each: OfMethod) -> list[tuple[str, str, str, str, str]]:
    """A line for each band of a method: which, share of the evidence, of the area, and how many times."""
    share, times = each.bands.share, each.bands.times
    heads = ("", "of the evidence", "(95 %)", "of the area", "times (95 %)")
    return [heads] + [
        (
            band,
            percent(share.value[at]),
            _bounds(100 * share.low[at], 100 * share.high[at]),
            percent(each.bands.area[at]),
            times_words(times.value[at], times.low[at], times.high[at]),
        )
        for at, band in enumerate(found.bands)
    ]


def context(scope: Scope, rows: Rows, target: str, wanted: Sequence[Column], command: str = "") -> ContextAnswer:
    """From what is stored by now.

    Args:
        scope: a run with predictions.
        rows: row numbers of samples; of those with a map at most MOST are looked at.
        target: what the maps explain: one of TARGET_SPECS, a class index or a target's key.
        wanted: methods, controls among them.
        command: what computes what is missing.

    Raises:
        BadInput: samples without predictions.
    """
    study = scope.study
    keys = dict(zip(rows.tolist(), target_keys(scope.run, rows, target), strict=True))
    has = np.zeros(len(rows), dtype=bool)
    for column in wanted:
        has |= column.maps.state(rows, list(keys.values())) == STORED if column.maps else has
    looked = np.sort(drawn(rows[has], MOST, study.info.seed))
    shares, areas, missing = _measured(scope, looked, [keys[row] for row in looked.tolist()], wanted)
    made = [
        (column.card, shares[at], int(missing[at].sum()))
        for at, column in sorted(enumerate(wanted), key=lambda pair: pair[1].card.control)
        if np.isfinite(shares[at]).any()
    ]
    told = _differences(made, study.info.seed)
    methods = [_of_method(card, found, areas, short, told, study.info.seed) for card, found, short in made]
    place = "region" if study.info.task == SEGMENTATION else "object"
    said = spec_name(target, study.class_names)
    return ContextAnswer(scope, said, place, int(has.sum()), len(looked), methods, command)


def _measured(
    scope: Scope, rows: Rows, keys: Sequence[str], wanted: Sequence[Column]
) -> tuple[Shares, Shares, NDArray[np.bool_]]:
    """`(M, N, B)` shares of evidence, NaN where none; `(N, B)` of the area; `(M, N)` which maps are missing."""
    shares = np.full((len(wanted), len(rows), len(EDGES) + 1), np.nan)
    areas, missing = np.full(shares.shape[1:], np.nan), np.ones(shares.shape[:2], dtype=bool)
    for first in range(0, len(rows), AT_ONCE):
        at = slice(first, first + AT_ONCE)
        stored = [column.maps.get(rows[at], keys[at]) if column.maps else None for column in wanted]
        for place, (row, key) in enumerate(zip(rows[at].tolist(), keys[at], strict=True), first):
            distance = _distance(scope, row, key)
            if distance is None:
                continue
            areas[place] = in_bands(beyond(np.ones(distance.shape), distance, EDGES)[None])[0]
            for number_, maps in enumerate(stored):
                if maps is None or maps.state[place - first] == MISSING:
                    continue
                missing[number_, place] = False
                if maps.state[place - first] == STORED:
                    shares[number_, place] = _of_map(maps.maps[place - first], distance)
    return shares, areas, missing


def _of_map(pixels: NDArray[np.float32], distance: Shares) -> Shares:
    """`(B,)` shares of a map's positive evidence; NaN where it has none, or is the same everywhere."""
    if not pixels.size or not np.isfinite(pixels).all() or pixels.max() == pixels.min():
        return np.full(len(EDGES) + 1, np.nan)
    (evidence,) = on_grid(np.maximum(pixels, 0)[None], (distance.shape[0], distance.shape[1]))
    return in_bands(beyond(evidence, distance, EDGES)[None])[0]


def _distance(scope: Scope, row: int, key: str) -> Shares | None:
    """From what a map is about; None where the sample has no such place, or it cannot be read, or it is everywhere."""
    if scope.run.info.preprocess is None:
        return None
    preprocess = Preprocess.from_dict(scope.run.info.preprocess).whole
    try:
        there = asked_about(scope.run, row, Target.parse(key), preprocess)
    except XaiError:
        return None
    return None if there is None or not there.any() or there.all() else distances(there)


Made = tuple[Card, Shares, int]
"""A method, `(N, B)` its shares, and how many maps are missing."""


def _of_method(
    card: Card, shares: Shares, areas: Shares, missing: int, told: Mapping[str, Sequence[Against]], seed: int
) -> OfMethod:
    good = np.isfinite(shares[:, 0])
    bands = banded(shares[good], areas[good], seed)
    return OfMethod(
        card, bands, int(good.sum()), missing, len(good) - int(good.sum()) - missing, told.get(card.key, ())
    )


def _differences(made: Sequence[Made], seed: int) -> dict[str, list[Against]]:
    """Each method against each control, in the share outside; all intervals hold at once."""
    pairs = [(one, control) for one, control in product(made, made) if control[0].control and not one[0].control]
    if not pairs:
        return {}
    gains = np.stack([control[1][:, 0] - one[1][:, 0] for one, control in pairs], axis=1)
    told = simultaneous(gains, seed)
    found: dict[str, list[Against]] = {}
    for at, (one, control) in enumerate(pairs):
        found.setdefault(one[0].key, []).append(_against(control[0], told, at))
    return found


def _against(control: Card, told: Differences, at: int) -> Against:
    return Against(control, float(told.mean[at]), float(told.low[at]), float(told.high[at]), int(told.n[at]))


def _json(each: OfMethod) -> dict[str, Any]:
    share, times = each.bands.share, each.bands.times
    outside = dict(zip(("value", "low", "high"), map(number, each.outside), strict=True))
    bounds = {
        "share": share.value, "share_low": share.low, "share_high": share.high, "area": each.bands.area,
        "times": times.value, "times_low": times.low, "times_high": times.high,
    }  # fmt: skip
    return {
        "method": each.card.key,
        "title": each.card.title,
        "control": each.card.control,
        "n": each.n,
        "missing": each.missing,
        "without_evidence": each.others,
        "outside": outside,
        **{key: [number(value) for value in values] for key, values in bounds.items()},
        "against": [
            {"control": one.control.key, "difference": number(one.difference), "low": number(one.low),
             "high": number(one.high), "n": one.n}
            for one in each.against
        ],
    }  # fmt: skip


def _bounds(low: float, high: float) -> str:
    return f"({low:.1f}–{high:.1f})" if np.isfinite(low) else ""


def _points(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")


def times_words(value: float, low: float, high: float) -> str:
    """`3.1 (2.5–3.8)`; a dash where no picture reaches that far."""
    if not np.isfinite(value):
        return NO_NUMBER
    return f"{value:.2f}" + (f" ({low:.2f}–{high:.2f})" if np.isfinite(low) else "")


def answer(asked: Asked) -> ContextAnswer:
    """Of all samples that were predicted, or of a cell of the confusion.

    Raises:
        BadInput: nothing was predicted.
    """
    scope = asked.scope()
    rows = scope.cell(*asked.cell) if asked.cell else scope.predicted
    if not len(rows):
        remedy = f"Predict first: {shlex.join(['xai', 'predict', str(scope.study.path), '--run', scope.run.name])}."
        raise BadInput("there are no predictions here", value=scope.split, remedy=remedy)
    methods = with_controls(scope.run, asked.methods)
    wanted = replace(asked, methods=tuple(methods)).columns(scope.run)
    line = explain_many_line(scope, wanted, asked.cell, asked.target)
    return context(scope, rows, asked.target, wanted, line)


CHOICES: tuple[Choice, ...] = ("run", "split", "where", "cell", "methods", "target")
QUESTION = Question("context", "Does the model look at the object or at its surroundings?", CHOICES, answer)
