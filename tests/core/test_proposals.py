"""Proposals on planted scenes: what is planted is proposed, by as many pixels as planted, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest

from xai_core.label_maps import IGNORE
from xai_core.triage.proposals import Proposal, proposals, relative

SIZE = 96
CABLE, TOWER = 1, 2


def cable(half: float, angle: float = 0.35) -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    return np.abs(x * np.sin(angle) - y * np.cos(angle) - 20) <= half


def spot(left: int, top: int, side: int = 8) -> np.ndarray:
    found = np.zeros((SIZE, SIZE), bool)
    found[top : top + side, left : left + side] = True
    return found


def asked(
    truth: np.ndarray, said: np.ndarray, evidence: np.ndarray | None = None, sure: float = 0.95, **more: bool
) -> list[Proposal]:
    """Of the cable; probable and evidenced where it is said, unless something else is given."""
    told = said == CABLE
    plane = told.astype(np.float32) if evidence is None else evidence.astype(np.float32)
    probability = np.where(told, sure, 0.02).astype(np.float32)
    return proposals(truth, said, {CABLE: probability}, {CABLE: plane}, **({"background": True} | more))


def labelled(*planes: tuple[np.ndarray, int]) -> np.ndarray:
    found = np.zeros((SIZE, SIZE), np.uint8)
    for where, label in planes:
        found[where] = label
    return found


@pytest.mark.parametrize("wider", [0, 1, 2, 4])
@pytest.mark.parametrize("angle", [0.0, 0.35, np.pi / 4])
def test_a_cable_that_is_annotated_thinner_than_it_is_predicted_is_enlarged_by_as_much(
    wider: int, angle: float
) -> None:
    truth, said = labelled((cable(1.0, angle), CABLE)), labelled((cable(1.0 + wider, angle), CABLE))
    found = asked(truth, said)
    assert [(one.kind, one.label, one.pixels) for one in found] == ([("enlarge", CABLE, wider)] if wider else [])
    for one in found:
        assert not one.region[truth == CABLE].any()
        assert (one.region & (said == CABLE)).sum() >= 0.8 * one.region.sum()
        assert one.probability > 0.75
        assert one.evidence > 0.75


def test_what_is_not_predicted_wider_or_draws_no_evidence_is_not_enlarged() -> None:
    truth, said = labelled((cable(1.0), CABLE)), labelled((cable(4.0), CABLE))
    assert asked(truth, labelled()) == []
    assert asked(truth, said, evidence=cable(1.0)) == []
    thick = labelled((cable(9.0), CABLE))
    assert asked(thick, labelled((cable(12.0), CABLE))) == []
    half_missed = np.where(np.arange(SIZE) < SIZE // 2, said, 0).astype(np.uint8)
    assert [one.pixels for one in asked(truth, half_missed)] == [3]


def test_the_enlargement_stays_off_other_objects_and_what_is_ignored() -> None:
    truth = labelled((cable(1.0), CABLE))
    truth[:, 60:], truth[cable(1.0)] = TOWER, CABLE
    truth[:4] = IGNORE
    (one,) = asked(truth, labelled((cable(3.0), CABLE)))
    assert (truth[one.region] == 0).all()


def test_a_marking_that_draws_evidence_is_perplexed_and_a_sure_one_may_be_missing() -> None:
    truth, marking = labelled((cable(1.5), CABLE)), spot(20, 70)
    said = labelled((cable(1.5), CABLE), (marking, CABLE))
    (sure,) = asked(truth, said)
    assert (sure.kind, sure.pixels) == ("missing", 0)
    np.testing.assert_array_equal(sure.region, marking)
    (unsure,) = asked(truth, said, sure=0.6)
    assert unsure.kind == "perplexed"
    (weak,) = asked(truth, said, evidence=cable(1.5) + 0.2 * marking)
    assert (weak.kind, round(weak.evidence, 2)) == ("perplexed", 0.2)
    assert asked(truth, said, evidence=cable(1.5)) == []


def test_what_is_nearly_predicted_is_perplexed() -> None:
    truth = said = labelled((cable(1.5), CABLE))
    nearly = np.where(spot(20, 70), 0.4, np.where(said == CABLE, 0.9, 0.0)).astype(np.float32)
    (one,) = proposals(truth, said, {CABLE: nearly}, {CABLE: nearly}, background=True)
    assert (one.kind, round(one.probability, 2)) == ("perplexed", 0.4)
    np.testing.assert_array_equal(one.region, spot(20, 70))


def test_a_region_over_another_object_is_perplexed_however_sure_it_is() -> None:
    truth = labelled((cable(1.5), CABLE), (spot(20, 70), TOWER))
    said = labelled((cable(1.5), CABLE), (spot(20, 70), CABLE))
    assert [one.kind for one in asked(truth, said)] == ["perplexed"]


def test_what_touches_the_object_what_is_ignored_and_specks_are_no_questions() -> None:
    truth = labelled((cable(5.0), CABLE))
    assert asked(truth, labelled((cable(6.4), CABLE))) == []
    ignored = labelled((cable(1.5), CABLE), (spot(20, 70), IGNORE))
    said = labelled((cable(1.5), CABLE), (spot(20, 70), CABLE), (spot(60, 70, 3), CABLE))
    assert asked(ignored, said) == []


def test_they_are_ranked_by_probability_and_evidence() -> None:
    truth = labelled((cable(1.5), CABLE))
    said = labelled((cable(1.5), CABLE), (spot(10, 70), CABLE), (spot(40, 70), CABLE))
    found = asked(truth, said, evidence=cable(1.5) + 0.3 * spot(10, 70) + 0.7 * spot(40, 70))
    assert [one.kind for one in found] == ["missing", "perplexed"]
    assert [one.score for one in found] == pytest.approx([0.95 * 0.7, 0.95 * 0.3], rel=1e-5)
    assert found[0].region[72, 42]


def test_without_a_background_what_is_ignored_is_what_lacks_an_annotation() -> None:
    truth = labelled((spot(20, 70), IGNORE))
    (one,) = asked(truth, labelled((spot(20, 70), CABLE)), background=False)
    assert one.kind == "missing"


def test_evidence_is_beside_that_of_what_is_right() -> None:
    truth, said = labelled((cable(1.5), CABLE)), labelled((cable(1.5), CABLE))
    plane = (3.0 * cable(1.5) + 1.5 * spot(20, 70)).astype(np.float32)
    found = relative(plane, truth, said, CABLE)
    assert found[cable(1.5)].mean() == pytest.approx(1.0)
    assert found[spot(20, 70)].mean() == pytest.approx(0.5)
    assert relative(plane, labelled(), said, CABLE).max() == pytest.approx(1.0)
    assert not relative(np.zeros_like(plane), truth, said, CABLE).any()
