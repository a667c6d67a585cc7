"""The largest confusions of a run, each a way into its pictures."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.frame import session
from dashboard.text import plain
from xai_core.answers.confusion import PAIRS_NOTE, pair_words


def worst_pairs(table: pd.DataFrame) -> None:
    """Draw one line per pair, with its share and interval; its button opens the cell on the Confusion page.

    Args:
        table: from `xai_core.triage.confusion.worst_pairs`.
    """
    with st.container(key="worst-pairs", gap=None):
        reach = max(float(table["high"].max()), 0.01)
        for place, pair in enumerate(table.to_dict("records")):
            button, share = st.columns([5, 9], vertical_alignment="center", gap="small")
            label = " → ".join(plain(pair[name]) for name in ("true_name", "predicted_name"))
            if button.button(label, key=f"pair.{place}", type="tertiary", help="See these pictures"):
                session.go("confusion", true=int(pair["true"]), predicted=int(pair["predicted"]))
            share.html(_share(pair, reach))
    st.caption(f"{plain(PAIRS_NOTE)} A pair opens its pictures.")


def _share(pair: Mapping[Hashable, Any], reach: float) -> str:
    share, low, high = (100 * pair[name] / reach for name in ("share", "low", "high"))
    count, percent, bounds = pair_words(pair)
    return (
        f'<div class="pair"><span>{count}</span><b>{percent}</b>'
        f'<div class="track"><i class="range" style="left:{low:.2f}%;width:{high - low:.2f}%"></i>'
        f'<i class="point" style="left:{share:.2f}%"></i></div>'
        f'<span class="quiet">{bounds}</span></div>'
    )
