"""Proposals as cards: the picture with the annotation, the proposal and its evidence over it, and what to decide.

The outline of a proposal can be edited, with the mouse or with keys: see `proposal_cards.js`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.drawing.proposals import outlined
from dashboard.drawing.tiles import heat_tile, picture_tile
from dashboard.frame.context import Context
from dashboard.text import visible
from xai_core.answers.annotations import AnnotationsAnswer, Question
from xai_core.drawing.label_maps import CELL, colour_of
from xai_core.errors import XaiError
from xai_core.store.deciding import IGNORED
from xai_core.store.maps import MapStore
from xai_core.types import Target

SIDE = 1024
"""Pixels of the longer side of a picture: its parts are looked at from near."""

Decision = Mapping[str, Any]
"""What the browser says: `id`, `what`, and of some `label`, `polygon`."""

_HTML = """
<div class="board">
  <div class="bar">
    <label><input type="checkbox" name="annotated" checked><i class="annotated"></i> Annotation</label>
    <label><input type="checkbox" name="proposed" checked><i class="proposed"></i> Proposal</label>
    <label class="opacity">Evidence
      <input type="range" min="0" max="1" step="0.01" value="0.35"><output>35 %</output></label>
    <p class="keys"></p>
  </div>
  <div class="cards"></div>
  <div class="live" aria-live="polite"></div>
</div>
"""


@cache
def _component() -> Any:
    here = Path(__file__)
    css, js = (here.with_suffix(kind).read_text(encoding="utf-8") for kind in (".css", ".js"))
    return st.components.v2.component("second_look_proposal_cards", html=_HTML, css=css, js=js)


def proposal_cards(
    context: Context,
    answer: AnnotationsAnswer,
    questions: Sequence[Question],
    *,
    key: str,
    may_decide: bool,
    on_decide: Callable[[Decision], None],
) -> None:
    """Draw one card for each question.

    Args:
        context: the open view.
        answer: what they are from.
        questions: those on the page.
        key: of the element.
        may_decide: whether it is known who decides.
        on_decide: called with what was decided, before the page runs again.
    """
    names = list(context.study.class_names)
    data = {
        "items": [_item(context, answer, one) for one in questions],
        "classes": [visible(name) for name in [*names, IGNORED]],
        "proposed": CELL,
        "may": may_decide,
    }
    _component()(key=key, data=data, on_decide_change=lambda: _reported(key, on_decide))


def _reported(key: str, on_decide: Callable[[Decision], None]) -> None:
    said = (st.session_state.get(key) or {}).get("decide")
    if isinstance(said, Mapping):
        on_decide(said)


def _item(context: Context, answer: AnnotationsAnswer, one: Question) -> dict[str, Any]:
    proposal, study, run = one.proposal, context.study, answer.run
    names, tiles = study.class_names, context.services.tiles
    about = {
        "id": proposal.id,
        "kind": proposal.kind,
        "title": visible(one.in_words(names)),
        "facts": visible(one.facts),
        "accept": "Accept",
        "means": "",
        "sample": visible(study.samples["id"].iat[proposal.row]),
        "decided": visible(one.decided),
        "label": proposal.label,
        "colour": colour_of(proposal.label),
    }
    try:
        label_map = answer.label_map(proposal.row)
        accept, means = map(visible, answer.accepting(proposal))
        drawn = outlined(proposal.region(*label_map.shape), label_map, proposal.label, run.info.preprocess)
    except (XaiError, ValueError) as error:
        return about | {"none": visible(error)}
    width, height = drawn.seen[2] - drawn.seen[0], drawn.seen[3] - drawn.seen[1]
    heat = _heat(answer.maps, proposal.row, Target(proposal.label, region="predicted").key)
    return (
        about
        | asdict(drawn)
        | {
            "accept": accept,
            "means": means,
            "base": picture_tile(tiles, study, run, proposal.row, side=SIDE),
            "heat": heat_tile(tiles, heat[0], proposal.row, heat[1], signed=False, scale=heat[2], seen=(width, height))
            if heat
            else "",
        }
    )


def _heat(maps: MapStore | None, row: int, target: str) -> tuple[MapStore, str, float] | None:
    """Where the evidence is, of what, and the value drawn as full strength; None where there is none."""
    if maps is None:
        return None
    largest = float(maps.get([row], [target]).maps.max(initial=0.0))
    return (maps, target, largest) if largest > 0 else None
