"""`xai compare`: did the fix work? Two runs on the same samples."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

import numpy as np

from xai_core.cli.command import Command, cell, cell_arguments, open_study, study_argument
from xai_core.errors import BadInput


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    parser.add_argument("--baseline", required=True, metavar="RUN", help="the run before")
    parser.add_argument("--candidate", required=True, metavar="RUN", help="the run after")
    cell_arguments(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.triage import compare

    study = open_study(args)
    rows, (before, after) = common_predictions(study, args.split, args.baseline, args.candidate)
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
    chosen = cell(study, args)
    if chosen is not None:
        change = compare.cell_change(labels, before, after, chosen)
        true, predicted = (study.class_names[index] for index in chosen)
        wrong = true != predicted
        what = f"{true} taken for {predicted}" if wrong else f"{true} recognised"
        sentence = compare.verdict(change, what, lower_is_better=wrong).sentence
        result["cell"] = {"true": true, "predicted": predicted, **asdict(change)}
        result["sentences"].append(sentence)  # type: ignore[attr-defined]
    return result


def common_predictions(study: Any, split: str, *runs: str) -> tuple[np.ndarray[Any, Any], list[np.ndarray[Any, Any]]]:
    """Rows of the split that all runs have predictions for, and each run's predicted classes there."""
    rows, found = study.rows(split), []
    for name in runs:
        predictions = study.run(name).predictions
        if predictions is None:
            remedy = f"Run xai predict {study.name} --run {name} first."
            raise BadInput("this run has no predictions", value=name, remedy=remedy)
        found.append(predictions)
        rows = np.intersect1d(rows, predictions.rows)
    if not len(rows):
        raise BadInput("no samples that both runs predicted", value=split, remedy="Choose another split.")
    return rows, [p.predicted[np.searchsorted(p.rows, rows)] for p in found]


def _show(result: dict[str, Any]) -> str:
    counts = ", ".join(f"{name} {count}" for name, count in result["transitions"].items())
    return "\n".join([f"{result['baseline']} → {result['candidate']}, {result['split']}", *result["sentences"], counts])


COMMAND = Command("compare", "compare two runs on the same samples", _configure, _run, _show)
