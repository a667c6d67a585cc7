"""The frame around every page: menu, choice of study, run and split, status line, errors."""

from __future__ import annotations

import base64
import gc
import importlib
import pkgutil
from functools import cache
from typing import Any, cast

import streamlit as st

from dashboard import views
from dashboard.figures.theme import theme_of
from dashboard.frame import session
from dashboard.frame.context import Context, Services, View, resolve, services, wanted
from dashboard.text import plain, visible
from dashboard.widgets.empty import another_task, empty
from dashboard.widgets.fact_filter import fact_filter
from dashboard.widgets.pending import newest_first, shown_jobs
from dashboard.widgets.problem import guarded, problem_box
from dashboard.widgets.status import status_line
from xai_core.errors import XaiError
from xai_core.files import ASSETS
from xai_core.jobs.manage import Jobs
from xai_core.task import CLASSIFICATION
from xai_core.types import ALL_SPLITS
from xai_core.words import SPLIT_WORDS


@cache
def found_views() -> tuple[View, ...]:
    """The modules under `views/`, in the order of the menu."""
    names = [module.name for module in pkgutil.iter_modules(views.__path__)]
    modules = [cast(View, importlib.import_module(f"dashboard.views.{name}")) for name in names]
    return tuple(sorted(modules, key=lambda view: view.ORDER))


def tasks_of(view: View) -> tuple[str, ...]:
    """Those whose studies a page can be asked about; a page that does not say is about classifiers."""
    return getattr(view, "TASKS", (CLASSIFICATION,))


def main(first: str | None = None) -> None:
    """Draw the page that the URL names; `first` is the URL of the page to begin with (the first of the menu)."""
    st.set_page_config(page_title="Second Look", page_icon=str(ASSETS / "logo.svg"), layout="wide")
    st.html(f"<style>{_colours()}{_style()}</style>")
    st.logo(str(ASSETS / "logo.svg"), size="large")
    first = first or found_views()[0].URL
    pages = {view.URL: _page(view, default=first == view.URL) for view in found_views()}
    session.remember_pages(pages)
    st.navigation(list(pages.values())).run()
    st.html('<div class="xai-ready" data-ready="true" hidden></div>')
    _settle_memory()


def _page(view: View, *, default: bool) -> Any:
    def draw() -> None:
        _framed(view)

    return st.Page(draw, title=view.TITLE, url_path=view.URL, default=default)


def _framed(view: View) -> None:
    st.title(view.QUESTION, anchor=False)
    try:
        shared = services()
        if not len(shared.studies):
            empty(
                "No study is being served", "Start the dashboard with one or more studies.", command="xai serve STUDY"
            )
            return
        context = _context(view, shared)
        with st.container(key=view.URL), newest_first(shared, view.URL):
            if context.study.info.task in tasks_of(view):
                guarded(lambda: view.render(context))
            else:
                another_task(context.study.info.task)
        with st.sidebar:
            status_line(shared.worker, Jobs(context.study.path), shown_jobs())
    except XaiError as error:
        problem_box(error)


def _context(view: View, shared: Services) -> Context:
    """The open view, after the sidebar's choices; the URL follows."""
    notes = session.read_url(view.URL)
    context, more = resolve(session.current(), shared)
    for note in (*notes, *more):
        st.warning(plain(note))
    with st.sidebar:
        _choices(context)
    session.write_url(context.selection)
    return context


def _choices(context: Context) -> None:
    """Study, run, split and facts. They apply to every page."""
    chosen = context.selection
    names = list(context.services.studies)
    st.selectbox(
        "Study", names, format_func=visible, help="A data set with its models.", **session.bound("study", chosen.study)
    )
    runs = context.study.runs()[::-1]
    if runs:
        st.selectbox(
            "Run",
            runs,
            format_func=visible,
            help="A model, or a table of predictions.",
            **session.bound("run", chosen.run),
        )
    splits = [split for split in ALL_SPLITS if len(context.study.rows(wanted(split)))]
    st.selectbox(
        "Split",
        splits,
        format_func=lambda split: f"{SPLIT_WORDS[split].capitalize()} · {len(context.study.rows(wanted(split))):,}",
        help="Which samples are counted. Judge on test; training samples were seen by the model.",
        **session.bound("split", chosen.split),
    )
    fact_filter(context)


def _colours() -> str:
    """The colours of the figures that the style sheets use too, as they are in the mode of this session."""
    theme = theme_of(st.context.theme.type or "light")
    return f":root{{--accent:{theme.accent};--warm:{theme.series[1]};--page:{theme.surface}}}"


@cache
def _style() -> str:
    """The style sheets, with one rule per menu entry that draws its icon as a mask (so it follows the theme)."""
    rules = [sheet.read_text(encoding="utf-8") for sheet in sorted(ASSETS.glob("*.css"))]
    for place, view in enumerate(found_views(), start=1):
        svg = base64.b64encode((ASSETS / "icons" / f"{view.ICON}.svg").read_bytes()).decode()
        rules.append(
            f'[data-testid="stSidebarNavItems"] li:nth-child({place}) a::before'
            f'{{mask-image:url("data:image/svg+xml;base64,{svg}")}}'
        )
    return "\n".join(rules)


@cache
def _settle_memory() -> None:
    """Once, when everything is loaded: leave it out of the collection that Streamlit runs after every rerun."""
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    main()
