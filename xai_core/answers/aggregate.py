"""What does the model look at, on the whole? The maps of a confusion's three groups, and what they have in common.

Intervals and tests are seeded by the study's seed, as the samples are drawn by it (`answers.groups`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from xai_core.answers.groups import LIMIT, Group, Groups, Maps, groups
from xai_core.answers.maps import Column, target_keys
from xai_core.answers.on_object import OnObjects, on_objects
from xai_core.answers.reasons import reason_lines
from xai_core.answers.scope import Scope, where_words
from xai_core.task import SEGMENTATION
from xai_core.text import counted
from xai_core.triage.aggregates import (
    MeanDifference,
    centre_of_mass,
    mean_difference,
    vertical_profile,
)
from xai_core.triage.confusion import Cell
from xai_core.triage.intervals import Estimate
from xai_core.triage.resemblance import Resemblance, resemblance
from xai_core.words import NO_NUMBER, percent

FEW = 10
"""Below this many maps a mean is said to be of few."""
SCALES = ("each", "shared")
UNITS = {"each": "share of each map's maximum", "shared": "evidence, in the method's unit"}
"""What the numbers of a mean map are, by scale: each map divided by its own maximum, or as it is."""
TARGETS = ("predicted", "true")
"""Whose evidence the maps show: one class for all of a group."""
_DIGITS = 5


@dataclass(frozen=True)
class Measures:
    """What the maps of the groups say, in the order of GROUPS.

    Attributes:
        profiles: `(h,)` evidence from the top to the bottom.
        centres: `(2,)` (down, right) in [0, 1]: the mean of the maps' centres of mass.
        differences: the confused against the recognised of the true and of the predicted class; None without maps.
        resemblance: which class the maps of the confused look like.
    """

    profiles: tuple[Estimate, Estimate, Estimate]
    centres: tuple[Estimate, Estimate, Estimate]
    differences: tuple[MeanDifference | None, MeanDifference | None]
    resemblance: Resemblance


def measure(maps: tuple[Maps, Maps, Maps], seed: int) -> Measures:
    """All numbers about the maps of the groups, `(n, h, w)` each; takes about a second for three times 60 maps."""
    true, confused, predicted = maps
    return Measures(
        profiles=_three(vertical_profile(each, seed=seed) for each in maps),
        centres=_three(centre_of_mass(each, seed=seed) for each in maps),
        differences=(_difference(confused, true, seed), _difference(confused, predicted, seed)),
        resemblance=resemblance(confused, true, predicted, seed=seed),
    )


def _three(estimates: Iterator[Estimate]) -> tuple[Estimate, Estimate, Estimate]:
    first, second, third = estimates
    return first, second, third


def _difference(confused: Maps, recognised: Maps, seed: int) -> MeanDifference | None:
    return mean_difference(confused, recognised, seed=seed) if len(confused) and len(recognised) else None


@dataclass(frozen=True)
class Aggregate:
    """The answer: the groups, what is measured of them, and the sentences that follow.

    `masks` is how much of each group's evidence lies on its objects; empty where no sample has a mask.
    """

    scope: Scope
    cell: Cell
    column: Column
    spec: str
    scale: str
    groups: Groups
    measures: Measures
    masks: tuple[OnObjects, ...] = ()

    @property
    def on_object(self) -> list[tuple[str, str, str, int]]:
        """Of each group with scored maps: title, the share of its evidence on the object (with interval), the masks'
        share of the area, and n."""
        known = zip(self.groups, self.masks or (None,) * 3, strict=True)
        return [(group.title, one.words, percent(one.area), one.n) for group, one in known if one and one.n]

    @property
    def counted(self) -> list[str]:
        """How many samples were drawn; how many maps are missing, and why; at what grid they are compared."""
        reasons = list(dict.fromkeys(reason for group in self.groups for reason in group.reasons))
        lacking = [*_left_out(self.groups), *_several(reasons)]
        return [*_alone(self), *_drawn(self.groups), *lacking, *_coarser(self.groups)]

    @property
    def few(self) -> str:
        """A warning where a mean is of few maps, or ""."""
        few = [f"{group.title}: {len(group.maps)}" for group in self.groups if 0 < len(group.maps) < FEW]
        return f"Few pictures ({'; '.join(few)}): a single one can change such a mean." if few else ""

    @property
    def centres(self) -> list[tuple[str, str, str, int]]:
        """Of each group with maps: title, how far down and how far right its evidence lies (with interval), and n."""
        known = zip(self.groups, self.measures.centres, strict=True)
        return [(group.title, _percent(one, 0), _percent(one, 1), one.n) for group, one in known if len(group.maps)]

    @property
    def differences(self) -> list[tuple[Group, MeanDifference, str]]:
        """The recognised groups that the confused are compared with, the difference, and what follows from it."""
        pairs = zip((self.groups.true, self.groups.predicted), self.measures.differences, strict=True)
        return [(group, one, _significance(group, one)) for group, one in pairs if one is not None]

    @property
    def resembles(self) -> str:
        """Which class the maps of the confused look like, in a sentence with its numbers."""
        found = self.measures.resemblance
        true, predicted = (self.scope.names[index] for index in self.cell)
        if not found.n or not found.references:
            return f"There is nothing to compare: both {true} and {predicted} need recognised samples with maps."
        p = "" if np.isnan(found.low) else " p < 0.001." if found.p < 0.001 else f" p = {found.p:.3f}."
        return found.sentence + p

    @property
    def read_as(self) -> str:
        """What the similarities behind `resembles` are, and on how many maps they stand."""
        found = self.measures.resemblance
        true, predicted = (self.scope.names[index] for index in self.cell)
        left_out = f" {found.left_out} maps without any variation are left out." if found.left_out else ""
        return (
            f"Each dot is one picture of {true} that was taken for {predicted}: how its map correlates, pixel by "
            f"pixel, with the mean map of each class. Both means are of {counted(found.references, 'map')}.{left_out}"
        )

    @property
    def sentences(self) -> list[str]:
        """All that is said, in the order of the page."""
        said = [*self.counted, self.few, *(sentence for _, _, sentence in self.differences)]
        return [*filter(None, said), *([self.resembles] if any(len(group.maps) for group in self.groups) else [])]

    def as_json(self) -> dict[str, Any]:
        """Everything, JSON-able; NaN where there is no number."""
        true, predicted = (self.scope.names[index] for index in self.cell)
        seed = self.scope.study.info.seed
        about = {"study": self.scope.study.name, "run": self.scope.run.name, "split": self.scope.split, "seed": seed}
        about["where"] = where_words(self.scope.where).strip()
        about |= {"method": self.column.card.key, "title": self.column.card.title, "target": self.spec}
        parts = zip(self.groups, self.measures.profiles, self.measures.centres, strict=True)
        return about | {
            "scale": self.scale,
            "true": true,
            "predicted": predicted,
            "groups": {group.name: _group_json(group, profile, centre) for group, profile, centre in parts},
            "centres": [list(line) for line in self.centres],
            "on_object": {group.name: one.as_json() for group, one in zip(self.groups, self.masks, strict=False)},
            "differences": {group.name: _difference_json(one, said) for group, one, said in self.differences},
            "resemblance": _rounded(asdict(self.measures.resemblance)) | {"sentence": self.resembles},
            "sentences": self.sentences,
        }


def aggregate(
    scope: Scope,
    cell: Cell,
    column: Column,
    spec: str = "predicted",
    *,
    scale: str = "each",
    limit: int = LIMIT,
    align: bool = False,
    measured: Callable[[tuple[Maps, Maps, Maps], int], Measures] = measure,
    masked: Callable[[Scope, Column, Groups], tuple[OnObjects, ...]] | None = None,
) -> Aggregate:
    """Read what is stored of a confusion's maps by now, and answer from it.

    Args:
        scope: run and split.
        cell: a confusion, off the diagonal.
        column: the method.
        spec: one of TARGETS.
        scale: one of SCALES. `each` divides each map by its maximum, so that every sample counts alike; `shared`
            takes them as they are, so that strong evidence counts for more.
        limit: samples of each group, at most.
        align: of a segmenter, around what is explained (see `groups.groups`).
        measured: `measure`, for who keeps its results.
        masked: `on_masks`, likewise.
    """
    found = groups(scope, cell, column, spec, scale=scale, limit=limit, align=align)
    measures = measured(found.maps, scope.study.info.seed)
    return Aggregate(scope, cell, column, spec, scale, found, measures, (masked or on_masks)(scope, column, found))


def on_masks(scope: Scope, column: Column, found: Groups) -> tuple[OnObjects, ...]:
    """How much of the evidence of each group lies on its objects; () where no sample has a mask."""
    masks = scope.study.samples["has_mask"].to_numpy()
    if not any(masks[group.rows].any() for group in found):
        return ()
    return tuple(
        on_objects(scope.run, column.card, column.maps, group.rows, target_keys(scope.run, group.rows, group.spec))
        for group in found
    )


def text(result: Mapping[str, Any]) -> str:
    """The answer's JSON form as lines for people."""
    lines = [f"{result['title']} on {result['run']}: {result['true']} taken for {result['predicted']}"]
    lines += [f"Only samples {result['where']}."] if result["where"] else []
    centres = {title: (down, right) for title, down, right, _ in result["centres"]}
    width = max(len(group["title"]) for group in result["groups"].values())
    for name, group in result["groups"].items():
        begin = f"  {group['title']:<{width}} "
        if group["n"]:
            down, right = centres[group["title"]]
            lines.append(f"{begin}n = {group['n']}, centre of the evidence {down} from the top, {right} from the left")
        else:
            lines.append(begin + ("no maps" if group["left_out"] else "no samples"))
        lines += [f"  {'':<{width}} {line}" for line in reason_lines(group["reasons"])]
        on = result["on_object"].get(name)
        if on and on["n"]:
            lines.append(f"  {'':<{width}} {OnObjects(**on).sentence}")
    return "\n".join([*lines, *result["sentences"]])


def _alone(found: Aggregate) -> list[str]:
    """Of a segmenter: how pictures are shared out, and around what maps are cut."""
    if found.scope.study.info.task != SEGMENTATION:
        return []
    shared = "A picture with pixels of several groups is in one of them only."
    cut = "Maps are cut around the largest part of what they explain, with as much again around it."
    return [shared, cut] if any(group.boxes is not None for group in found.groups) else [shared]


def _drawn(found: Groups) -> list[str]:
    drawn = [group for group in found if group.total > len(group.rows)]
    words = ", ".join(f"{len(group.rows)} of {group.total:,} ({group.title})" for group in drawn)
    return [f"Drawn by the study's seed: {words}."] if drawn else []


def _left_out(found: Groups) -> list[str]:
    every = sum(len(group.rows) for group in found)
    counts = {
        "not computed yet": sum(group.coming for group in found),
        "refused by the method": sum(group.refused for group in found),
    }
    return [f"{count} of {every} maps {why}." for why, count in counts.items() if count]


def _several(reasons: Sequence[str]) -> list[str]:
    """The first reason; others differ in a number only, or are few."""
    more = [f"({len(reasons) - 1} more reasons are told at each picture.)"] if len(reasons) > 1 else []
    return [*(f"{reason[:1].upper()}{reason[1:]}" for reason in reasons[:1]), *more]


def _coarser(found: Groups) -> list[str]:
    """That large maps are averaged to a coarser grid, with both sizes; nothing where they are not."""
    group = next((group for group in found if len(group.maps)), None)
    if group is None or group.native == group.maps.shape[:0:-1]:
        return []
    (width, height), (columns, rows) = group.native, group.maps.shape[:0:-1]
    return [
        f"Each map of {width} × {height} pixels is averaged to a grid of {columns} × {rows}: "
        "single pixels are too noisy to compare."
    ]


def _percent(estimate: Estimate, axis: int) -> str:
    value, low, high = (float(numbers[axis]) for numbers in (estimate.value, estimate.low, estimate.high))
    if not np.isfinite(value):
        return NO_NUMBER
    return percent(value, 0) + (f" ({100 * low:.0f}–{100 * high:.0f})" if np.isfinite(low) else "")


def _significance(group: Group, result: MeanDifference) -> str:
    n, m = result.n
    against = f"Against {group.title} (n = {n} and {m}): "
    if min(n, m) < 2:
        return f"{against}too few maps to tell a difference from chance."
    share = float(result.significant.mean())
    if not share:
        return f"{against}nowhere does the difference exceed what chance gives (95 %, the whole map at once)."
    shown = "less than 1 %" if share < 0.01 else percent(share, 0)
    return f"{against}outlined, {shown} of the map differs by more than chance (95 %, the whole map at once)."


def _group_json(group: Group, profile: Estimate, centre: Estimate) -> dict[str, Any]:
    about = {"title": group.title, "n": len(group.maps), "drawn": len(group.rows), "total": group.total}
    about |= {"left_out": len(group.rows) - len(group.maps), "missing": group.coming, "refused": group.refused}
    about["reasons"] = dict(group.reasons)
    if not len(group.maps):
        return about | {"mean": None, "profile": None, "centre": None}
    return about | {
        "native": list(group.native),
        "mean": _rounded(group.mean),
        "profile": _estimate_json(profile),
        "centre": _estimate_json(centre) | {"n": centre.n},
    }


def _estimate_json(estimate: Estimate) -> dict[str, Any]:
    return {name: _rounded(getattr(estimate, name)) for name in ("value", "low", "high")}


def _difference_json(found: MeanDifference, sentence: str) -> dict[str, Any]:
    numbers = {"n": list(found.n), "values": _rounded(found.values), "p": _rounded(found.p)}
    return numbers | {"significant": found.significant.tolist(), "sentence": sentence}


def _rounded(value: Any) -> Any:
    """Numbers and arrays as JSON has them, to as many digits as anybody reads."""
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return np.round(value, _DIGITS).tolist()
