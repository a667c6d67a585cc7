"""The maps of one sample for the classes in question, as rows of a grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dashboard import evidence
from dashboard.context import Context
from dashboard.diagnostics import notes
from dashboard.map_grid import Frame, Row, Stack
from dashboard.tiles import picture_tile, seen_size
from xai_core.answers.maps import Column
from xai_core.types import Target

SIDE = 512
"""Pixels of the picture under a map, at most."""


@dataclass(frozen=True)
class Sample:
    """A sample with what the model said of it.

    Attributes:
        row: its number.
        label, predicted: class indices.
        probabilities: `(K,)`.
    """

    row: int
    label: int
    predicted: int
    probabilities: np.ndarray

    @property
    def correct(self) -> bool:
        """Whether the model was right."""
        return self.label == self.predicted


def sample_of(context: Context, row: int) -> Sample | None:
    """The sample; None where the run has no prediction for it."""
    predictions = context.predictions
    if predictions is None or not predictions.have(np.array([row])).all():
        return None
    said = predictions.at([row])
    return Sample(row, int(context.study.labels[row]), int(said.predicted[0]), said.probabilities[0])


def targets(context: Context, sample: Sample) -> list[str]:
    """What is explained: the predicted class; where it is wrong also the true one and the difference of both.

    A class that the link names comes last.
    """
    found = ["predicted"] if sample.correct else ["predicted", "true", "difference"]
    chosen = context.selection.target
    other = chosen.isdigit() and int(chosen) not in (sample.label, sample.predicted)
    return [*found, chosen] if other else found


def rows(context: Context, sample: Sample, columns: list[Column]) -> list[Row]:
    """One row per target, one stack per method."""
    specs = targets(context, sample)
    assert context.run is not None, "a sample has a prediction of a run"
    wanted = [target for spec in specs for target in context.run.targets([sample.row], spec)]
    same = np.full(len(specs), sample.row)
    panels = [evidence.panels_of(context, column, same, [target.key for target in wanted]) for column in columns]
    base = picture_tile(context.services.tiles, context.study, context.run, sample.row, side=SIDE)
    shape = shape_of(context, sample.row)
    found = []
    for place, (spec, target) in enumerate(zip(specs, wanted, strict=True)):
        title, note = _words(context, sample, spec, target)
        stacks = [
            _stack(column, of_method[place], "".join(title), base, shape)
            for column, of_method in zip(columns, panels, strict=True)
        ]
        found.append(Row(title, stacks, note))
    return found


def shape_of(context: Context, row: int) -> float:
    """Width ÷ height of the part of the picture that the model sees."""
    samples = context.study.samples
    preprocess = context.run.info.preprocess if context.run else None
    size = samples[["width", "height"]].to_numpy(int)[row]
    width, height = seen_size(preprocess, int(size[0]), int(size[1]))
    return width / height


def _words(context: Context, sample: Sample, spec: str, target: Target) -> tuple[list[str], str]:
    names = context.study.class_names
    share = f"{sample.probabilities[target.positive]:.1%}".replace("%", " %")
    if target.negative is not None:
        return ["Evidence for ", names[target.positive], " rather than ", names[target.negative]], "predicted − true"
    role = (
        "predicted and true"
        if sample.correct and spec == "predicted"
        else spec
        if spec in ("predicted", "true")
        else ""
    )
    return ["Evidence for ", names[target.positive]], f"{role} · {share}" if role else share


def _stack(column: Column, panel: evidence.Panel, title: str, base: str, shape: float) -> Stack:
    card = column.card
    full = "" if panel.scale is None else f" Full colour: {panel.scale:.3g}."
    about = f"{card.summary} Limits: {card.blind_spot}{full}"
    frame = Frame(panel, card, f"{card.title} – {title[:1].lower()}{title[1:]}", about)
    return Stack(base, shape, [frame], card.title, notes(panel.diagnostics))
