"""The data card: what a study holds, class by class, with example pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from dashboard.context import Context
from dashboard.summaries import Fact, class_counts, crossing, examples, facts, shown_classes
from dashboard.text import escaped
from dashboard.tiles import SMALL_SIDE, picture_tile
from xai_core.datasets.base import DATASETS
from xai_core.errors import NotFound
from xai_core.types import SPLITS

PICTURES = 16
"""Of each class; as many of them are seen as the page is wide."""
_OF = {"train": "training", "validation": "validation", "test": "test", "all": "all splits"}
_SPLIT_WORDS = {"train": "Training", "validation": "Validation", "test": "Test"}


def data_card(context: Context) -> None:
    """Draw facts, classes, and what to know about the data."""
    study = context.study
    st.html(f"<p class='source'>{_source(context)}</p>{_facts(facts(study))}")
    counts = class_counts(study)
    shown = shown_classes(counts)
    st.html(_classes(context, counts, shown))
    if len(shown) < len(counts):
        half = len(shown) // 2
        st.caption(f"The {half} largest and the {half} smallest of {len(counts):,} classes.")
    _details(context)


def _source(context: Context) -> str:
    try:
        title = DATASETS[context.study.info.dataset].card.title
    except NotFound:
        title = context.study.info.dataset
    notes = " ".join(escaped(note) for note in context.study.info.notes)
    return f"<b>{escaped(title)}</b>{' · ' if notes else ''}{notes}"


def _facts(entries: Sequence[Fact]) -> str:
    items = [
        f'<div class="{"warn" if fact.warn else ""}" title="{escaped(fact.help)}">'
        f"<span>{escaped(fact.name)}</span><b>{escaped(fact.value)}</b></div>"
        for fact in entries
    ]
    return f'<div class="card-facts">{"".join(items)}</div>'


def _classes(context: Context, counts: pd.DataFrame, shown: NDArray[np.int64]) -> str:
    splits = [split for split in SPLITS if counts[split].any()]
    most = int(counts["n"].max())
    heads = "".join(f'<th class="number"><i class="key {split}"></i>{_SPLIT_WORDS[split]}</th>' for split in splits)
    lines = "".join(_class_line(context, counts, int(label), splits, most) for label in shown)
    return (
        '<div class="classes-box"><table class="classes"><thead><tr><th>Class</th>'
        f'{heads}<th class="share">Samples</th><th class="strip">Examples, {_OF[context.selection.split]}</th></tr>'
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


def _details(context: Context) -> None:
    study = context.study
    twins = crossing(study, study.info.samples_digest)
    if len(twins):
        with st.expander(f"The same picture in two splits: {len(twins):,}"):
            st.dataframe(twins, hide_index=True, column_config={"samples": "Samples", "splits": "Splits"})
    if study.info.unreadable:
        with st.expander(f"Unreadable files: {len(study.info.unreadable):,}"):
            st.dataframe(pd.DataFrame(study.info.unreadable, columns=["File", "Why"]), hide_index=True)
