"""Pictures of two splits that look nearly the same, side by side, each a way to its sample."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from dashboard.drawing.tiles import picture_tile
from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.frame.state import to_query
from dashboard.text import escaped, plain
from xai_core.answers.data_card import NEAR_NOTE
from xai_core.words import SPLIT_WORDS

SHOWN = 16
"""Pairs with their pictures; all are in the table below them."""


def near_pairs(context: Context, pairs: pd.DataFrame) -> None:
    """Draw the nearest pairs, and a table of all where there are more.

    Args:
        pairs: from `xai_core.answers.data_card.near_pairs`, with a line or more.
    """
    with st.expander(f"Nearly the same picture in two splits: {len(pairs):,}"):
        st.caption(plain(NEAR_NOTE))
        st.html(
            f'<div class="twins">{"".join(_pair(context, pair) for pair in pairs.head(SHOWN).to_dict("records"))}</div>'
        )
        if len(pairs) > SHOWN:
            st.caption(f"The {SHOWN} nearest. All pairs, with the bits of 256 in which their hashes differ:")
            columns = {"one": "One", "other": "Other", "splits": "Splits", "classes": "Classes", "distance": "Bits"}
            st.dataframe(pairs[list(columns)], hide_index=True, column_config=columns)


def _pair(context: Context, pair: Mapping[Hashable, Any]) -> str:
    splits = pair["splits"].split(", ")
    sides = zip(("one", "other"), ("row", "other_row"), splits, strict=True)
    both = "".join(_side(context, str(pair[name]), int(pair[row]), split) for name, row, split in sides)
    return (
        f'<figure>{both}<figcaption title="{escaped(pair["classes"])}">{escaped(pair["classes"])}</figcaption></figure>'
    )


def _side(context: Context, name: str, row: int, split: str) -> str:
    picture = picture_tile(context.services.tiles, context.study, None, row)
    inside = f'<img src="{picture}" alt="" loading="lazy"><span>{escaped(SPLIT_WORDS.get(split, split))}</span>'
    known = context.predictions
    if known is None or not known.have(pd.Index([row]).to_numpy())[0] or not session.has_page("sample"):
        return f'<div title="{escaped(name)}">{inside}</div>'
    there = to_query(replace(context.selection, split=split, where=(), true=None, predicted=None, sample=row))
    return f'<a href="sample?{escaped(urlencode(there))}" target="_self" title="{escaped(name)}">{inside}</a>'
