"""What an answer took long to find, kept between reruns."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from dashboard.context import Context
from xai_core.answers import data_card, runs
from xai_core.answers.scope import Scope
from xai_core.store.study import Study
from xai_core.triage.quality import Quality


def card_of(study: Study) -> data_card.DataCard:
    """The study's data card."""
    return data_card.data_card(study, _crossing(study, study.info.samples_digest))


def runs_of(context: Context) -> runs.Runs:
    """The study's runs on the open split."""
    split, studies = context.selection.split, context.services.studies
    return runs.all_runs(context.study, split, opened=lambda name: studies.run(context.study, name), measure=measured)


def measured(scope: Scope) -> Quality:
    """How good a run is on a split."""
    among = scope.members
    return _measured(scope, among.rows, among.predicted, scope.predictions.at(among.rows).confidence)


@st.cache_data(max_entries=16, show_spinner=False)
def _crossing(_study: Study, digest: str) -> pd.DataFrame:  # noqa: ARG001 (the digest stands for the study in the cache)
    return data_card.crossing(_study)


@st.cache_data(max_entries=256, show_spinner=False)
def _measured(_scope: Scope, rows: NDArray, predicted: NDArray, confidence: NDArray) -> Quality:  # noqa: ARG001 (the cache's key)
    return runs.measured(_scope)
