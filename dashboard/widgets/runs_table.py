"""The runs of a study as a table to choose from, and against each other as figures."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.figures import quality
from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.text import plain
from dashboard.widgets.plot import page_theme, plot
from dashboard.widgets.problem import problem_box
from xai_core.answers.runs import DIFFERENT_N, Runs
from xai_core.words import percent_range

MODEL = "The architecture. “predictions alone” came without a model to explain, “sklearn:…” is a classical baseline."
PREDICTING = "How long all samples took without reading them; known of classical baselines, which predict at once."


def runs_table(context: Context, runs: Runs) -> None:
    """Draw the table; a click on a row chooses the run. Under it, what is missing, with the line that makes it."""
    table, chosen = runs.table, context.selection.run
    names = table["name"].tolist()
    place = [names.index(chosen)] if chosen in names else []
    shown = _readable(table)
    st.dataframe(
        shown,
        hide_index=True,
        column_config=_columns(shown),
        placeholder="–",
        key=f"runs.{chosen}.{len(names)}",
        on_select=lambda: _choose(f"runs.{chosen}.{len(names)}", names),
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": place, "columns": [], "cells": []}},
    )
    _missing(runs)


def _choose(key: str, names: list[str]) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    if rows:
        session.update(run=names[rows[0]])


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """The columns in the order of reading; those that say nothing about any run are left out."""
    shown = pd.DataFrame({"name": table["name"], "accuracy": 100 * table["accuracy"], "interval": _bounds(table)})
    shown["errors"], shown["n"] = table["errors"], table["n"]
    for column in ("balanced_accuracy", "macro_f1", "calibration_error"):
        shown[column] = 100 * table[column]
    if table["worst_group"].notna().any():
        shown["worst_group"], shown["worst_interval"] = 100 * table["worst_group"], _bounds(table, "worst_")
        shown["gap"], shown["worst"] = 100 * table["gap"], table["worst"]
    optional = table[["parent", "augmentations", "model", "seconds", "predict_seconds", "created"]]
    said = [name for name in optional if (optional[name].notna() & (optional[name] != "")).any()]
    return pd.concat([shown, optional[said]], axis=1)


def _bounds(table: pd.DataFrame, of: str = "") -> list[str | None]:
    pairs = zip(table[f"{of}low"], table[f"{of}high"], strict=True)
    return [percent_range(low, high).removesuffix(" %") or None for low, high in pairs]


def _columns(shown: pd.DataFrame) -> dict[str, Any]:
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    calibration = "Expected calibration error: how far confidence is from accuracy, on average (15 bins). 0 is best."
    columns: dict[str, Any] = {
        "name": text("Run", help="Click a row to choose the run."),
        "accuracy": number("Accuracy", width=76, format="%.1f %%", help="Share of samples that are right."),
        "interval": text(
            "95 % interval",
            width=96,
            help="Of the accuracy, in percent (Wilson). Whether two runs differ: see Compare.",
        ),
        "errors": number("Wrong", width=58, format="%d"),
        "n": number("of n", width=58, format="%d", help="Samples of this split that the run predicted."),
        "balanced_accuracy": number(
            "Balanced", width=76, format="%.1f %%", help="Mean over classes of the share that is right."
        ),
        "macro_f1": number(
            "Macro-F1", width=80, format="%.1f %%", help="Mean of F1 over classes, each counting alike."
        ),
        "calibration_error": number("ECE", width=64, format="%.1f %%", help=calibration),
        "worst_group": number(
            "Worst group", width=92, format="%.1f %%", help="Share of samples that are right in the worst group."
        ),
        "worst_interval": text(
            "95 % interval", width=96, help="Of the worst group; it allows for its having been chosen as the worst."
        ),
        "gap": number("Behind", width=72, format="%.1f", help="Percentage points from all samples to the worst group."),
        "worst": text("Which group", width=160, help="Class, and what the study's samples are grouped by."),
        "model": text("Model", help=MODEL),
        "parent": text("Parent", width=80, help="The run this one is a variation of."),
        "augmentations": text("Augmentations", width=140, help="How training pictures were changed."),
        "created": st.column_config.DatetimeColumn("When", format="YYYY-MM-DD HH:mm", help="In UTC."),
        "seconds": number("Training", width=72, format="%.0f s", help="How long training took."),
        "predict_seconds": number("Predicting", width=82, format="%.1f s", help=PREDICTING),
    }
    return {name: columns[name] for name in shown.columns}


def _missing(runs: Runs) -> None:
    for error in runs.problems:
        problem_box(error)
    for sentence in runs.sentences:
        draw = st.warning if sentence == DIFFERENT_N else st.caption
        draw(plain(sentence))
    if runs.commands:
        st.caption("In a terminal:")
        st.code("\n".join(runs.commands), language="bash")


def runs_figures(runs: Runs) -> None:
    """Accuracy close up, and beside the time it took; nothing for a single run."""
    table = runs.measured.rename(columns={"accuracy": "value"})
    if len(table) < 2:
        return
    theme = page_theme()
    left, right = st.columns([2, 3], gap="large")
    with left:
        plot(quality.runs(table, theme, title="Accuracy, close up"), key="runs.dots", alt="Accuracy of each run")
    with right:
        figure = quality.cost(table, theme, title="Accuracy against cost")
        plot(figure, key="runs.cost", alt="Accuracy and training time of each run")
