"""Do a run's heatmaps depend on what its model learned? Maps of the trained and of a randomised model, compared.

The numbers are means over the same pictures, and the verdict rests on the 95 % interval of the paired difference from
what maps of different pictures reach: a median of a dozen pictures has no such interval, and without one "more alike"
is no finding. A method that never asks the model is always checked along: it shows what failing looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.maps import Column, target_keys
from xai_core.answers.reasons import counted_reasons, reason_lines
from xai_core.answers.scope import Rows, Scope
from xai_core.sanity.check import Check, check
from xai_core.similarities import SIMILARITIES
from xai_core.store.maps import MISSING, REFUSED
from xai_core.triage.confusion import Cell
from xai_core.triage.intervals import MIN_BOOTSTRAP, bootstrap_mean
from xai_core.triage.ordering import drawn
from xai_core.types import Array
from xai_core.words import NO_NUMBER

COUNT = 12
"""Samples of the check: each needs two maps of every method."""
LEAST = 2
"""Samples below which there are no different pictures to compare with."""
CONTROL = "edges"
"""The method that never asks the model, so that its maps cannot change: what failing looks like."""
MEASURES = ("ssim", "spearman", "spearman-absolute")
"""The similarities that the verdict rests on; the others are given, but a few extreme pixels may decide them."""
SPEC = "predicted"
"""What both models' maps explain: the class that the trained model predicted."""
SAME = 0.999
ALIKE = 0.6
"""Where maps of different pictures are this alike on their own, being no more alike than they are says little."""
MODELS = ("trained", "randomised")
READ_AS = (
    "Left: the trained model's map against the randomised model's, same picture. Right: the trained model's maps of "
    "different pictures. > or < where the 95 % interval of the difference leaves out zero, ≈ where it does not."
)
_DIGITS = 4


@dataclass(frozen=True)
class Samples:
    """The samples that are checked. `words` says where they come from."""

    rows: Rows
    words: str


@dataclass(frozen=True)
class Reading:
    """One similarity of one method; NaN where there is no number.

    Attributes:
        value: mean similarity, trained against randomised, same picture.
        null: mean similarity of the trained model's maps of different pictures.
        difference, low, high: mean of the paired differences value − null, with its 95 % interval.
        sign: `>` or `<` where that interval excludes zero, else `≈`; "" with too few.
        n: pictures that have both.
    """

    value: float
    null: float
    difference: float
    low: float
    high: float
    sign: str
    n: int

    @property
    def words(self) -> str:
        """`0.12 > 0.05`."""
        if not np.isfinite(self.value):
            return NO_NUMBER
        value, null = _two(self.value), _two(self.null)
        return f"{value} {self.sign} {null}" if self.sign else value


@dataclass(frozen=True)
class Checked:
    """One method: what is there of the maps of both models, and what the similarities say.

    Attributes:
        key, title: of the method.
        checks, readings: by similarity; empty while there is nothing to compare.
        drawn: samples that were drawn.
        coming: maps still to be computed.
        refused: (of the trained, of the randomised model).
        reasons: why, and how many for each reason, by model.
    """

    key: str
    title: str
    checks: Mapping[str, Check]
    readings: Mapping[str, Reading]
    drawn: int
    coming: int
    refused: tuple[int, int]
    reasons: tuple[Mapping[str, int], Mapping[str, int]]

    @property
    def n(self) -> int:
        """Pictures that have a number."""
        return max((self.readings[name].n for name in MEASURES if name in self.readings), default=0)

    @property
    def sentence(self) -> str:
        """What follows from the numbers, and no more; and what is not in them."""
        said = "Not all heatmaps are computed yet." if self.coming else verdict(self.readings)
        pairs = zip(self.refused, MODELS, strict=True)
        refused = [f"{count} refused for the {model} model" for count, model in pairs if count]
        if refused:
            return f"{said} ({', '.join(refused)}.)"
        if not self.coming and self.n < self.drawn:
            return f"{said} ({self.drawn - self.n} constant maps have no similarity.)"
        return said

    def shown(self, similarity: str) -> str:
        """The numbers of one similarity, in words."""
        return self.readings[similarity].words if similarity in self.readings else NO_NUMBER


@dataclass(frozen=True)
class Sanity:
    """The answer.

    Attributes:
        scope: run and split.
        samples: that were drawn.
        seed: of the random weights.
        methods: what was found of each.
    """

    scope: Scope
    samples: Samples
    seed: int
    methods: Sequence[Checked]

    @property
    def about(self) -> str:
        """What was done, and what it is not."""
        return about(self.samples, self.seed)

    def as_json(self) -> dict[str, Any]:
        """Everything, JSON-able; NaN where there is no number."""
        ids = self.scope.study.samples["id"].iloc[self.samples.rows]
        return {
            "study": self.scope.study.name,
            "run": self.scope.run.name,
            "n": len(self.samples.rows),
            "samples": ids.tolist(),
            "seed": self.seed,
            "about": self.about,
            "titles": {one.key: one.title for one in self.methods},
            "methods": {one.key: {name: _json(one, name) for name in one.readings} for one in self.methods},
            "missing": {one.key: one.coming for one in self.methods},
            "refused": {one.key: self._refused(one) for one in self.methods},
            "conclusions": {one.key: one.sentence for one in self.methods},
        }

    def _refused(self, one: Checked) -> dict[str, dict[str, int]]:
        known = zip((TRAINED, randomised(self.seed)), one.reasons, strict=True)
        return {weights: dict(reasons) for weights, reasons in known if reasons}


TRAINED = "trained"


def randomised(seed: int) -> str:
    """The weights of the model whose maps the trained model's are compared with, as a store names them."""
    return f"randomised:{seed}"


def with_control(methods: Sequence[str]) -> tuple[str, ...]:
    """The methods with the control among them."""
    return tuple(dict.fromkeys([*methods, CONTROL]))


def samples(scope: Scope, cell: Cell | None = None, count: int = COUNT) -> Samples:
    """At most `count` samples of the split, or of a cell of it, drawn by the study's seed."""
    rows = scope.members.cell(*cell) if cell else scope.members.rows
    words = f"of the {'chosen cell' if cell else 'split'}, drawn by the study's seed"
    return Samples(drawn(rows, count, scope.study.info.seed), words)


def of_these(scope: Scope, rows: Rows, count: int = COUNT) -> Samples:
    """At most `count` of samples that were chosen one by one."""
    some = drawn(rows, count, scope.study.info.seed)
    words = "chosen by id" if len(some) == len(rows) else "of those chosen by id, drawn by the study's seed"
    return Samples(some, words)


def about(chosen: Samples, seed: int) -> str:
    """What is compared, on how many pictures, and what the check is not."""
    pictures = "picture" if len(chosen.rows) == 1 else "pictures"
    return (
        f"{len(chosen.rows)} {pictures} {chosen.words}. Each map is made twice: from the trained model, and from one "
        f"of the same shape with random weights (seed {seed}). A map that stays the same cannot show what was learned. "
        "This is one randomisation of all layers at once; the cascade, layer by layer, is not part of this check."
    )


Compare = Callable[[Array, Array], dict[str, Check]]


def compare(trained: Array, random: Array) -> dict[str, Check]:
    """Every similarity of two stacks of maps, by key: see `xai_core.sanity.check`."""
    return {one.similarity: one for one in check(trained, random)}


def sanity(
    scope: Scope,
    chosen: Samples,
    pairs: Sequence[tuple[Column, Column]],
    seed: int,
    *,
    compared: Compare = compare,
) -> Sanity:
    """Read what is stored of both models' maps by now, and answer from it.

    Args:
        scope: run and split.
        chosen: the samples, at least LEAST.
        pairs: each method on the trained and on the randomised model.
        seed: of the random weights.
        compared: `compare`, for who keeps its results.
    """
    return Sanity(scope, chosen, seed, [_checked(scope, *pair, chosen.rows, compared) for pair in pairs])


def _checked(scope: Scope, trained: Column, random: Column, rows: Rows, compared: Compare) -> Checked:
    keys = target_keys(scope.run, rows, SPEC)
    stored = [column.maps.get(rows, keys) if column.maps else None for column in (trained, random)]
    states = [found.state if found else np.full(len(rows), MISSING) for found in stored]
    refused = [int((state == REFUSED).sum()) for state in states]
    reasons = [counted_reasons(found.refusals) if found else {} for found in stored]
    checks: dict[str, Check] = {}
    if stored[0] and stored[1] and stored[0].maps.size and stored[0].maps.shape == stored[1].maps.shape:
        checks = compared(stored[0].maps, stored[1].maps)
    return Checked(
        key=trained.card.key,
        title=trained.card.title,
        checks=checks,
        readings={name: reading(one, scope.study.info.seed) for name, one in checks.items()},
        drawn=len(rows),
        coming=sum(int((state == MISSING).sum()) for state in states),
        refused=(refused[0], refused[1]),
        reasons=(reasons[0], reasons[1]),
    )


def reading(one: Check, seed: int) -> Reading:
    """What one similarity of all samples says; the seed is the bootstrap's."""
    both = np.isfinite(one.values) & np.isfinite(one.null)
    n = int(both.sum())
    if not n:
        return Reading(*(np.nan,) * 5, "", 0)
    gap = bootstrap_mean(one.values[both] - one.null[both], seed=seed)
    low, high = float(gap.low), float(gap.high)
    sign = "" if n < MIN_BOOTSTRAP else ">" if low > 0 else "<" if high < 0 else "≈"
    return Reading(float(one.values[both].mean()), float(one.null[both].mean()), float(gap.value), low, high, sign, n)


def verdict(readings: Mapping[str, Reading]) -> str:
    """What readings of MEASURES mean, in words."""
    known = {name: readings[name] for name in MEASURES if name in readings and readings[name].sign}
    if not known:
        return "Too few maps to say."
    if all(reading.value > SAME for reading in known.values()):
        return "The same map for any weights: it shows nothing of what the model learned."
    more = [_title(name) for name, reading in known.items() if reading.sign == ">"]
    if len(more) == len(known):
        return (
            "With random weights, maps stay more alike than those of different pictures on every measure: a part of "
            "what they show does not come from what was learned."
        )
    if more:
        rest = [_title(name) for name, reading in known.items() if reading.sign != ">"]
        return (
            f"With random weights, maps stay more alike than those of different pictures on {_and(more)}, "
            f"but not on {_and(rest)}."
        )
    highest = max(reading.null for reading in known.values())
    if highest > ALIKE:
        return (
            f"Not measurably more alike than maps of different pictures, but those are alike themselves (up to "
            f"{highest:.2f}): this says little."
        )
    return (
        "With random weights, maps are not measurably more alike than those of different pictures: they change with "
        "the weights."
    )


def text(result: Mapping[str, Any]) -> str:
    """The answer's JSON form as lines for people."""
    lines = [f"{result['run']}: {result['about']}", READ_AS]
    titles = [_title(name) for name in MEASURES]
    width = max(len("Method"), *map(len, result["titles"].values()))
    columns = [max(16, len(title)) for title in titles]
    head = "  ".join(f"{title:<{column}}" for title, column in zip(titles, columns, strict=True))
    lines.append(f"  {'Method':<{width}}  {head}  Pictures")
    for key, title in result["titles"].items():
        found = result["methods"][key]
        numbers = [found[name]["words"] if name in found else NO_NUMBER for name in MEASURES]
        row = "  ".join(f"{number:<{column}}" for number, column in zip(numbers, columns, strict=True))
        n = max((found[name]["n"] for name in MEASURES if name in found), default=0)
        lines += [f"  {title:<{width}}  {row}  {n} of {result['n']}", f"    {result['conclusions'][key]}"]
        for weights, reasons in result["refused"][key].items():
            lines += [f"    {weights}: {line}" for line in reason_lines(reasons)]
    return "\n".join(lines)


def _json(one: Checked, name: str) -> dict[str, Any]:
    found, every = one.readings[name], one.checks[name]
    numbers = {"mean": found.value, "null_mean": found.null, "difference": found.difference}
    rounded = {key: round(value, _DIGITS) for key, value in (numbers | {"low": found.low, "high": found.high}).items()}
    each: NDArray[np.float64] = np.round(every.values.astype(float), _DIGITS)
    return rounded | {"sign": found.sign, "n": found.n, "words": found.words, "values": each.tolist()}


def _two(value: float) -> str:
    """Two decimals; zero has no sign."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def _title(similarity: str) -> str:
    return SIMILARITIES[similarity].card.title


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
