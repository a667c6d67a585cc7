"""The fashion case study: the samples of its figures, and the tables of its arms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xai_core.answers.arms import CAVEATS, arm_of, compare_arms
from xai_core.answers.scope import Scope
from xai_core.recipes.making.cells import one_of_each
from xai_core.recipes.making.report import Part
from xai_core.store.study import Study
from xai_core.triage.compare import paired_change
from xai_core.triage.confusion import Cell
from xai_core.words import cell_name

BEFORE, AFTER = 15, 9
"""Dresses taken for skirts in the paper, before and after its crop."""


def first_of(arm: str) -> str:
    """The run of an arm that pages show."""
    return f"{arm}-seed0"


def claim_part() -> Part:
    """What may be said of the paper's own two numbers, which are of two models on the same dresses."""
    rows, values = [], []
    for what, kept in (("all that remain were there before", AFTER), ("none that remain was there before", 0)):
        before = np.arange(BEFORE + AFTER) < BEFORE
        after = np.arange(BEFORE + AFTER) >= BEFORE - kept
        after[BEFORE + AFTER - kept :] = False
        change = paired_change(before, after)
        rows.append((what, str(change.before), str(change.after), f"{change.lost}", f"{change.gained}", _p(change.p)))
        values.append({"case": what, "lost": change.lost, "gained": change.gained, "p": change.p})
    said = (
        "The paper states neither which mistakes are new nor of how many dresses they are. What McNemar's exact test "
        "says of its two models depends on that, and lies between these two.",
        "Even the smaller is of two models: it says nothing of the crop under another seed.",
    )
    heads = ("the paper's mistakes", "before", "after", "gone", "new", "p")
    return Part(f"The paper's claim: {BEFORE} → {AFTER}", heads, tuple(rows), said, values)


def _p(p: float) -> str:
    return f"{p:.3f}"


def arms_part(study: Study, cell: Cell, baseline: str, candidates: Sequence[str], title: str) -> Part:
    """Accuracy and the cell of each arm, with what may be said of the change."""
    found = compare_arms(study, arm_of(study, baseline), [arm_of(study, name) for name in candidates], "test")
    what = cell_name(*(study.class_names[index] for index in cell))
    heads = ("arm", "seeds", "accuracy", "change, points", what, "change, points")
    sentences = [
        f"{arm.name}. {outcome.verdict.sentence}" for arm in found.candidates for outcome in found.outcomes(arm, cell)
    ]
    said = (found.counted, *filter(None, [found.tried]), *sentences, *CAVEATS[:2])
    return Part(title, heads, tuple(map(tuple, found.lines(cell))), said, found.as_json(cell))


def mistakes_part(study: Study, cell: Cell, arms: Sequence[str]) -> Part:
    """How many samples are in the cell under each seed; and how many of its second class are recognised, since a model
    that never says that class makes no such mistake."""
    rows, values, recognised, n = [], {}, {}, 0
    for name in arms:
        scopes = [Scope(run, "test") for run in arm_of(study, name).runs]
        counts = [len(scope.members.cell(*cell)) for scope in scopes]
        n = int((scopes[0].members.labels == cell[0]).sum())
        known = [len(scope.members.cell(cell[1], cell[1])) for scope in scopes]
        values[name], recognised[name] = counts, known
        lists = (", ".join(map(str, each)) for each in (counts, known))
        rows.append((name, next(lists), f"{np.mean(counts):.1f}", f"{n}", next(lists)))
    names = [study.class_names[index] for index in cell]
    spread = f"Of two seeds of the baseline, one may have {min(values[arms[0]])} and the other {max(values[arms[0]])}."
    heads = ("arm", "mistakes, seed by seed", "mean", f"of n {names[0]}", f"{names[1]} recognised, seed by seed")
    title = f"{cell_name(*names)}, by seed"
    return Part(title, heads, tuple(rows), (spread,), {"n": n, "mistakes": values, "recognised": recognised})


def figures_part(scope: Scope, cell: Cell, other: str, method: str) -> Part:
    """Where in the dashboard each of the paper's figures is."""
    run = f"run={scope.run.name}"
    of_cell = f"{run}&true={cell[0]}&predicted={cell[1]}"
    rows = [
        ("1", "one recognised picture of each class", f"sample?{run}&sample={row}") for row in one_of_each(scope)[:1]
    ]
    rows += [
        ("2", "confusion matrix of the baseline", f"confusion?{run}"),
        ("3", "the confused, with their maps", f"confusion?{of_cell}"),
        ("4", "mean maps of the three groups", f"class-heatmaps?{of_cell}"),
        ("5", "maps of models with random weights", f"sanity?{run}"),
        (
            "6",
            "before and after the crop",
            f"compare?run={other}&other={scope.run.name}&true={cell[0]}&predicted={cell[1]}",
        ),
    ]
    said = (
        f"Maps are stored of {method} and Grad-CAM; each page shows them at once.",
        "Addresses begin with that of the server, as in http://localhost:8501/confusion?…, with study=NAME added.",
    )
    return Part("The paper's figures as pages", ("figure", "what", "page"), tuple(rows), said)
