"""Scores of a run's maps: made step by step, once, from masks as they are now."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.core.scores.cases import (
    POINTING,
    SIDE,
    SPARSENESS,
    box,
    keys_of,
    predicted,
    request,
    rows_of,
    scored,
    stored,
    summary,
)
from xai_core.errors import NotApplicable
from xai_core.explainers import EXPLAINERS
from xai_core.metrics import Metric, MetricInput
from xai_core.pipeline import score as scoring
from xai_core.pipeline.load import Bench
from xai_core.pipeline.score import score_steps
from xai_core.store.maps import REFUSED, STORED
from xai_core.store.run import Run, RunInfo
from xai_core.store.study import Study
from xai_core.triage.intervals import bootstrap_mean
from xai_core.types import Scores


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Which metric was asked for how many maps, from now on."""
    calls: list[tuple[str, int]] = []
    plain = scoring.score

    def noted(member: Metric, given: MetricInput, params: Any) -> Scores:
        calls.append((member.card.key, len(given.maps)))
        return plain(member, given, params)

    monkeypatch.setattr(scoring, "score", noted)
    return calls


def test_scores_are_those_of_the_stored_maps_and_masks(run: Run) -> None:
    steps = scored(run)
    assert steps[0] == (0, 64)
    assert steps[-1] == (64, 64)
    found, rows = stored(run), rows_of(run)
    maps = run.maps("gradcam", EXPLAINERS["gradcam"].params())
    assert maps is not None
    positive = np.maximum(maps.get(rows, keys_of(run)).maps, 0)
    for place, row in enumerate(rows[:-1].tolist()):
        mask = run.study.mask(row)
        if mask is None or mask.all():
            assert found.state[place] == REFUSED
            assert found.reasons[place] == ("no mask" if mask is None else "the mask is everywhere")
            continue
        large = np.asarray(
            Image.fromarray(positive[place]).resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=np.float64
        )
        np.testing.assert_allclose(found.values[place], large[mask].sum() / large.sum(), rtol=1e-4)
        assert found.beside["mask_area"][place] == np.float32(mask.mean())
    assert found.reasons[-1] == "the map was refused: not conserved"


def test_what_is_scored_is_not_scored_again(run: Run, asked: list[tuple[str, int]]) -> None:
    scored(run, POINTING)
    assert asked == [(POINTING, 16), (POINTING, 16)]
    asked.clear()
    assert scored(run) == [(32, 64), (48, 64), (64, 64)]
    assert asked == [(SPARSENESS, 16), (SPARSENESS, 16)]
    assert scored(run) == [(64, 64)]


def test_a_stopped_one_keeps_its_steps_and_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "MOST_PIXELS", SIDE * SIDE * 5)
    steps = score_steps(Bench("cpu"), request(run, SPARSENESS))
    assert [next(steps) for _ in range(4)] == [(0, 32), (5, 32), (10, 32), (15, 32)]
    steps.close()
    assert (stored(run, SPARSENESS).state == STORED).sum() == 10
    assert scored(run, SPARSENESS)[0] == (15, 32)
    assert (stored(run, SPARSENESS).state == STORED).sum() == 15


def test_an_edited_mask_makes_scores_stale_that_read_masks(run: Run) -> None:
    scored(run)
    before = stored(run).values
    box(run.study.data / "test" / "a" / "0_mask.png", 9)
    again = Study.open(run.study.path).run("run")
    assert stored(again) is None
    assert summary(again).missing == 16
    assert (stored(again, SPARSENESS).state == STORED).sum() == 15
    scored(again)
    changed = np.flatnonzero(stored(again).values != before)
    assert [again.study.samples["id"].iat[rows_of(again)[place]] for place in changed if before[place] >= 0] == [
        "test/a/0.png"
    ]


def test_a_mask_that_is_edited_meanwhile_is_not_stored_as_the_new_one(run: Run) -> None:
    """Nor are those that were read before it."""
    steps = score_steps(Bench("cpu"), request(run, POINTING))
    next(steps)
    box(run.study.data / "test" / "a" / "0_mask.png", 9)
    assert list(steps)[-1] == (32, 32)
    assert stored(Study.open(run.study.path).run("run")) is None


def test_a_mask_that_cannot_be_read_costs_no_other(run: Run) -> None:
    (run.study.data / "test" / "b" / "1_mask.png").write_bytes(b"no picture")
    again = Study.open(run.study.path).run("run")
    scored(again, POINTING)
    found = stored(again)
    (place,) = np.flatnonzero(again.study.samples["id"].to_numpy()[rows_of(again)] == "test/b/1.png")
    assert "1_mask.png" in found.reasons[place]
    assert (found.state == STORED).sum() == 7


def test_scoring_stored_maps_and_reading_scores_load_no_torch(run: Run) -> None:
    code = """
import sys
from pathlib import Path
from xai_core.answers.method_quality import cells
from xai_core.pipeline.load import Bench
from xai_core.pipeline.score import ScoreRequest, score_steps
from xai_core.store.study import Study
run = Study.open(Path(sys.argv[1])).run("run")
rows, methods, metrics = run.study.rows("test"), [("gradcam", {})], [("energy-pointing-game", {}), ("sparseness", {})]
steps = list(score_steps(Bench(), ScoreRequest(run, rows.tolist(), "predicted", methods, metrics)))
print(steps[-1], cells(run, rows, "predicted", methods, metrics)[0].n)
assert not {"torch", "captum", "shap"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code, run.study.path], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "(32, 32) 8", done.stderr


def test_a_summary_counts_everybody_once(run: Run) -> None:
    scored(run)
    found, values = summary(run), stored(run).values
    assert found.reasons == {"no mask": 5, "the mask is everywhere": 2, "the map was refused: not conserved": 1}
    assert (found.n, found.not_scored, found.missing) == (8, 8, 0)
    estimate = bootstrap_mean(values[np.isfinite(values)], seed=3)
    np.testing.assert_allclose((found.mean, found.low, found.high), (estimate.value, estimate.low, estimate.high))
    assert found.low < found.mean < found.high
    assert set(found.beside) == {"mask_area"}
    assert summary(run, SPARSENESS).n == 15


def test_a_run_without_a_model_has_none(run: Run) -> None:
    other = run.study.add_run("table", RunInfo())
    predicted(other)
    with pytest.raises(NotApplicable, match="without a model"):
        scored(other)
    assert summary(other).missing == 16


def test_scores_survive_a_copy(run: Run, tmp_path: Path) -> None:
    scored(run)
    shutil.copytree(run.study.path, tmp_path / "copy")
    there = Study.open(tmp_path / "copy").run("run")
    assert (stored(there, SPARSENESS).state == STORED).sum() == 15
