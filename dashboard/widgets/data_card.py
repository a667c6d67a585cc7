"""The data card: what a study holds, class by class, with example pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from dashboard.drawing.tiles import SMALL_SIDE, picture_tile
from dashboard.frame.cached import card_of
from dashboard.frame.context import Context
from dashboard.text import escaped, plain
from dashboard.widgets.near_pairs import near_pairs
from dashboard.widgets.problem import problem_box
from xai_core.answers.data_card import DataCard, Fact, examples, left_out, present_splits, shown_classes
from xai_core.store.data_folder import MissingData
from xai_core.store.study import Study
from xai_core.task import SEGMENTATION
from xai_core.words import SPLIT_WORDS

PICTURES = 16
"""Of each class; as many of them are seen as the page is wide."""


def data_card(context: Context) -> None:
    """Draw facts, classes, and what to know about the data."""
    _missing_pictures(context.study)
    card = card_of(context.study)
    st.html(f"<p class='source'>{_source(card)}</p>{_facts(card.facts)}")
    st.html(_classes(context, card.counts, shown_classes(card.counts)))
    if left_out(card.counts):
        st.caption(plain(left_out(card.counts)))
    _details(context, card)


def _missing_pictures(study: Study) -> None:
    """Where all pictures are gone, the page says once how to find them again."""
    if not study.data.exists():
        try:
            study.picture(0)
        except MissingData as error:
            problem_box(error)


def _source(card: DataCard) -> str:
    notes = " ".join(escaped(note) for note in card.notes)
    return f"<b>{escaped(card.title)}</b>{' · ' if notes else ''}{notes}"


def _facts(entries: Sequence[Fact]) -> str:
    items = [
        f'<div class="{"warn" if fact.warn else ""}" title="{escaped(fact.help)}">'
        f"<span>{escaped(fact.name)}</span><b>{escaped(fact.value)}</b></div>"
        for fact in entries
    ]
    return f'<div class="card-facts">{"".join(items)}</div>'


def _classes(context: Context, counts: pd.DataFrame, shown: NDArray[np.int64]) -> str:
    splits = present_splits(counts)
    most = int(counts["n"].max())
    heads = "".join(
        f'<th class="number"><i class="key {split}"></i>{SPLIT_WORDS[split].capitalize()}</th>' for split in splits
    )
    lines = "".join(_class_line(context, counts, int(label), splits, most) for label in shown)
    return (
        '<div class="classes-box"><table class="classes"><thead><tr>'
        f"<th>{'Main object' if context.study.info.task == SEGMENTATION else 'Class'}</th>"
        f'{heads}<th class="share">Samples</th>'
        f'<th class="strip">Examples, {_of(context.selection.split)}</th></tr>'
        f"</thead><tbody>{lines}</tbody></table></div>"
    )


def _class_line(context: Context, counts: pd.DataFrame, label: int, splits: Sequence[str], most: int) -> str:
    own = {split: int(counts[split].to_numpy()[label]) for split in splits}
    numbers = "".join(f'<td class="number">{count:,}</td>' for count in own.values())
    parts = "".join(f'<i class="{split}" style="width:{100 * count / most:.2f}%"></i>' for split, count in own.items())
    name = escaped(context.study.class_names[label])
    return (
        f'<tr><th scope="row" title="{name}">{name}</th>{numbers}'
        f'<td class="share"><div class="stack">{parts}</div></td>'
        f"<td>{_pictures(context, label)}</td></tr>"
    )


def _pictures(context: Context, label: int) -> str:
    study, tiles = context.study, context.services.tiles
    rows = examples(study, context.rows, label, PICTURES)
    found = [picture_tile(tiles, study, None, int(row), side=SMALL_SIDE) for row in rows]
    images = [f'<img src="{address}" alt="" loading="lazy">' for address in found]
    return (
        f'<div class="examples">{"".join(images)}</div>' if images else '<span class="quiet">none in this split</span>'
    )


def _of(split: str) -> str:
    return "all splits" if split == "all" else SPLIT_WORDS[split]


def _details(context: Context, card: DataCard) -> None:
    if len(card.crossing):
        with st.expander(f"The same picture in two splits: {len(card.crossing):,}"):
            st.dataframe(card.crossing, hide_index=True, column_config={"samples": "Samples", "splits": "Splits"})
    if card.near is not None and len(card.near):
        near_pairs(context, card.near)
    if card.unreadable:
        with st.expander(f"Unreadable files: {len(card.unreadable):,}"):
            st.dataframe(pd.DataFrame(card.unreadable, columns=["File", "Why"]), hide_index=True)
