"""Maps that are computed on request only: the page says how many are missing and how long they take, with a button."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import streamlit as st

from dashboard.frame.context import Context
from dashboard.text import escaped
from xai_core.answers.maps import Column
from xai_core.answers.speed import missing_line, seconds_per_map

_OFFERED = "maps.offered"
_ACCEPTED = "maps.accepted"


@dataclass(frozen=True)
class Offer:
    """What one view of the page lacks.

    Attributes:
        view: what was asked for, as `pending` knows it again.
        maps: what each map is of, by its method's place among `speeds`.
        speeds: seconds that a map of each method takes; None where that is not known.
    """

    view: Hashable
    maps: frozenset[tuple[int, Hashable]]
    speeds: tuple[float | None, ...]

    @property
    def seconds(self) -> float | None:
        """All together; None where it is not known of one of the methods."""
        speeds = [self.speeds[place] for place, _ in self.maps]
        known = [speed for speed in speeds if speed is not None]
        return sum(known) if len(known) == len(speeds) else None


@dataclass(frozen=True)
class Lacking:
    """Maps that are not there: of which methods, and each by its method's place and what it is of."""

    methods: Sequence[Column] = ()
    maps: frozenset[tuple[int, Hashable]] = frozenset()


def begin() -> None:
    """A page is drawn: what the one before offered is forgotten."""
    st.session_state[_OFFERED] = []


def accepted(context: Context, view: Hashable, lacking: Lacking) -> bool:
    """Whether missing maps are to be computed now: always, or once somebody took the offer that `offer` draws."""
    on_request = context.services.on_request and lacking.maps
    if not on_request or view in st.session_state.get(_ACCEPTED, ()):
        return True
    speeds = tuple(seconds_per_map(context.study, column) for column in lacking.methods)
    st.session_state.setdefault(_OFFERED, []).append(Offer(view, lacking.maps, speeds))
    return False


def offered() -> list[Offer]:
    """What the page lacks and nobody has asked for."""
    return list(st.session_state.get(_OFFERED, ()))


def offer() -> None:
    """Say how many maps are missing and how long they take, beside a button that asks for them."""
    found = offered()
    if not found:
        return
    known = [one.seconds for one in found if one.seconds is not None]
    line = missing_line(sum(len(one.maps) for one in found), sum(known) if len(known) == len(found) else None)
    words, button = st.columns([6, 1], vertical_alignment="center")
    words.html(f'<div class="offer">{escaped(line)}</div>')
    views = [one.view for one in found]
    button.button("Compute", key="maps.compute", type="primary", on_click=_accept, args=(views,), width="stretch")


def _accept(views: Sequence[Hashable]) -> None:
    st.session_state.setdefault(_ACCEPTED, set()).update(views)
