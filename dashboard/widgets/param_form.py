"""A form for any parameters, made from their declaration."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import streamlit as st

from dashboard.text import plain
from xai_core.params import ParamSpec, specs


def param_form(
    params_type: type,
    values: Mapping[str, Any],
    *,
    key: str,
    skip: Collection[str] = (),
    only: Collection[str] = (),
) -> dict[str, Any]:
    """Draw one widget per parameter; gives their values by name, as the widgets have them.

    Args:
        params_type: a params dataclass.
        values: what to begin with; where it changes, the widgets follow.
        key: of the form; must be unique on the page.
        skip: names of parameters that are asked for elsewhere.
        only: names of those that are asked for here; all without any.
    """
    return {
        spec.name: _widget(spec, values.get(spec.name, spec.default), f"{key}.{spec.name}")
        for spec in specs(params_type)
        if spec.name not in skip and (not only or spec.name in only)
    }


def _widget(spec: ParamSpec, value: Any, key: str) -> Any:
    name = spec.name.replace("_", " ").capitalize() + (f" ({spec.unit})" if spec.unit else "")
    label = plain(name)
    # With the value in its name the widget begins anew where a link or Back changed the value.
    common: dict[str, Any] = {"key": f"{key}={value}", "help": plain(_sentence(spec))}
    if spec.type is bool:
        return st.toggle(label, bool(value), **common)
    if spec.choices:
        return st.selectbox(label, spec.choices, index=list(spec.choices).index(value), **common)
    if spec.type is str:
        return st.text_input(label, str(value), **common)
    low, high = (None if bound is None else spec.type(bound) for bound in (spec.low, spec.high))
    if spec.type is float:
        common |= {"format": "%g", "step": _step(float(value))}
    return st.number_input(label, low, high, spec.type(value), **common)


def _step(value: float) -> float:
    """One of the first digit: 0.0001 for 0.0003."""
    return float(10.0 ** math.floor(math.log10(value))) if value > 0 else 0.01


def _sentence(spec: ParamSpec) -> str:
    text = spec.help[:1].upper() + spec.help[1:]
    return f"{text.rstrip('.')}. Default: {spec.default}." if spec.default != "" else f"{text.rstrip('.')}."
