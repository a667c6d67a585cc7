"""Layer and parameters of the chosen methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.text import plain, visible
from dashboard.widgets.param_form import param_form
from xai_core.answers.maps import Column
from xai_core.answers.methods import takes_layer
from xai_core.answers.provenance import settings_in_force
from xai_core.explainers import EXPLAINERS
from xai_core.params import NoParams, as_dict, build, specs
from xai_core.store.layers import convolutional_layers, named_layers

_LAYER = "select.layer"
_IN_A_ROW = 4


def layer_choice(context: Context, columns: Sequence[Column]) -> None:
    """The layer that maps are made at; nothing where no chosen method takes one."""
    run = context.run
    titles = [column.card.title for column in columns if takes_layer(EXPLAINERS[column.card.key], column.params)]
    if run is None or not titles:
        return
    declared, chosen = run.info.cam_layer, context.selection.layer
    words = named_layers(run)
    names = list(dict.fromkeys([declared, *words, *_layers(context), *([chosen] if chosen else [])]))
    st.session_state[_LAYER] = chosen or declared
    st.selectbox(
        "Layer",
        names,
        format_func=lambda name: visible(_layer_title(name, declared, words)),
        accept_new_options=True,
        filter_mode="contains",
        key=_LAYER,
        on_change=_take_layer,
        args=(declared,),
        help="Where in the model the maps are made: late layers are coarse and near the decision, early ones fine and "
        "far from it. Layers with convolutions are listed; any other can be typed by its dotted name. "
        f"Here it holds for {plain(', '.join(titles))}.",
        width=300,
    )


def settings_form(context: Context, columns: Sequence[Column]) -> None:
    """Parameters of the chosen methods, all at once; nothing where they have none."""
    with_params = [column for column in columns if _names(column)]
    if not with_params:
        return
    with st.expander("Method settings"), st.form("method-settings", border=False):
        places = [place for _ in with_params[::_IN_A_ROW] for place in st.columns(_IN_A_ROW)]
        values = {}
        for place, column in zip(places, with_params, strict=False):
            with place:
                st.markdown(f"**{plain(EXPLAINERS[column.card.key].card.title)}**")
                params = EXPLAINERS[column.card.key].params
                key = f"settings.{column.card.key}"
                values[column.card.key] = param_form(params, as_dict(column.params), key=key, skip=("layer",))
        st.caption("Settings hold on every page. Maps with other settings are kept beside these.")
        if st.form_submit_button("Apply"):
            others = [entry for entry in context.selection.settings if entry.partition(".")[0] not in values]
            session.update(settings=tuple(sorted([*others, *_changed(values)])))
            st.rerun()


def settings_note(context: Context, columns: Sequence[Column]) -> None:
    """For pages without a form: what is not at its default for these methods, and a way back; else nothing."""
    found = settings_in_force(columns)
    if not found:
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="settings-in-force"):
        st.caption(f"Not at defaults (set on the page Sample). {plain(found)}.")
        keys = tuple(column.card.key for column in columns)
        st.button("Back to defaults", type="tertiary", on_click=_reset, args=(context.selection.settings, keys))


def _reset(settings: Sequence[str], keys: Sequence[str]) -> None:
    session.update(layer="", settings=tuple(entry for entry in settings if entry.partition(".")[0] not in keys))


def _changed(values: dict[str, dict[str, Any]]) -> list[str]:
    """The settings that are not at their defaults, as they travel in a link."""
    found = []
    for key, given in values.items():
        defaults = as_dict(EXPLAINERS[key].params())
        checked = as_dict(build(EXPLAINERS[key].params, given))
        found += [f"{key}.{name}={checked[name]}" for name in given if checked[name] != defaults[name]]
    return found


def _names(column: Column) -> list[str]:
    params = EXPLAINERS[column.card.key].params
    return [] if params is NoParams else [spec.name for spec in specs(params) if spec.name != "layer"]


def _layer_title(name: str, declared: str, words: Mapping[str, str]) -> str:
    notes = [*([words[name]] if name in words else []), *(["default"] if name == declared else [])]
    return f"{name} ({', '.join(notes)})" if notes else name


def _layers(context: Context) -> list[str]:
    run = context.scope.run
    return _layers_of(run.info.fingerprint, run)


@st.cache_data(max_entries=16, show_spinner=False)
def _layers_of(fingerprint: str, _run: Any) -> list[str]:  # noqa: ARG001 (what the answer depends on)
    return convolutional_layers(_run)


def _take_layer(declared: str) -> None:
    value = (st.session_state[_LAYER] or "").strip()
    session.update(layer="" if value == declared else value)
