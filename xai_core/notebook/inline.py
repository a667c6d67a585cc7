"""What a notebook shows of a study, a run and heatmaps."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import NotFound
from xai_core.text import counted, listed
from xai_core.types import SPLITS
from xai_core.words import percent, percent_range

if TYPE_CHECKING:
    from PIL import Image

    from xai_core.store.run import Run
    from xai_core.store.study import Study
    from xai_core.triage.looks import Look

_SIDE = 256
_NAMED = 12


def study_html(study: Study) -> str:
    """Its name, classes, samples by split, and runs."""
    counts = {split: len(study.rows(split)) for split in SPLITS}
    splits = ", ".join(f"{count:,} {split}" for split, count in counts.items() if count)
    lines = [
        ("samples", f"{len(study.labels):,} ({splits})"),
        ("classes", f"{len(study.class_names):,}: {listed(study.class_names, _NAMED)}"),
        ("runs", listed(study.runs(), _NAMED) or "none yet"),
    ]
    return _table(f"Study {study.name}", lines)


def run_html(run: Run) -> str:
    """Its name and model, and how often it is right, by split."""
    from xai_core.answers.runs import by_split

    model = (run.info.architecture or "a model of this program's") if run.info.fingerprint else "predictions alone"
    lines = [("model", model)]
    for split, one in by_split(run).items() if run.predictions is not None else ():
        interval = percent_range(one["low"], one["high"])
        lines.append((split, f"accuracy {percent(one['accuracy'])} (95 %: {interval}) of {one['n']:,}"))
    return _table(f"Run {run.name} of {run.study.name}", lines)


def _table(title: str, lines: Sequence[tuple[str, str]]) -> str:
    """Names are a user's, and only ever text."""
    cells = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(said)}</td></tr>" for name, said in lines)
    return f"<table><caption>{html.escape(title)}</caption>{cells}</table>"


def sheet_of(
    run: Run, methods: Mapping[str, Mapping[str, Any]], rows: NDArray[np.int64], target: str, most: int, look: Look
) -> Image.Image:
    """The first `most` of these samples with their stored heatmaps, a line each. Raises NotFound: no such look."""
    from xai_core.answers import maps
    from xai_core.answers.cell import caption
    from xai_core.answers.scope import Scope
    from xai_core.drawing.sheet import Line, sheet
    from xai_core.triage.looks import LOOKS, MEANING

    if look not in LOOKS:
        raise NotFound.among("way to draw a heatmap", look, LOOKS)
    shown, scope = rows[:most], Scope(run, "all")
    keys = maps.target_keys(run, shown, target)
    columns = maps.columns(run, list(methods), methods)
    facts = [maps.found(column, shown, keys, "per image", look) for column in columns]
    lines = []
    for place, row in enumerate(shown.tolist()):
        base, panels = _pictures(run, row, keys[place], columns, [found[place] for found in facts], look)
        lines.append(Line(caption(scope, row), base, panels))
    target = run.study.class_names[int(target)] if target.isdecimal() else target
    left_out = "" if len(shown) == len(rows) else f"{counted(len(rows) - len(shown), 'more sample')} not shown. "
    scale = maps.scale_note([one for found in facts for one in found], "per image", look)
    foot = f"{left_out}{run.study.name}, run {run.name}; evidence for: {target}. {MEANING[look]} {scale}"
    return sheet([column.card.title for column in columns], lines, foot.strip())


def _pictures(
    run: Run, row: int, key: str, columns: Sequence[Any], facts: Sequence[Any], look: Look
) -> tuple[Image.Image, list[Image.Image | None]]:
    """A sample's picture as the model sees it, and under each method's map, where there is one."""
    from xai_core.drawing.looks import fade_of
    from xai_core.drawing.seen import map_layer, seen_picture
    from xai_core.drawing.sheet import laid_over, tile
    from xai_core.triage.normalise import evidence

    seen = seen_picture(run.study.picture(row), run.info.preprocess, side=_SIDE)
    base, panels = tile(seen), list[Any]()
    for column, one in zip(columns, facts, strict=True):
        if one.scale is None:
            panels.append(None)
            continue
        signed = column.card.signed
        heat = evidence(column.maps.get([row], [key]).maps, signed=signed)[0]
        size = (float(seen.width), float(seen.height))
        layer = map_layer(heat, signed=signed, scale=one.scale, seen=size, look=look)
        panels.append(laid_over(base, layer, fade_of(look, signed=signed, fine=one.fine), look))
    return base, panels
