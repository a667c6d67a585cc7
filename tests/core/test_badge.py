"""The mark beside a method's name: what it weighs, and what it says."""

from __future__ import annotations

import pytest

from xai_core.answers.badge import Badge, Part, weighed
from xai_core.answers.controls import Against
from xai_core.explainers import EXPLAINERS
from xai_core.metrics import METRICS

CONTROLS = ("random", "edges")
KINDS = ("passes", "fails", "undecided", "unchecked")


def held(outcomes: dict[str, str]) -> list[Against]:
    """One comparison for each metric and control; `b`, `w` and `?` by control, in the order of CONTROLS."""
    words = {"b": "better", "w": "worse", "?": "cannot be told"}
    method = EXPLAINERS["gradcam"].card
    return [
        Against(METRICS[metric].card, method, EXPLAINERS[control].card, 0.1, -0.1, 0.3, 40, words[sign])  # type: ignore[arg-type]
        for metric, signs in outcomes.items()
        for control, sign in zip(CONTROLS, signs, strict=True)
    ]


@pytest.mark.parametrize(
    ("outcomes", "kind", "said"),
    [
        ({"deletion": "bb", "insertion": "bb"}, "passes", "better than Random by 2 and Edges by 2 of 2 metrics"),
        ({"deletion": "b?", "insertion": "?b"}, "passes", "better than Random by 1 and Edges by 1 of 2 metrics"),
        ({"deletion": "b?", "insertion": "b?"}, "undecided", "not to be told from Edges"),
        ({"deletion": "bb", "insertion": "bw"}, "undecided", "worse than Edges by Insertion"),
        ({"deletion": "??", "insertion": "??"}, "fails", "better than none of Random and Edges by any metric"),
        ({"deletion": "bw", "insertion": "bw"}, "fails", "worse than Edges by every metric"),
        ({"deletion": "w?", "insertion": "??"}, "fails", "better than none"),
    ],
)
def test_what_comparisons_come_to(outcomes: dict[str, str], kind: str, said: str) -> None:
    found, sentence = weighed(held(outcomes))
    assert (found, said in sentence) == (kind, True), sentence
    assert "Deletion and Insertion" in sentence


def of(cascade: str, controls: str) -> Badge:
    parts = (Part("Random weights", cascade, "they change.", "sanity"), Part("Controls", controls, "none.", "quality"))
    return Badge("gradcam", "Grad-CAM", parts)  # type: ignore[arg-type]


def test_one_check_never_stands_for_the_other() -> None:
    kinds = {(first, second): of(first, second).kind for first in KINDS for second in KINDS}
    assert {pair for pair, kind in kinds.items() if kind == "passes"} == {("passes", "passes")}
    assert {pair for pair, kind in kinds.items() if kind == "unchecked"} == {("unchecked", "unchecked")}
    assert all(kind == "fails" for pair, kind in kinds.items() if "fails" in pair)
    assert kinds["passes", "unchecked"] == kinds["unchecked", "passes"] == "undecided"


def test_it_says_what_was_checked_and_is_told_apart_without_colour() -> None:
    marks = {of(kind, kind).mark for kind in KINDS}
    assert len(marks) == len(KINDS)
    assert of("unchecked", "unchecked").sentence == "Grad-CAM: not checked for this model."
    half = of("passes", "unchecked")
    assert half.sentence == "Grad-CAM, undecided. Random weights: they change. Controls: none."
    assert half.as_json()["checks"][1] == {"check": "Controls", "kind": "unchecked", "sentence": "none."}
