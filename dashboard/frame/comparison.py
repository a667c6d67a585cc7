"""Which two runs the open view compares, and the view as each of them sees it."""

from __future__ import annotations

from dataclasses import replace

from dashboard.frame.context import Context
from xai_core.store.run import Run


def baseline_of(context: Context) -> Run | None:
    """The run to compare with: the one chosen, else the parent of the candidate where the study has it."""
    assert context.run is not None, "there is a candidate"
    if context.other is not None and context.other.name != context.run.name:
        return context.other
    parent = context.run.info.parent
    others = (run for run in context.readable.runs if run.name != context.run.name)
    return next((run for run in others if run.name == parent), None)


def seen_by(context: Context, run: Run) -> Context:
    """The same view with another run in place of the candidate."""
    selection = replace(
        context.selection, run=run.name, layer="" if run is not context.run else context.selection.layer
    )
    return replace(context, run=run, selection=selection)
