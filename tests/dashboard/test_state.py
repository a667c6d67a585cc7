from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.frame.state import LOOK_KEYS, NORMALISE, ORDERS, RATES, SORTS, TARGETS, Selection, from_query, to_query

NAMES = st.text(string.ascii_letters + string.digits, min_size=1, max_size=20)
INDICES = st.integers(0, 10**9 - 1)
METHODS = st.lists(st.text(string.ascii_lowercase + "+-", min_size=1, max_size=8).map("m".__add__), unique=True)
SELECTIONS = st.builds(
    Selection,
    study=NAMES | st.just(""),
    run=NAMES | st.just(""),
    other=NAMES | st.just(""),
    split=st.sampled_from(["", "train", "validation", "test", "all"]),
    true=st.none() | INDICES,
    predicted=st.none() | INDICES,
    sample=st.none() | INDICES,
    methods=METHODS.map(tuple),
    target=st.sampled_from(TARGETS) | INDICES.map(str),
    layer=st.just("") | st.from_regex(r"layer[0-9]\.[0-9]", fullmatch=True),
    normalise=st.sampled_from(NORMALISE),
    look=st.sampled_from(LOOK_KEYS),
    rates=st.sampled_from(RATES),
    order=st.sampled_from(ORDERS),
    sort=st.sampled_from(SORTS),
    page=st.integers(1, 10**6),
)


@given(SELECTIONS)
def test_a_link_opens_the_same_view(selection: Selection) -> None:
    assert from_query(to_query(selection)) == (selection, ())


@given(st.dictionaries(st.sampled_from(list(Selection.__dataclass_fields__)) | st.text(), st.text()))
def test_no_query_raises(query: dict[str, str]) -> None:
    selection, _ = from_query(query)
    assert from_query(to_query(selection))[0] == selection


def test_the_default_view_has_a_bare_url() -> None:
    assert to_query(Selection()) == {}


def test_what_means_nothing_falls_back_with_a_note() -> None:
    selection, notes = from_query({"other": "../../etc", "page": "0", "sort": "colour", "run": "ok", "x": "y"})
    assert selection == Selection(run="ok")
    assert len(notes) == 3
    assert "../../etc" in notes[0]


@pytest.mark.parametrize("name", ["👩\u200d🔬", "a\u00a0b", "soft\u00adhyphen"])
def test_a_link_names_a_study_by_any_letters(name: str) -> None:
    assert from_query(to_query(Selection(study=name))) == (Selection(study=name), ())


def test_half_a_cell_is_no_cell() -> None:
    assert from_query({"true": "3"})[0].cell is None
    assert from_query({"true": "3", "predicted": "1"})[0].cell == (3, 1)


def test_an_empty_choice_of_methods_survives() -> None:
    assert to_query(Selection(methods=())) == {"methods": "-"}
    assert from_query({"methods": "-"})[0].methods == ()


def test_another_study_keeps_how_one_looks_but_not_at_what() -> None:
    before = Selection(study="a", run="r", true=1, predicted=2, sample=7, methods=("ig",), sort="loss", page=3)
    after = before.changed(study="b")
    assert after == Selection(study="b", methods=("ig",), sort="loss")


def test_another_cell_starts_at_page_one() -> None:
    assert Selection(page=4).changed(true=1, predicted=2).page == 1
    assert Selection(page=4).changed(methods=("ig",)).page == 4
    assert Selection(page=4).changed(sort="confidence").page == 4
