"""Arms trained with losses that see masks: whether they are right more often, and whether their evidence moved."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xai_core.answers.arms import CAVEATS, ArmOutcome, arm_of, compare_arms
from xai_core.answers.scope import Rows
from xai_core.answers.scored import scored
from xai_core.recipes.making.report import Part
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.triage.arms import arm_change, arm_verdict, spread_words
from xai_core.types import Array

METHOD, METRIC, TARGET = "gradcam", "energy-pointing-game", "true"
ENERGY = "Evidence on the object"


def arms_part(study: Study, baseline: str, candidates: Sequence[str], title: str) -> Part:
    """Accuracy and energy-based pointing game of each arm, with what may be said of both changes."""
    found = compare_arms(study, arm_of(study, baseline), [arm_of(study, name) for name in candidates], "test")
    energy = {name: _energy(arm_of(study, name).runs, found.rows) for name in (baseline, *candidates)}
    there = np.all([np.isfinite(values).all(0) for values in energy.values()], axis=0)
    rows, said, kept = [], [found.counted, *filter(None, [found.tried])], []
    for arm in (found.baseline, *found.candidates):
        accuracy = found.accuracy(arm)
        change = arm_change(energy[baseline][:, there], energy[arm.name][:, there], tried=len(candidates))
        moved = ArmOutcome(ENERGY, change, arm_verdict(change, ENERGY))
        cells = [arm.name, str(len(arm.runs))]
        for outcome in (accuracy, moved):
            values = outcome.change.after
            cells += [spread_words(values) if values else "", "" if arm is found.baseline else outcome.short]
        rows.append(tuple(cells))
        kept.append({"arm": arm.name, "outcomes": [accuracy.as_json(), moved.as_json()]})
        if arm is not found.baseline:
            said += [f"{arm.name}. {outcome.verdict.sentence}" for outcome in (accuracy, moved)]
    said += [_counted(there), CAVEATS[0]]
    heads = ("arm", "seeds", "accuracy", "change, points", "evidence on the object", "change, points")
    return Part(title, heads, tuple(rows), tuple(said), kept)


def _energy(runs: Sequence[Run], rows: Rows) -> Array:
    """`(S, n)` scores 0…1 of the true class's maps under each seed's model; NaN where there is none."""
    return np.stack([scored(run, rows, TARGET, [(METHOD, {})], [(METRIC, {})])[0].values for run in runs])


def _counted(there: Array) -> str:
    return (
        f"{ENERGY}: the share of Grad-CAM's positive evidence for the true class, on {there.sum():,} samples whose "
        "mask shows something and whose map every model has. Large objects score high by chance."
    )
