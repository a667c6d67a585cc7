"""The form of a training: what varies, of which parent, by which loss and augmentations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.frame.context import Context
from dashboard.text import escaped, plain, visible
from dashboard.widgets.param_form import param_form
from dashboard.widgets.problem import problem_box
from xai_core.answers.training import (
    Plan,
    Suggestion,
    configuration_of,
    free_name,
    going_on,
    is_parent,
    numbers_asked,
    suggestion,
    usable_members,
)
from xai_core.errors import XaiError
from xai_core.jobs.training import MOST_SEEDS
from xai_core.label_maps import ORIGINAL
from xai_core.models.architectures import ARCHITECTURES, architectures_for
from xai_core.store.run import Run
from xai_core.store.versions import versions
from xai_core.task import CLASSIFICATION
from xai_core.training.augmentations import AUGMENTATIONS
from xai_core.training.config import TrainConfig, TrainParams
from xai_core.training.losses import LOSSES

_SCRATCH = ""
_MUST = "With the low rate of fine-tuning. The parent began with a weights file, which only a command can name again."


def train_form(context: Context) -> Plan | None:
    """Draw it; gives what is planned, None where that cannot be trained (the reason is drawn)."""
    study = context.study
    parents = [run.name for run in reversed(context.readable.runs) if is_parent(run)]
    left, right = st.columns(2, gap="medium")
    with left:
        parent = _parent(context, parents)
    try:
        before = configuration_of(parent)
        with right:
            proposed = free_name(study, f"{parent.name}-fix" if parent else "baseline")
            name = st.text_input("Name of the new run", proposed, key=f"train.name.{proposed}")
        from_parent = _start(parent, before)
        values = before | (going_on(parent) if parent and from_parent else {})
        found = suggestion(parent, context.selection.cell) if parent else Suggestion()
        if found.sentence:
            st.html(f'<div class="offer">{escaped(found.sentence)}</div>')
        values |= _what(context, values, found, key=f"train.{_of(parent)}.{from_parent}")
        seeds, check = _how_often(_of(parent), checks=study.info.task == CLASSIFICATION)
        return Plan(study, name.strip(), TrainConfig.from_dict(values), parent, from_parent, seeds, check)
    except XaiError as error:
        problem_box(error)
        return None


def _of(parent: Run | None) -> str:
    return parent.name if parent else _SCRATCH


def _parent(context: Context, parents: list[str]) -> Run | None:
    first = context.run.name if context.run and context.run.name in parents else (parents[0] if parents else _SCRATCH)
    chosen = st.selectbox(
        "Parent: what it varies",
        [*parents, _SCRATCH],
        index=[*parents, _SCRATCH].index(first),
        format_func=lambda name: visible(name) if name else "none: from the defaults",
        help="Its whole configuration is taken over; what you change below differs.",
        key=f"train.parent.{first}",
    )
    if context.run and (why := context.readable.damaged.get(context.run.name)):
        problem_box(why)
    elif context.run and context.run.name not in parents:
        st.caption(plain(f"{context.run.name} is no network that was trained here, and cannot be varied itself."))
    return context.services.studies.run(context.study, chosen) if chosen else None


def _start(parent: Run | None, before: Mapping[str, Any]) -> bool:
    """Whether it starts from the parent's weights. A parent that itself started from a file can be no other way."""
    if parent is None or not parent.has_model:
        return False
    must = bool(before.get("init"))
    return st.toggle(
        "Start from the parent's weights",
        must,
        disabled=must,
        help=_MUST if must else "With the low rate of fine-tuning; else it is trained anew.",
        key=f"train.from.{parent.name}",
    )


def _what(context: Context, values: Mapping[str, Any], found: Suggestion, *, key: str) -> dict[str, Any]:
    """Architecture, numbers, loss, augmentations."""
    losses, augmentations = usable_members(context.study)
    defaults = TrainConfig(**values).as_dict() if values else TrainConfig().as_dict()
    left, right = st.columns(2, gap="medium")
    with left:
        keys = [member.card.key for member in architectures_for(context.study.task.key)]
        place = keys.index(defaults["architecture"]) if defaults["architecture"] in keys else 0
        architecture = st.selectbox(
            "Architecture", keys, place, format_func=lambda one: ARCHITECTURES[one].card.title, key=f"{key}.arch"
        )
        loss = st.selectbox(
            "Loss",
            losses,
            losses.index(defaults["loss"]) if defaults["loss"] in losses else 0,
            format_func=lambda one: LOSSES[one].card.title,
            help=plain(_LACKING) if len(losses) < len(LOSSES.keys()) else None,
            key=f"{key}.loss",
        )
        st.caption(plain(f"{LOSSES[loss].card.summary} {LOSSES[loss].card.blind_spot}"))
        with st.expander("The loss's parameters"):
            known = defaults["loss_params"] if loss == defaults["loss"] else {}
            loss_params = param_form(LOSSES[loss].params, known, key=f"{key}.loss.{loss}")
    with right:
        first, others = numbers_asked(context.study.task.key)
        numbers = param_form(TrainParams, defaults, key=f"{key}.n", only=first)
        with st.expander("More"):
            numbers |= param_form(TrainParams, defaults, key=f"{key}.m", only=others)
    learned = _annotation(context, defaults["annotations"], key)
    before = {key: dict(each) for key, each in defaults["augmentations"].items()} | dict(found.augmentations)
    chosen = st.multiselect(
        "Augmentations",
        augmentations,
        [one for one in before if one in augmentations],
        format_func=lambda one: AUGMENTATIONS[one].card.title,
        placeholder="None",
        key=f"{key}.augment.{context.selection.cell}",
    )
    members = {one: _augmentation(one, before.get(one, {}), f"{key}.{context.selection.cell}") for one in chosen}
    about = {"architecture": architecture, "loss": loss, "loss_params": loss_params, "augmentations": members}
    return numbers | about | {"annotations": learned}


def _annotation(context: Context, before: str, key: str) -> str:
    """The version of the annotation to learn from; not asked where the data's own is the only one."""
    known = [ORIGINAL, *versions(context.study)]
    if len(known) == 1:
        return before
    chosen = st.selectbox(
        "Annotation",
        known,
        known.index(before) if before in known else 0,
        format_func=lambda one: visible(f"{one}: as the data has it" if one == ORIGINAL else one),
        help="The version that is learned from. Every run is judged by the original one.",
        key=f"{key}.annotations",
    )
    return "" if chosen == ORIGINAL else chosen


_LACKING = "Losses that need masks are not offered: no training picture of this study has one."


def _augmentation(one: str, values: Mapping[str, Any], key: str) -> dict[str, Any]:
    member = AUGMENTATIONS[one]
    with st.expander(f"{plain(member.card.title)}"):
        st.caption(plain(f"{member.card.summary} {member.card.blind_spot}"))
        return param_form(member.params, values, key=f"{key}.{one}")


def _how_often(parent: str, *, checks: bool) -> tuple[int, bool]:
    left, right = st.columns(2, gap="medium", vertical_alignment="bottom")
    with left:
        seeds = st.number_input(
            "Seeds",
            1,
            MOST_SEEDS,
            1,
            help="More than one makes an arm: a claim about a way of training needs six of each.",
            key=f"train.seeds.{parent}",
        )
    with right:
        check = checks and st.toggle("Then check its heatmaps", False, key=f"train.check.{parent}")
    return int(seeds), check
