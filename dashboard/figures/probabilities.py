"""What the model makes of one picture."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from dashboard.figures.theme import Theme, axis, class_axis, empty, safe, share_ticks, style, tint
from xai_core.answers.sample import Chance
from xai_core.words import percent


def top(chances: Sequence[Chance], theme: Theme) -> go.Figure:
    """The probabilities of some classes, the largest first. Without any it says so."""
    if not chances:
        return empty(theme, "No probabilities for this picture.")
    shown = list(reversed(chances))
    figure = go.Figure(_bar(shown, theme))
    style(figure, theme, height=90 + 34 * len(shown), margin_t=12)
    figure.update_xaxes(axis(theme, "probability", range=[0, 1.16], **share_ticks()))
    figure.update_yaxes(class_axis(theme, "", [one.name for one in shown]))
    return figure.update_yaxes(ticktext=[_name(one) for one in shown])


def _name(one: Chance) -> str:
    return safe(one.name, 22) + (f" · <b>{one.role}</b>" if one.role else "")


def _bar(shown: Sequence[Chance], theme: Theme) -> go.Bar:
    def colour(one: Chance) -> str:
        if one.true:
            return theme.accent
        return theme.series[1] if one.predicted else tint(theme.muted, 0.5)

    bar = go.Bar(x=[one.share for one in shown], y=list(range(len(shown))), orientation="h")
    bar.update(marker_color=[colour(one) for one in shown], cliponaxis=False)
    bar.update(text=[percent(one.share) for one in shown], textposition="outside")
    bar.update(textfont={"color": theme.text}, customdata=[safe(one.name) for one in shown])
    return bar.update(hovertemplate="%{customdata}: %{x:.2%}<extra></extra>")
