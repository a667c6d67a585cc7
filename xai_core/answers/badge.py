"""Can this method's heatmaps be believed, for this model on these data? One mark with the sentence behind it.

It weighs two checks that are stored: whether the maps depend on the weights (the cascade), and whether they say more of
the model than maps that know nothing of it (the controls of the quality table). Neither stands for the other: a map may
follow the weights and still point at the wrong places. Where one is missing the mark is open.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from xai_core.answers import sanity, scored
from xai_core.answers.controls import Against, name
from xai_core.answers.maps import Column, settings
from xai_core.answers.method_quality import against_controls
from xai_core.answers.quality_choice import LIMIT, SPEC, samples, usual_metrics
from xai_core.answers.scope import Scope
from xai_core.answers.scored import Named
from xai_core.explainers import EXPLAINERS
from xai_core.metrics import METRICS
from xai_core.params import as_dict, build
from xai_core.sanity.orders import SAMPLES
from xai_core.sanity.verdict import Kind
from xai_core.store import cascade
from xai_core.store.run import Run
from xai_core.text import counted, joined
from xai_core.types import SPLITS, Card

ASPECTS = ("truth", "faithfulness")
"""What metrics must ask about to count here: where an object is says nothing of what the model looks at. Of these only
such count as do not order methods against the truth where that is known: see `Card.agreement`."""

WORDS: dict[Kind, str] = {
    "passes": "checked",
    "fails": "does not hold",
    "undecided": "undecided",
    "unchecked": "not checked",
}
MARKS: dict[Kind, str] = {"passes": "✓", "fails": "✗", "undecided": "?", "unchecked": "○"}
"""Told apart by their shape: no colour is needed to read them."""


@dataclass(frozen=True)
class Part:
    """One of the two checks. `page` is where its evidence is."""

    title: str
    kind: Kind
    sentence: str
    page: str


@dataclass(frozen=True)
class Badge:
    """What is known of one method on one run.

    Attributes:
        method, title: its key, and its name with these parameters.
        parts: the cascade, and the controls.
    """

    method: str
    title: str
    parts: tuple[Part, Part]

    @property
    def kind(self) -> Kind:
        """`fails` where a check does, `passes` where both do, `unchecked` where neither was made."""
        kinds = {part.kind for part in self.parts}
        if "fails" in kinds:
            return "fails"
        return kinds.pop() if len(kinds) == 1 else "undecided"

    @property
    def mark(self) -> str:
        """One sign, told from the others by its shape."""
        return MARKS[self.kind]

    @property
    def word(self) -> str:
        """`checked`, `does not hold`, `undecided`, `not checked`."""
        return WORDS[self.kind]

    @property
    def sentence(self) -> str:
        """What was checked and what came of it, for one model."""
        if self.kind == "unchecked":
            return f"{self.title}: not checked for this model."
        return f"{self.title}, {self.word}. " + " ".join(f"{part.title}: {part.sentence}" for part in self.parts)

    def as_json(self) -> dict[str, Any]:
        """JSON-able."""
        parts = [{"check": part.title, "kind": part.kind, "sentence": part.sentence} for part in self.parts]
        return {"method": self.method, "kind": self.kind, "sentence": self.sentence, "checks": parts}


def assessed(run: Run, method: Named) -> Badge:
    """Of one method with its parameters, from what is stored. Raises NotFound, BadParameter for an unknown one.

    It is about the model and its data, whatever a page shows of them: about the samples that both checks draw of the
    test split, or of the first split that has predictions where that has none.
    """
    key, values = method
    params: Any = build(EXPLAINERS[key].params, values)
    verdict = sanity.verdict_of(run, key, values)
    random = Part("Random weights", verdict.kind, verdict.sentence, "sanity")
    return Badge(key, EXPLAINERS[key].card_for(params).title, (random, _controls(run, method)))


def check_arguments(run: Run, columns: Sequence[Column]) -> dict[str, Any]:
    """Both checks of these methods, as a job takes them."""
    return {"run": run.name, "methods": [[column.card.key, as_dict(column.params)] for column in columns]}


def check_line(run: Run, columns: Sequence[Column]) -> str:
    """The same as a command, quoted for a shell."""
    words = ["xai", "check", str(run.study.path), "--run", run.name]
    words += ["--methods", ",".join(column.card.key for column in columns)]
    words += [
        part for column in columns for each in settings(column) for part in ("--set", f"{column.card.key}.{each}")
    ]
    return shlex.join([*words, "--background"])


def check_estimate(run: Run, columns: Sequence[Column]) -> str:
    """How much both checks are, and how long the longer one takes."""
    of = len(checked_scope(run).predicted)
    scores = f"{counted(len(metrics_of(run)), 'metric')} on {counted(min(of, LIMIT), 'sample')}"
    return f"Random weights: {sanity.estimate(run.study, columns, min(of, SAMPLES))} Controls: {scores}."


def stamps(run: Run, methods: Sequence[Named]) -> list[tuple[object, ...]]:
    """For each method what changes whenever a check of it is stored: cheap to ask, a key for who keeps its badge."""
    scores = scored.stamp(run, metrics_of(run))
    params: list[Any] = [build(EXPLAINERS[key].params, values) for key, values in methods]
    cascades = [cascade.stamp(run, key, each) for (key, _), each in zip(methods, params, strict=True)]
    return [(run.info.fingerprint, each, scores) for each in cascades]


def checked_scope(run: Run) -> Scope:
    """The run and the split that its checks are about."""
    scopes = (Scope(run, split) for split in ("test", *SPLITS))
    return next((scope for scope in scopes if len(scope.predicted)), Scope(run, "test"))


def metrics_of(run: Run) -> list[Named]:
    """The metrics that count here."""
    return [(key, {}) for key in usual_metrics(run) if _counts(METRICS[key].card)]


def _counts(card: Card) -> bool:
    return card.aspect in ASPECTS and (card.agreement is None or card.agreement > 0)


def _controls(run: Run, method: Named) -> Part:
    metrics = metrics_of(run)
    found = against_controls(run, samples(checked_scope(run)).rows, SPEC, method, metrics) if metrics else []
    # The object's mask is what a person knows, and no null.
    told = [one for one in found if np.isfinite(one.low) and "mask" not in one.control.needs]
    kind, sentence = weighed(told) if told else _too_little(found)
    return Part("Controls", kind, sentence, "quality")


def _too_little(found: Sequence[Against]) -> tuple[Kind, str]:
    if found:
        return "undecided", "too few samples are scored to say whether it beats them."
    return "unchecked", "not yet compared with maps that know nothing of the model."


def weighed(found: Sequence[Against]) -> tuple[Kind, str]:
    """What comparisons of one method with controls come to, over all metrics; none of them is averaged.

    It passes where it is better than every control by some metric, and worse than none by any. It fails where by no
    metric it is better than any control, or by every metric worse than one of them.
    """
    controls = list(dict.fromkeys(name(one.control) for one in found))
    outcomes = {each: [one for one in found if name(one.control) == each] for each in controls}
    better, worse = (partial(_by, outcomes, outcome) for outcome in ("better", "worse"))
    about = f"by {_metrics(found)}, n up to {max(one.n for one in found)}"
    ahead = [each for each in controls if len(worse(each)) == len(outcomes[each])]
    if ahead:
        return "fails", f"worse than {joined(ahead)} by every metric ({about})."
    if not any(better(each) for each in controls):
        return "fails", f"better than none of {joined(controls)} by any metric ({about})."
    of = max(map(len, outcomes.values()))
    beaten = [f"{each} by {len(better(each))}" for each in controls if better(each)]
    lost = [f"worse than {each} by {_metrics(worse(each))}" for each in controls if worse(each)]
    short = [each for each in controls if not better(each) and not worse(each)]
    untold = [f"not to be told from {joined(short)}"] if short else []
    said = ", ".join([f"better than {joined(beaten)} of {counted(of, 'metric')}", *lost, *untold])
    return ("undecided" if lost or untold else "passes"), f"{said} ({about})."


def _by(outcomes: dict[str, list[Against]], outcome: str, control: str) -> list[Against]:
    return [one for one in outcomes[control] if one.outcome == outcome]


def _metrics(found: Sequence[Against]) -> str:
    return joined(list(dict.fromkeys(one.metric.title.partition(":")[0] for one in found)))
