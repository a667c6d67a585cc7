"""Accepting that something resembles a class: it is confirmed as what it is annotated, and stays so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.core.annotation_scenes import METHOD, squares, with_proposals
from xai_core.answers.annotations import decided, proposed
from xai_core.explainers import EXPLAINERS
from xai_core.store import deciding
from xai_core.store.proposals import StoredProposal, place_of
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.store.versions import Version
from xai_core.triage.proposals import Kind, Proposal


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return squares(tmp_path)


def at(study: Study, row: int, kind: Kind, across: int) -> StoredProposal:
    """Of red in the upper right corner, where nothing is annotated."""
    region = np.zeros(study.label_map(row).shape, bool)
    region[0:4, -across:] = True
    return StoredProposal.of(row, Proposal(kind, 1, region, 1, 0.6, 1.0))


def test_what_is_accepted_later_leaves_a_confirmed_look_alike_alone(study: Study) -> None:
    row, version = int(study.rows("train")[0]), Version(study, "better")
    look_alike, wider = at(study, row, "perplexed", 3), at(study, row, "enlarge", 6)
    version.record([deciding.accept(version, look_alike)], "Ada")
    np.testing.assert_array_equal(version.label_map(row), study.label_map(row))
    assert version.confirmed(row).sum() == look_alike.area
    version.record([deciding.accept(version, wider)], "Ada")
    changed = version.label_map(row) != study.label_map(row)
    assert changed.sum() == wider.area - look_alike.area
    assert not changed[0:4, -3:].any()
    version.undo("Ada")
    version.undo("Ada")
    assert not version.confirmed(row).any()
    version.record([deciding.accept(version, wider)], "Ada")
    assert (version.label_map(row) != study.label_map(row)).sum() == wider.area


def test_somebody_may_still_give_it_a_class(study: Study) -> None:
    row, version = int(study.rows("train")[0]), Version(study, "better")
    look_alike = at(study, row, "perplexed", 3)
    version.record([deciding.accept(version, look_alike)], "Ada")
    version.record([deciding.relabel(version, look_alike, 2)], "Bo")
    assert (version.label_map(row)[0:4, -3:] == 2).all()
    assert not version.confirmed(row).any()


def planted(run: Run, kind: Kind) -> StoredProposal:
    row = int(run.study.rows("train")[0])
    store = place_of(run, METHOD, EXPLAINERS[METHOD].params(), create=True)
    assert store is not None
    one = at(run.study, row, kind, 3)
    store.put([row], [[one]])
    return one


@pytest.mark.parametrize(
    ("kind", "does", "says"),
    [
        ("perplexed", "Keep as background", "It looks like red and is none: its 12 pixels are confirmed as background"),
        ("enlarge", "Widen by 1 pixel", "Paints red over 12 pixels along its edges"),
        ("missing", "Label as red", "Paints red over 12 pixels that nothing else is annotated at."),
    ],
)
def test_it_is_said_what_accepting_does_before_and_after(study: Study, kind: Kind, does: str, says: str) -> None:
    run = with_proposals(study, proposals=False)
    one = planted(run, kind)
    answer = proposed(run, METHOD, "better")
    act, sentence = answer.accepting(one)
    assert act == does
    assert sentence.startswith(says)
    assert sentence in decided(answer, {"id": one.id, "what": "accept"}, "Ada")
