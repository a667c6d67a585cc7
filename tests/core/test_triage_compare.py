"""Transitions, the paired interval against its definition, the exact test, and what a verdict may say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom

from xai_core.triage.compare import (
    TRANSITIONS,
    accuracy_change,
    cell_change,
    cell_flows,
    matrix_difference,
    paired_change,
    transition_table,
    transitions,
    verdict,
)
from xai_core.triage.intervals import Z, paired_difference

LABELS = np.array([0, 0, 0, 0, 0, 1])
BASELINE = np.array([0, 1, 0, 1, 1, 1])
CANDIDATE = np.array([0, 0, 1, 1, 2, 1])


def change(gained: int, lost: int, n: int, both: int = 0):
    before = np.arange(n) < lost + both
    after = (np.arange(n) >= lost) & (np.arange(n) < lost + both + gained)
    return paired_change(before, after)


def test_each_transition():
    names = [TRANSITIONS[code] for code in transitions(LABELS, BASELINE, CANDIDATE)]
    assert names == ["still right", "fixed", "broken", "still wrong", "changed its mistake", "still right"]


def test_transition_table_per_class():
    table = transition_table(transitions(LABELS, BASELINE, CANDIDATE), LABELS, 3)
    assert table.loc[0, list(TRANSITIONS)].tolist() == [1, 1, 1, 1, 1]
    assert table["n"].tolist() == [5, 1, 0]


def test_cell_flows_count_every_sample_once():
    flows = cell_flows(LABELS, BASELINE, CANDIDATE)
    assert flows["count"].sum() == len(LABELS)
    moved = flows[(flows["true"] == 0) & (flows["baseline"] == 1)]
    assert set(moved["transition"]) == {"fixed", "still wrong", "changed its mistake"}


def test_cell_flows_of_nothing():
    assert cell_flows(*[np.empty(0, np.int64)] * 3).empty


def test_matrix_difference_counts_and_shares():
    counts = matrix_difference(LABELS, BASELINE, CANDIDATE, 3)
    assert counts.sum() == 0
    assert counts[0].tolist() == [0, -1, 1]
    assert matrix_difference(LABELS, BASELINE, CANDIDATE, 3, "true")[0] == pytest.approx([0, -0.2, 0.2])
    assert np.isnan(matrix_difference(LABELS, BASELINE, CANDIDATE, 3, "true")[2]).all()


def score_by_likelihood(difference: float, gained: int, lost: int, n: int) -> float:
    """Tango's statistic with the restricted estimate found by maximising the likelihood, not by its formula."""

    def cost(q: float) -> float:
        rest = 1 - 2 * q - difference
        return -(gained * np.log(q + difference) + lost * np.log(q) + (n - gained - lost) * np.log(rest))

    low, high = max(0, -difference) + 1e-12, (1 - difference) / 2 - 1e-12
    q = minimize_scalar(cost, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return (gained - lost - n * difference) / np.sqrt(n * (2 * q + difference * (1 - difference)))


@pytest.mark.parametrize(("gained", "lost", "n"), [(40, 20, 160), (7, 1, 21), (3, 12, 350), (1, 1, 5)])
def test_interval_ends_where_the_score_is_z(gained, lost, n):
    low, high = paired_difference(gained, lost, n)
    assert score_by_likelihood(low, gained, lost, n) == pytest.approx(Z, abs=1e-4)
    assert score_by_likelihood(high, gained, lost, n) == pytest.approx(-Z, abs=1e-4)


def test_interval_of_the_published_example():
    """Airway hyper-responsiveness (Bentur et al. 2009), in Fagerland et al. (2014): −0.517 to −0.026."""
    assert paired_difference(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 60))
def test_interval_holds_the_difference_and_mirrors(gained, lost, same):
    n = gained + lost + same
    assume(n > 0)
    low, high = paired_difference(gained, lost, n)
    assert -1 <= low <= (gained - lost) / n <= high <= 1
    assert paired_difference(lost, gained, n) == pytest.approx((-high, -low), abs=1e-9)


def test_exact_test_is_the_binomial_tail():
    assert change(9, 2, 100).p == pytest.approx(2 * binom.cdf(2, 11, 0.5))
    assert change(0, 0, 10).p == 1


def test_changes_of_accuracy_and_of_a_cell():
    accuracy = accuracy_change(LABELS, BASELINE, CANDIDATE)
    assert (accuracy.n, accuracy.before, accuracy.after, accuracy.gained, accuracy.lost) == (6, 3, 3, 1, 1)
    cell = cell_change(LABELS, BASELINE, CANDIDATE, (0, 1))
    assert (cell.n, cell.before, cell.after) == (5, 3, 2)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 100), st.booleans())
def test_a_verdict_never_claims_beyond_its_interval(gained, lost, same, lower_is_better):
    n = gained + lost + same
    got = change(gained, lost, n)
    said = verdict(got, "Accuracy", lower_is_better=lower_is_better)
    claims = "improved" in said.sentence or "got worse" in said.sentence
    assert claims == (said.kind in ("better", "worse"))
    if claims:
        assert not got.low <= 0 <= got.high
        assert got.p < 0.05
        assert ((got.difference > 0) != lower_is_better) == ("improved" in said.sentence)
    if n:
        assert f"of {n} (" in said.sentence


def test_verdict_sentences():
    better = verdict(change(40, 10, 350, both=250), "Accuracy")
    assert better.kind == "better"
    assert better.sentence.startswith("Accuracy improved: 260 of 350 (74.3 %) before, 290 of 350 (82.9 %) after; +8.6 ")
    unsure = verdict(change(2, 5, 47), "Dress taken for Skirt", lower_is_better=True)
    assert unsure.kind == "undecided"
    assert "includes zero" in unsure.sentence
    borderline = verdict(change(5, 0, 47), "Accuracy")
    assert borderline.kind == "undecided"
    assert "exact test does not confirm" in borderline.sentence
    assert verdict(change(0, 0, 0), "Accuracy").kind == "empty"
    assert verdict(change(0, 12, 47), "Dress taken for Skirt", lower_is_better=True).kind == "better"


def test_a_bound_keeps_its_sign():
    sentence = verdict(change(3970, 3800, 100_000), "Accuracy").sentence
    assert "+0.0 " not in sentence
    assert "−0.0 " not in sentence
