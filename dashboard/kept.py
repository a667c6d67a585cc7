"""What an answer took long to find, kept between reruns."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from dashboard.context import Context
from xai_core.answers import data_card, runs
from xai_core.answers.scope import Scope
from xai_core.store.study import Study
from xai_core.triage.quality import Quality, quality


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
    confidence = scope.predictions.at(among.rows).confidence
    return _quality(among.labels, among.predicted, confidence, len(scope.names))


@st.cache_data(max_entries=16, show_spinner=False)
def _crossing(_study: Study, digest: str) -> pd.DataFrame:  # noqa: ARG001 (the digest stands for the study in the cache)
    return data_card.crossing(_study)


@st.cache_data(max_entries=256, show_spinner=False)
def _quality(labels: NDArray, predicted: NDArray, confidence: NDArray, classes: int) -> Quality:
    return quality(labels, predicted, confidence, classes)
