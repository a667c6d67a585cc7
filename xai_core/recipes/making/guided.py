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
HEADS = (
    "arm",
    "seeds",
    "accuracy",
    "change, points",
    "evidence on the object",
    "the first arm's, same samples",
    "change, points",
    "n",
)
COUNTED = (
    f"{ENERGY}: the share of Grad-CAM's positive evidence for the true class, on the n samples whose mask shows "
    "something and whose map all seeds of the two arms have. Where no gradient of the true class reaches the layer, or "
    "all evidence is against it, there is no map, and the sample is left out. Large objects score high by chance."
)


def arms_part(study: Study, baseline: str, candidates: Sequence[str], title: str) -> Part:
    """Accuracy and energy-based pointing game of each arm, with what may be said of both changes.

    Evidence is compared on samples whose map all seeds of the two arms have: what another arm lacks is no reason to
    leave a sample out.
    """
    found = compare_arms(study, arm_of(study, baseline), [arm_of(study, name) for name in candidates], "test")
    before = _energy(found.baseline.runs, found.rows)
    rows, said, kept = [], [found.counted, *filter(None, [found.tried])], []
    for arm in (found.baseline, *found.candidates):
        accuracy, moved = found.accuracy(arm), _moved(before, _energy(arm.runs, found.rows), len(candidates))
        of, there = accuracy.change.after, moved.change
        if arm is found.baseline:
            held = ["", _spread(there.after), "", ""]
        else:
            held = [accuracy.short, _spread(there.after), _spread(there.before), moved.short]
            said += [f"{arm.name}. {outcome.verdict.sentence}" for outcome in (accuracy, moved)]
        rows.append((arm.name, str(len(arm.runs)), _spread(of), *held, f"{there.n:,}"))
        kept.append({"arm": arm.name, "outcomes": [accuracy.as_json(), moved.as_json()]})
    return Part(title, HEADS, tuple(rows), (*said, COUNTED, CAVEATS[0]), kept)


def _moved(before: Array, after: Array, tried: int) -> ArmOutcome:
    """Of the evidence on the object, on samples that all runs of both have a map of."""
    there = np.isfinite(before).all(0) & np.isfinite(after).all(0)
    change = arm_change(before[:, there], after[:, there], tried=tried)
    return ArmOutcome(ENERGY, change, arm_verdict(change, ENERGY))


def _spread(values: tuple[float, ...]) -> str:
    return spread_words(values) if values else ""


def _energy(runs: Sequence[Run], rows: Rows) -> Array:
    """`(S, n)` scores 0…1 of the true class's maps under each seed's model; NaN where there is none."""
    return np.stack([scored(run, rows, TARGET, [(METHOD, {})], [(METRIC, {})])[0].values for run in runs])
