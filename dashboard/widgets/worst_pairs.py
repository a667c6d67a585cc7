"""The largest confusions of a run, each a way into its pictures."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import session
from dashboard.text import plain


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
    st.caption(
        "Of all samples of the true class, with the 95 % interval of each pair by itself: "
        "the largest of many pairs tends to look larger than it is. A pair opens its pictures."
    )


def _share(pair: Mapping[Hashable, Any], reach: float) -> str:
    share, low, high, count, n = (pair[name] for name in ("share", "low", "high", "count", "n"))
    left, width = 100 * low / reach, 100 * (high - low) / reach
    return (
        f'<div class="pair"><span>{count:,} of {n:,}</span><b>{100 * share:.1f} %</b>'
        f'<div class="track"><i class="range" style="left:{left:.2f}%;width:{width:.2f}%"></i>'
        f'<i class="point" style="left:{100 * share / reach:.2f}%"></i></div>'
        f'<span class="quiet">{100 * low:.1f} to {100 * high:.1f} %</span></div>'
    )
