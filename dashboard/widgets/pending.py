"""Maps that are still to be computed: asked for once, watched while they come, given up, tried again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.frame.context import Context, Services
from dashboard.frame.session import connection, own_id
from dashboard.heat import evidence
from dashboard.text import escaped
from dashboard.widgets import offers
from dashboard.widgets.problem import guarded
from dashboard.widgets.progress import progress_html
from dashboard.widgets.status import SECONDS_BETWEEN_LOOKS
from xai_core.answers.maps import Column
from xai_core.store.maps import MISSING
from xai_core.types import Specs, several
from xai_core.worker.jobs import Job, State

_ASKED = "maps.asked"
_SHOWN = "maps.shown"
_URGENT = "maps.urgent"
_PAGE = "maps.page"


def ask(
    context: Context,
    wanted: Sequence[Column],
    rows: NDArray[np.int64],
    specs: Specs | None = None,
    *,
    weights: str = "trained",
    urgent: bool = True,
) -> str | None:
    """The job that computes what is missing of these maps, started once for the same view.

    None if nothing is missing, or where it is computed on request and nobody has requested it.
    """
    targets = several(specs or context.selection.target)
    missing = _missing(context, wanted, rows, targets)
    if not missing:
        return None
    methods = tuple((column.card.key, str(column.params)) for column in wanted)
    view = (context.study.path, context.selection.run, weights, targets, tuple(rows.tolist()), methods)

    def start() -> str:
        return evidence.request(context, wanted, rows, specs, weights=weights, urgent=urgent, owner=own_id())

    return asked_once(context, view, start, offers.Lacking(wanted, missing), urgent=urgent)


def asked_once(
    context: Context, view: Hashable, start: Callable[[], str], lacking: offers.Lacking, *, urgent: bool = True
) -> str | None:
    """The job of a view, started where it has none; None where nobody has requested what it lacks.

    Args:
        context: the open view.
        view: what tells it from others.
        start: asks the worker; gives the job's id.
        lacking: the maps that are missing; none for work that is done without being requested.
        urgent: whether it is given up when the page is left.
    """
    asked: dict[object, str] = st.session_state.setdefault(_ASKED, {})
    if view not in asked or context.services.worker.job(asked[view]) is None:
        if not offers.accepted(context, view, lacking):
            return None
        asked[view] = context.services.interest.join(own_id(), start, connected=connection()) if urgent else start()
        if urgent:
            st.session_state.setdefault(_URGENT, set()).add(asked[view])
    st.session_state.setdefault(_SHOWN, set()).add(asked[view])
    return asked[view]


@contextmanager
def newest_first(services: Services, page: str = "") -> Iterator[None]:
    """Draw a page; if it asks for maps or is another than before, what this session waited for before is given up.

    Long work that is not urgent goes on, and so does what another session waits for.
    """
    shown: set[str] = set()
    st.session_state[_SHOWN] = shown
    offers.begin()
    yield
    moved = st.session_state.get(_PAGE, page) != page
    st.session_state[_PAGE] = page
    urgent: set[str] = st.session_state.get(_URGENT, set())
    left = urgent - shown if shown or moved else set()
    urgent -= left
    asked: dict[object, str] = st.session_state.get(_ASKED, {})
    for view in [view for view, job in asked.items() if job in left]:
        del asked[view]
    for job in left:
        services.interest.leave(own_id(), job, services.worker.cancel)


def shown_jobs() -> frozenset[str]:
    """The jobs whose progress the page shows."""
    return frozenset(st.session_state.get(_SHOWN, ()))


def live(context: Context, jobs: Sequence[str | None], draw: Callable[[], None], *, what: str) -> None:
    """Draw, and draw again while one of the jobs is open; above it how far they are, or what is computed on request.

    Args:
        jobs: as `ask` gave them.
        draw: draws what is there by now.
        what: what is being computed, e.g. "Heatmaps of this picture".
    """
    offers.offer()
    waited = [job for job in jobs if job is not None]
    watching = any(job.open for job in _known(context, waited))
    every = SECONDS_BETWEEN_LOOKS if watching else None
    st.fragment(_drawn, run_every=every)(context, waited, draw, what, watching)


def _drawn(context: Context, jobs: list[str], draw: Callable[[], None], what: str, was_open: bool) -> None:
    known = _known(context, jobs)
    if was_open and not any(job.open for job in known):
        st.rerun()
    _progress(context, [job for job in known if job.open], what)
    _ended(known)
    guarded(draw)


def _progress(context: Context, jobs: Sequence[Job], what: str) -> None:
    if not jobs:
        return
    bar, button = st.columns([8, 1], vertical_alignment="bottom")
    bar.html(progress_html(_together(jobs, what)))
    button.button("Stop", key=f"stop.{what}", on_click=_stop, args=(context, jobs), width="stretch")


def _together(jobs: Sequence[Job], what: str) -> Job:
    """Several jobs as one: the worker does one after the other."""
    done, total = sum(job.done for job in jobs), sum(job.total for job in jobs)
    rate = next((job.rate for job in jobs if job.rate), None)
    alone = jobs[0].seconds_left if len(jobs) == 1 else None
    left = (total - done) / rate if rate else alone
    state: State = "running" if any(job.state == "running" for job in jobs) else "waiting"
    return replace(jobs[0], title=what, state=state, done=done, total=total, seconds_left=left)


def _ended(jobs: Sequence[Job]) -> None:
    """What went wrong, once for the same reason, and a way to try again."""
    errors = dict.fromkeys(job.error or "It could not be computed." for job in jobs if job.state == "failed")
    stopped = any(job.state == "cancelled" for job in jobs)
    if not errors and not stopped:
        return
    note, button = st.columns([8, 1], vertical_alignment="center")
    lines = [
        *errors,
        *(["Stopped before all was there; what is finished is kept."] if stopped else []),
    ]
    kind = "problem" if errors else "problem calm"
    text = "".join(f"<p>{escaped(line[:1].upper() + line[1:])}</p>" for line in lines)
    note.html(f'<div class="{kind}" role="alert">{text}</div>')
    if button.button("Try again", key="maps.again", width="stretch"):
        st.session_state.pop(_ASKED, None)
        st.rerun()  # of the page, which asks; by itself only this part would be drawn again


def _stop(context: Context, jobs: Sequence[Job]) -> None:
    for job in jobs:
        context.services.worker.cancel(job.id)


def _missing(
    context: Context, wanted: Sequence[Column], rows: NDArray[np.int64], specs: Sequence[str]
) -> frozenset[tuple[int, Hashable]]:
    """Which maps are not there: the method's place, and the sample with what is explained."""
    found: set[tuple[int, Hashable]] = set()
    for spec in specs if len(rows) else ():
        keys = evidence.target_keys(context, rows, spec)
        for place, column in enumerate(wanted):
            gone = np.arange(len(rows)) if column.maps is None else column.maps.state(rows, keys) == MISSING
            found |= {(place, (int(rows[i]), keys[i])) for i in np.arange(len(rows))[gone]}
    return frozenset(found)


def _known(context: Context, jobs: Sequence[str]) -> list[Job]:
    found = (context.services.worker.job(job) for job in jobs)
    return [job for job in found if job is not None]
