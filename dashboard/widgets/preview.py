"""What a plan's augmentations make of a few training pictures, on request."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import streamlit as st

from dashboard.frame.context import Context
from dashboard.text import escaped, plain
from dashboard.widgets.progress import progress_html
from xai_core.answers.training import Plan
from xai_core.params import digest
from xai_core.training.augmentations.base import DRAWS, PREVIEWED
from xai_core.worker.requests import Preview

_ASKED = "previews.asked"
_SECONDS_BETWEEN_LOOKS = 0.5


def preview(context: Context, plan: Plan) -> None:
    """Draw the button, and the pictures once they are there."""
    if not plan.config.augmentations:
        return
    arguments = plan.arguments
    config = arguments["config"]
    what = [config["augmentations"], config["tiles_of"], arguments["parent"]]
    name = digest([str(context.study.path), *what])[:16]
    asked: dict[str, str] = st.session_state.setdefault(_ASKED, {})
    into = _folder() / f"{name}.png"
    if name not in asked and not st.button("Preview the augmentations", key="train.preview"):
        return
    worker = context.services.worker
    job = worker.job(asked[name]) if name in asked else None
    if job is None:
        asked[name] = worker.ask(Preview(context.study.path, arguments, into))
        job = worker.job(asked[name])
    st.fragment(_drawn, run_every=_SECONDS_BETWEEN_LOOKS if job and job.open else None)(context, name, into)


def _drawn(context: Context, asked: str, into: Path) -> None:
    job = context.services.worker.job(st.session_state[_ASKED][asked])
    if job is not None and job.open:
        st.html(progress_html(job))
        return
    if job is not None and job.error:
        st.html(f'<div class="status warning" role="alert">{escaped(job.error)}</div>')
        if st.button("Try again", key="train.preview.again"):
            del st.session_state[_ASKED][asked]
            st.rerun()
        return
    if into.is_file():
        st.image(into.read_bytes(), width="stretch")
        said = f"{PREVIEWED} training pictures as they are in the first row; below, what {DRAWS} draws make of them."
        st.caption(plain(said))


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="second-look-previews-")


def _folder() -> Path:
    """Of this server; it ends with it."""
    return Path(_scratch().name)
