"""Do a run's heatmaps depend on what its model learned? A verdict for each method, from intervals alone.

Read from stored similarities (`answers.cascade`); what the verdicts rest on stands in `xai_core.sanity.verdict`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xai_core.answers.cascade import Cascade, orders_of, stored
from xai_core.answers.maps import Column, settings
from xai_core.answers.reasons import reason_lines
from xai_core.answers.scope import Rows, Scope
from xai_core.answers.speed import seconds_per_map
from xai_core.explainers import EXPLAINERS
from xai_core.params import as_dict, build
from xai_core.sanity.orders import SAMPLES, SEEDS, SPEC
from xai_core.sanity.verdict import LEAST, LEAST_SEEDS, MEASURES, Finding, Interval, Kind, two_way
from xai_core.similarities import SIMILARITIES
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.text import counted, joined
from xai_core.triage.confusion import Cell
from xai_core.triage.ordering import drawn
from xai_core.words import NO_NUMBER, duration

__all__ = ["MEASURES", "SAMPLES", "SEEDS", "SPEC"]

COUNT = 12
"""Samples whose maps a page shows side by side."""
TRAINED = "trained"
KINDS: Mapping[Kind, str] = {
    "passes": "Depends on what was learned",
    "fails": "Does not pass",
    "undecided": "Undecided",
    "unchecked": "Not checked",
}
"""Each in a few words, for tables and badges."""
NO_RANKING = (
    "This is no ranking. Noise is the least alike of all, so a lower curve is not a better method (Binder et al., "
    "CVPR 2023); randomising from the output keeps the scales of activations, so some maps can only change so far; "
    "verdicts depend on the task (Yona and Greenfeld 2021) and on order, similarity and preprocessing (Hedström et "
    "al. 2024). It can show that a map ignores the model, not that it is right."
)
READ_AS = (
    "Each map is made by the trained model and by copies with random weights; the same class is explained. A method "
    "that ignores the model gives the same map, or one as alike as when it is asked twice; what says nothing of its "
    "picture is as alike as maps of different pictures. Intervals are over samples and seeds, 95 %."
)


@dataclass(frozen=True)
class Verdict:
    """What is said of one method on one model.

    Attributes:
        kind: `passes`, `fails`, `undecided` or `unchecked`.
        sentence: why, in one plain sentence or two.
        since: the layer from which on to the output random weights are distinguishable; "" where none is.
        n, seeds: samples and random models that it stands on.
    """

    kind: Kind
    sentence: str
    since: str = ""
    n: int = 0
    seeds: int = 0

    @property
    def words(self) -> str:
        """The kind for people."""
        return KINDS[self.kind]


UNCHECKED = Verdict("unchecked", "Not checked for this model.")


def verdict_of(run: Run, method: str, values: Mapping[str, Any]) -> Verdict:
    """What the stored cascade of a method says; fast, and kept until something is added.

    Args:
        run: any run.
        method: key of an explainer.
        values: its parameters that are not at their defaults.

    Raises:
        NotFound, BadParameter: an unknown method or parameter.
        BadInput: what is stored is damaged.
    """
    return verdict(stored(run, method, build(EXPLAINERS[method].params, values)))


def verdict(found: Cascade | None) -> Verdict:
    """In words."""
    if found is None:
        return UNCHECKED
    finding, stages = found.finding, found.evidence.stages
    since = stages[finding.since] if finding.since is not None else ""
    sentence = _SENTENCES[finding.why](finding, since, stages) + _not_counted(found)
    return Verdict(finding.kind, sentence, since, finding.n, finding.seeds)


def _few(finding: Finding, *_: Any) -> str:
    if finding.n < LEAST:
        return f"Too few samples to say: {finding.n}, and it takes {LEAST}."
    return f"Too few random models to say: {finding.seeds}, and it takes {LEAST_SEEDS}."


def _distinguished(finding: Finding, since: str, stages: Sequence[str]) -> str:
    only = "only " if finding.tried and len(stages) > 1 else ""
    where = f"{only}where all weights are random" if since == stages[0] else f"from {since} on to the output"
    return f"Distinguishable from a method that ignores the model {where}"


def _changes(finding: Finding, since: str, stages: Sequence[str]) -> str:
    nearer = "maps of random models are nearer to those of other pictures than to its own"
    said = f"{_distinguished(finding, since, stages)}; {nearer}."
    if not finding.left:
        return said
    return (
        f"{said} On {_titles(finding.left)} they stay more alike than maps of different pictures: some of what they "
        "show comes from the picture, not from learning."
    )


def _stays(finding: Finding, since: str, stages: Sequence[str]) -> str:
    said, sides = _distinguished(finding, since, stages), finding.nearer or {}
    if near := [each for each, side in sides.items() if side < 0]:
        return (
            f"{said}, but on {_titles(near)} maps of random models stay nearer to its own than to those of other "
            "pictures: much of what they show comes from the picture."
        )
    unclear = [each for each, side in sides.items() if not side]
    return (
        f"{said}, but on {_titles(unclear)} it cannot be told whether maps of random models are nearer to its own or "
        "to those of other pictures."
    )


_SENTENCES: Mapping[str, Any] = {
    "few": _few,
    "same": lambda *_: "The same map whatever the weights: it shows nothing of what the model learned.",
    "noise": lambda *_: (
        "Noise: asked twice of the same picture, its maps are no more alike than those of different pictures."
    ),
    "ignores": lambda *_: (
        "Not distinguishable from a method that ignores the model: with random weights its maps stay as alike as when "
        "it is asked twice."
    ),
    "unclear": lambda *_: (
        "Not distinguishable from a method that ignores the model, nor shown to be one: more samples may tell."
    ),
    "stays": _stays,
    "changes": _changes,
}


def _not_counted(found: Cascade) -> str:
    are = "is" if found.blank == 1 else "are"
    parts = [f"{counted(found.blank, 'map')} of random models {are} the same everywhere"] if found.blank else []
    parts += [f"{count} refused: {reason.rstrip('.')}" for reason, count in found.refused.items()]
    return f" ({'; '.join(parts)}: not compared.)" if parts else ""


def _titles(measures: Sequence[int]) -> str:
    return joined([SIMILARITIES[MEASURES[each]].card.title for each in measures])


@dataclass(frozen=True)
class Checked:
    """One method with what was found of it; None where nothing is stored."""

    key: str
    title: str
    control: bool
    found: Cascade | None

    @property
    def verdict(self) -> Verdict:
        """In words."""
        return verdict(self.found)


def checked(run: Run, wanted: Sequence[Column], rows: Rows | None = None, statistics: str = "reset") -> list[Checked]:
    """What is stored of each method."""
    return [
        Checked(
            one.card.key,
            one.card.title,
            one.card.control,
            stored(run, one.card.key, one.params, statistics=statistics, rows=rows),
        )
        for one in wanted
    ]


def estimate(study: Study, wanted: Sequence[Column], count: int, seeds: int = SEEDS) -> str:
    """How long a check of `count` samples takes, going by maps that are stored."""
    states = 1 + seeds + seeds * (2 * MOST_STAGES - 1)
    known = [seconds_per_map(study, one) for one in wanted]
    found = f"{counted(count, 'picture')}, {counted(seeds, 'random model')}, {states} maps of each at the most"
    if any(each is None for each in known):
        return f"{found}; how long it takes is not known before each method has some maps."
    return f"{found}: about {duration(states * count * sum(each or 0.0 for each in known))}."


def check_line(run: Run, wanted: Sequence[Column], split: str) -> str:
    """`xai sanity … --background`, quoted for a shell."""
    words = ["xai", "sanity", str(run.study.path), "--run", run.name]
    words += ["--methods", ",".join(one.card.key for one in wanted), "--split", split]
    words += [part for one in wanted for each in settings(one) for part in ("--set", f"{one.card.key}.{each}")]
    return shlex.join([*words, "--background"])


def check_arguments(run: Run, wanted: Sequence[Column], split: str) -> dict[str, Any]:
    """The same as a job takes it."""
    given = {one.card.key: as_dict(one.params) for one in wanted}
    methods = [[key, given.get(key, {})] for key in with_controls(list(given))]
    return {"run": run.name, "methods": methods, "split": split, "limit": SAMPLES}


MOST_STAGES = 10
"""At most so many are made of a model."""


def with_controls(methods: Sequence[str]) -> tuple[str, ...]:
    """The methods, with the picture's edges and noise among them: what failing looks like."""
    return tuple(dict.fromkeys([*methods, *CONTROLS]))


def beside(methods: Sequence[str]) -> tuple[str, ...]:
    """The methods whose maps a page shows side by side: those, and the picture's edges."""
    return tuple(dict.fromkeys([*methods, CONTROLS[0]]))


CONTROLS = ("edges", "random")
"""Yardsticks of every check: a map of the picture alone, and one of nothing."""


def randomised(seed: int) -> str:
    """The weights of the model whose maps the trained model's are shown beside, as a store names them."""
    return f"randomised:{seed}"


@dataclass(frozen=True)
class Chosen:
    """The samples that are checked. `words` says where they come from."""

    rows: Rows
    words: str


def samples(scope: Scope, cell: Cell | None = None, count: int = COUNT) -> Chosen:
    """At most `count` samples of the split, or of a cell of it, drawn by the study's seed."""
    rows = scope.cell(*cell) if cell else scope.predicted
    words = f"of the {'chosen cell' if cell else 'split'}, drawn by the study's seed"
    return Chosen(drawn(rows, count, scope.study.info.seed), words)


def of_these(scope: Scope, rows: Rows, count: int = SAMPLES) -> Chosen:
    """At most `count` of samples that were chosen one by one."""
    some = drawn(rows, count, scope.study.info.seed)
    words = "chosen by id" if len(some) == len(rows) else "of those chosen by id, drawn by the study's seed"
    return Chosen(some, words)


def as_json(scope: Scope, chosen: Chosen, methods: Sequence[Checked]) -> dict[str, Any]:
    """Everything, JSON-able; null where there is no number."""
    ids = scope.study.samples["id"].iloc[chosen.rows]
    return {
        "study": scope.study.name,
        "run": scope.run.name,
        "n": len(chosen.rows),
        "samples": ids.tolist(),
        "about": f"{counted(len(chosen.rows), 'picture')} {chosen.words}. {READ_AS}",
        "no_ranking": NO_RANKING,
        "methods": {one.key: _json(one) for one in methods},
    }


def _json(one: Checked) -> dict[str, Any]:
    said = one.verdict
    words = {"title": one.title, "control": one.control, "verdict": said.kind, "words": said.words}
    words |= {"sentence": said.sentence, "since": said.since, "n": said.n, "seeds": said.seeds}
    found = one.found
    if found is None:
        return words | {"measures": {}, "refused": {}, "blank": 0}
    measures = {key: _numbers(found, key) for key in MEASURES}
    return words | {"measures": measures, "refused": dict(found.refused), "blank": found.blank}


def _numbers(found: Cascade, measure: str) -> dict[str, Any]:
    curves = {order: found.curve(order, measure) for order in orders_of(found)}
    return {
        "random": _interval(two_way(found.evidence.full[..., MEASURES.index(measure)])),
        "yardsticks": {each.name: _interval(each.value) for each in found.yardsticks(measure)},
        "orders": {
            order: [{"adds": name} | _interval(point) for name, point in zip(curve.names, curve.points, strict=True)]
            for order, curve in curves.items()
            if curve is not None
        },
    }


def _interval(one: Interval) -> dict[str, Any]:
    known = {"mean": one.mean, "low": one.low, "high": one.high}
    numbers = {name: None if value != value else round(value, 4) for name, value in known.items()}
    return numbers | {"n": one.n, "seeds": one.seeds}


def text(result: Mapping[str, Any]) -> str:
    """The answer's JSON form as lines for people."""
    lines = [f"{result['run']}: {result['about']}"]
    width = max((len(one["title"]) for one in result["methods"].values()), default=0)
    for one in result["methods"].values():
        on = f"{counted(one['n'], 'picture')}, {counted(one['seeds'], 'seed')}"
        lines += [f"  {one['title']:<{width}}  {one['words']} ({on})", f"    {one['sentence']}"]
        lines += [f"    {shown_number(key, numbers)}" for key, numbers in one["measures"].items()]
        lines += [f"    {line}" for line in reason_lines(one["refused"])]
    return "\n".join([*lines, result["no_ranking"]])


def shown_number(measure: str, numbers: Mapping[str, Any]) -> str:
    """`SSIM: 0.12 with random weights; 1.00 asked again, 0.05 other pictures`."""
    sticks = [f"{_two(value['mean'])} {name}" for name, value in numbers["yardsticks"].items()]
    title = SIMILARITIES[measure].card.title
    return "; ".join([f"{title}: {_two(numbers['random']['mean'])} with random weights", *sticks])


def _two(value: float | None) -> str:
    """Two decimals; zero has no sign."""
    return NO_NUMBER if value is None else f"{round(value, 2) + 0.0:.2f}".replace("-", "−")
