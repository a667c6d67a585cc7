"""What pages keep of the answers' slow parts between two runs of a page. Nothing is computed here."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from dashboard.context import Context
from xai_core.answers import aggregate, sanity
from xai_core.models.preprocess import Preprocess
from xai_core.sanity.check import Check
from xai_core.types import Array

_cached = st.cache_data(max_entries=64, show_spinner=False)


@_cached
def measured(maps: tuple[aggregate.Maps, aggregate.Maps, aggregate.Maps], seed: int) -> aggregate.Measures:
    """As `aggregate.measure`."""
    return aggregate.measure(maps, seed)


@_cached
def compared(trained: Array, randomised: Array) -> dict[str, Check]:
    """As `sanity.compare`."""
    return sanity.compare(trained, randomised)


def mean_picture(context: Context, rows: NDArray[np.int64]) -> Image.Image | None:
    """The mean of what the model sees of these pictures; None for no picture, or a run without a model."""
    run = context.scope.run
    if not len(rows) or run.info.preprocess is None:
        return None
    return Image.fromarray(_mean_pixels(f"{context.study.path}:{run.info.fingerprint}", rows, context))


@st.cache_data(max_entries=64, show_spinner="Averaging the pictures …")
def _mean_pixels(name: str, rows: NDArray[np.int64], _context: Context) -> NDArray[np.uint8]:  # noqa: ARG001
    preprocess = Preprocess.from_dict(_context.scope.run.info.preprocess or {})
    total = sum(preprocess.pixels(_context.study.picture(int(row))).astype(np.float64) for row in rows)
    mean = np.round(np.asarray(total) / len(rows)).astype(np.uint8)
    return mean[..., 0] if mean.shape[-1] == 1 else mean
