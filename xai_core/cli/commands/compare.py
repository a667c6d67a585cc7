"""`xai compare`: did the fix work? Two runs on the same samples."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.cli.command import Command, cell, cell_arguments, open_study, predictions_of, study_argument
from xai_core.errors import BadInput

if TYPE_CHECKING:
    from xai_core.store.predictions import Predictions
    from xai_core.store.study import Study


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    parser.add_argument("--baseline", required=True, metavar="RUN", help="the run before")
    parser.add_argument("--candidate", required=True, metavar="RUN", help="the run after")
    cell_arguments(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.triage import compare

    study = open_study(args)
    chosen = cell(study, args)
    runs = [study.run(name) for name in (args.baseline, args.candidate)]
    rows, (before, after) = common_predictions(study, args.split, [predictions_of(run, args.study) for run in runs])
    labels = study.labels[rows]
    accuracy = compare.accuracy_change(labels, before, after)
    table = compare.transition_table(compare.transitions(labels, before, after), np.zeros(len(rows), int), 1)
    result = {
        "study": study.name,
        "baseline": args.baseline,
        "candidate": args.candidate,
        "split": args.split,
        "accuracy": asdict(accuracy),
        "transitions": {str(name): int(count) for name, count in table.iloc[0].items()},
        "sentences": [compare.verdict(accuracy, "Accuracy").sentence],
    }
    if chosen is not None:
        change = compare.cell_change(labels, before, after, chosen)
        true, predicted = (study.class_names[index] for index in chosen)
        wrong = true != predicted
        what = f"{true} taken for {predicted}" if wrong else f"{true} recognised"
        sentence = compare.verdict(change, what, lower_is_better=wrong).sentence
        result["cell"] = {"true": true, "predicted": predicted, **asdict(change)}
        result["sentences"].append(sentence)  # type: ignore[attr-defined]
    return result


def common_predictions(
    study: Study, split: str, found: Sequence[Predictions]
) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """Rows of the split that all runs have predictions for, and each run's predicted classes there."""
    rows = study.rows(split)
    for predictions in found:
        rows = np.intersect1d(rows, predictions.rows)
    if not len(rows):
        raise BadInput("no samples that both runs predicted", value=split, remedy="Choose another split.")
    return rows, [predictions.at(rows).predicted for predictions in found]


def _show(result: dict[str, Any]) -> str:
    counts = ", ".join(f"{name} {count}" for name, count in result["transitions"].items())
    return "\n".join([f"{result['baseline']} → {result['candidate']}, {result['split']}", *result["sentences"], counts])


COMMAND = Command("compare", "compare two runs on the same samples", _configure, _run, _show)
