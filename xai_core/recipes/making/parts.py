"""Parts that reports of recipes share, each read from an answer of the library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xai_core.answers.agreement import agreement
from xai_core.answers.leaks import HEADS, leaks
from xai_core.answers.maps import Column, params_of, target_keys
from xai_core.answers.reasons import counted_reasons, reason_lines
from xai_core.answers.runs import balanced, balanced_sentence, by_split
from xai_core.answers.scope import Rows, Scope
from xai_core.explainers import EXPLAINERS
from xai_core.recipes.making.report import Part
from xai_core.store.maps import STORED
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.triage.ordering import drawn
from xai_core.types import SPLITS
from xai_core.words import NO_NUMBER, SPLIT_WORDS, duration, percent, percent_range

Methods = Sequence[tuple[str, Mapping[str, Any]]]
"""Keys of explainers with the parameters that are not at their defaults."""

Groups = Mapping[str, Rows]
"""Row numbers of samples by what they are."""


def right_and_wrong(scope: Scope, count: int) -> Groups:
    """Up to so many samples that the run gets right and so many that it gets wrong, drawn by the study's seed."""
    members, seed = scope.members, scope.study.info.seed
    right = np.setdiff1d(members.rows, members.mistakes)
    found = {"right": drawn(right, count, seed), "wrong": drawn(members.mistakes, count, seed)}
    return {group: rows for group, rows in found.items() if len(rows)}


def data_part(study: Study) -> Part:
    """Classes by split, and what the scan told."""
    names = study.class_names
    counts = {split: np.bincount(study.labels[study.rows(split)], minlength=len(names)).tolist() for split in SPLITS}
    there = [split for split in SPLITS if len(study.rows(split))]
    rows = [(name, *(f"{counts[split][place]:,}" for split in there)) for place, name in enumerate(names)]
    rows.append(("all", *(f"{sum(counts[split]):,}" for split in there)))
    values = {"classes": list(names), "samples": {split: counts[split] for split in there}}
    return Part("Data", ("class", *(SPLIT_WORDS[split] for split in there)), tuple(rows), study.info.notes, values)


def training_part(run: Run, remarks: Sequence[str] = ()) -> Part:
    """What the model is, and what training took."""
    info, seconds = run.info, run.info.seconds
    training = info.training
    side = (info.preprocess or {}).get("width")
    rows = [
        ("architecture", info.architecture),
        ("input", f"{side} × {side} px"),
        ("begun with", training["init"] or "fresh weights"),
    ]
    rows += [
        (name.replace("_", " "), str(training[name]))
        for name in ("epochs", "best_epoch", "batch_size", "learning_rate", "seed")
    ]
    rows.append(("augmentations", ", ".join(training["augmentations"]) or "none"))
    rows.append(("training took", duration(seconds) if seconds else NO_NUMBER))
    return Part("The model", ("", run.name), tuple(rows), tuple(remarks), {"training": training, "seconds": seconds})


def accuracy_part(run: Run, paper: Sequence[tuple[str, float]], remarks: Sequence[str] = ()) -> Part:
    """Accuracy of the run's splits beside what the paper says."""
    rows = [(f"the paper: {what}", percent(share), "not stated", "not stated") for what, share in paper]
    found = by_split(run)
    for split in ("test", "validation", "train"):
        if one := found.get(split):
            interval = percent_range(one["low"], one["high"])
            rows.append(
                (f"here: {run.name}, {SPLIT_WORDS[split]}", percent(one["accuracy"]), interval, f"{one['n']:,}")
            )
    values: dict[str, Any] = {"paper": dict(paper), "here": found}
    said = list(remarks)
    if "test" in found:
        values["balanced"] = balanced(Scope(run, "test"))
        said.append(f"Of the test samples, balanced: {balanced_sentence(values['balanced'])}.")
    return Part("Accuracy", ("", "accuracy", "95 % interval", "n"), tuple(rows), tuple(said), values)


def leak_part(scope: Scope) -> Part:
    """Accuracy with and without what other splits have, too."""
    found = leaks(scope)
    heads = (f"{SPLIT_WORDS[scope.split]} samples", *HEADS[1:])
    return Part("Pictures in two splits", heads, tuple(found.rows), found.sentences, found.as_json())


def cases_part(scope: Scope, methods: Methods, groups: Groups, remarks: Sequence[str] = ()) -> Part:
    """Of groups of samples: maps that are there, refusals, and how exact the maps say they are."""
    rows, values, said = [], [], list(remarks)
    for group, samples in groups.items():
        keys = target_keys(scope.run, samples, "predicted")
        for column in columns(scope.run, methods):
            stored = column.maps.get(samples, keys) if column.maps is not None else None
            there = np.zeros(len(samples), bool) if stored is None else stored.state == STORED
            exact = {} if stored is None else _exactness(stored.diagnostics, there)
            rows.append((_named(column), group, f"{there.sum()} of {len(samples)}", _exact_words(exact)))
            reasons = {} if stored is None else counted_reasons(stored.refusals)
            said += [f"{_named(column)}, {group}: {line.strip()}." for line in reason_lines(reasons)]
            count = {"method": column.card.key, "cases": group, "maps": int(there.sum()), "n": len(samples)}
            values.append(count | {"refused": reasons} | exact)
    heads = ("method", "cases", "maps", "median deviation from what they should add up to")
    return Part("Right and wrong cases", heads, tuple(rows), tuple(said), values)


def agreement_part(scope: Scope, methods: Methods, groups: Groups) -> Part:
    """How alike two methods' maps are, of groups of samples."""
    rows, values = [], []
    for group, samples in groups.items():
        for pair in agreement(scope, columns(scope.run, methods), samples, "predicted").pairs:
            mean, low, high = (float(number) for number in (pair.alike.value, pair.alike.low, pair.alike.high))
            rows.append((" and ".join(pair.titles), group, _two(mean), _range(low, high), f"{pair.alike.n}"))
            numbers = {"mean": mean, "low": low, "high": high, "n": pair.alike.n}
            values.append({"methods": list(pair.titles), "cases": group} | numbers)
    said = (
        "Mean rank correlation (Spearman) of the evidence for the predicted class at 14 × 14 places: 1 is the same "
        "order of places, 0 none in common. Intervals by bootstrap over samples.",
    )
    heads = ("two methods", "cases", "rank correlation", "95 % interval", "n")
    return Part("Do the methods agree?", heads, tuple(rows), said, values)


def columns(run: Run, methods: Methods) -> list[Column]:
    """The methods with the place of their maps; one method may stand there with several settings."""
    return [column_of(run, one) for one in methods]


def column_of(run: Run, method: tuple[str, Mapping[str, Any]], weights: str = "trained") -> Column:
    """A method with the place of its maps of a run's model, or of what `weights` make of it."""
    key, values = method
    params = params_of(EXPLAINERS[key], values)
    return Column(EXPLAINERS[key].card_for(params), params, run.maps(key, params, weights=weights))


def _named(column: Column) -> str:
    layer = getattr(column.params, "layer", "")
    return f"{column.card.title}, {layer}" if layer else column.card.title


_SHOULD = {"conservation": 1.0, "completeness_gap": 0.0}
"""What maps say of how exact they are, and what it is where they are exact."""


def _exactness(diagnostics: Mapping[str, Any], there: Any) -> dict[str, float]:
    """The median distance from what should be, by diagnostic."""
    found = {}
    for name, ideal in _SHOULD.items():
        if name in diagnostics and np.isfinite(known := np.asarray(diagnostics[name])[there]).any():
            found[name] = float(np.nanmedian(np.abs(known - ideal)))
    return found


def _exact_words(exact: Mapping[str, float]) -> str:
    return ", ".join(percent(value, 2) for value in exact.values()) or NO_NUMBER


def _two(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−") if np.isfinite(value) else NO_NUMBER


def _range(low: float, high: float) -> str:
    return f"{_two(low)} to {_two(high)}" if np.isfinite(low) and np.isfinite(high) else ""
