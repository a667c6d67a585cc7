"""What a segmenter says of dropped pictures: its regions over each, and every class with its share and confidence."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.drawing.tiles import LARGE_SIDE, dropped_regions, dropped_tile
from dashboard.frame.context import Context
from dashboard.text import escaped
from dashboard.widgets.label_gallery import legend
from xai_core.answers.new_pictures import Answer, RegionsAnswer
from xai_core.drawing.label_maps import colour_of
from xai_core.drawing.seen import seen_size
from xai_core.store.new_pictures import NewPictures

_HEADS = ("Class", "Share of the pixels", "Confidence there")


def regions_said(context: Context, kept: NewPictures, answers: Sequence[Answer]) -> None:
    """Draw one line a picture: itself, its regions, and a table of its classes."""
    legend(context.study.class_names, background=context.study.has_background, differences=False)
    parts = [_picture(context, kept, one) for one in answers if isinstance(one, RegionsAnswer)]
    st.html(f'<div class="new-regions">{"".join(parts)}</div>')


def _picture(context: Context, kept: NewPictures, one: RegionsAnswer) -> str:
    tiles = context.services.tiles
    width, height = seen_size(kept.run.info.preprocess, *one.said.size)
    base = f'<img src="{dropped_tile(tiles, kept, one.number, side=LARGE_SIDE)}" alt="">'
    said = f'<img class="mask" src="{dropped_regions(tiles, kept, one.number)}" alt="Predicted regions">'
    frame = f'<div class="portrait" style="aspect-ratio:{width / height:.4f}">'
    head = "".join(f'<th scope="col">{title}</th>' for title in _HEADS)
    lines = "".join(_line(*line, background=context.study.has_background) for line in one.lines)
    return (
        f"<section><h4>{escaped(one.name)}</h4><figure>{frame}{base}</div></figure>"
        f"<figure>{frame}{base}{said}</div></figure>"
        f'<table class="facts"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></section>'
    )


def _line(at: int, name: str, share: float, of_pixels: str, sure: str, *, background: bool) -> str:
    colour = "transparent" if background and at == 0 else colour_of(at)
    meter = f'<span class="meter" aria-hidden="true"><i style="width:{share:.1%}"></i></span>'
    return (
        f'<tr><th scope="row"><i class="chip" style="background:{colour}"></i>{escaped(name)}</th>'
        f'<td class="number">{meter}{of_pixels}</td><td class="number">{sure}</td></tr>'
    )
