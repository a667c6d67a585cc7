"""`docs/import.md`: every line of its tables is run, on files made as the line says: predictions alone."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.core.import_page.page import covered, line, lines_of
from xai_core.cli.main import main
from xai_core.store.run import Run
from xai_core.store.study import Study


def answers(path: Path, mine: Study, *, names: Callable[[str], str] = str, key: str = "id", digits: int = 6) -> Path:
    """Surer and surer that it is a cat."""
    ids = mine.samples["id"]
    cat = np.linspace(0.3, 0.9, len(ids)).round(digits)
    values = {key: ids.map(names), "cat": cat, "dog": (1 - cat).round(digits)}
    pd.DataFrame(values).to_csv(path, index=False)
    return path


def logits(path: Path, mine: Study) -> Path:
    ids = mine.samples["id"]
    odds = np.log(np.linspace(0.3, 0.9, len(ids)) / np.linspace(0.7, 0.1, len(ids)))
    pd.DataFrame({"id": ids, "cat": odds + 1, "dog": 1}).to_csv(path, index=False)
    return path


def labels(path: Path, mine: Study, **more: float) -> Path:
    values = {"id": mine.samples["id"], "predicted": ["cat", "dog"] * (len(mine.samples) // 2)}
    pd.DataFrame(values | more).to_csv(path, index=False)
    return path


PREDICTIONS: dict[str, Callable[[Path, Study], Path]] = {
    "a probability for each class": lambda root, mine: answers(root / "answers.csv", mine),
    "names of files": lambda root, mine: answers(
        root / "rounded.csv", mine, names=lambda text: f"/data/{text}", digits=2
    ),
    "by another name": lambda root, mine: answers(root / "named.csv", mine, key="key"),
    "logits": lambda root, mine: logits(root / "logits.csv", mine),
    "class alone": lambda root, mine: labels(root / "labels.csv", mine),
    "class and its": lambda root, mine: labels(root / "sure.csv", mine, confidence=0.75),
}
PREDICTION_LINES = lines_of("Predictions alone")


def test_each_way_to_bring_predictions_is_tried() -> None:
    covered(PREDICTION_LINES, PREDICTIONS)


@pytest.mark.parametrize("about", PREDICTIONS)
def test_predictions_come_in(about: str, here: Path, mine: Study) -> None:
    PREDICTIONS[about](here, mine)
    assert main(shlex.split(line(PREDICTION_LINES, about))[1:]) == 0
    run: Run = mine.run("theirs")
    assert run.predictions is not None
    if "class a" in about:
        assert run.predictions.predicted.tolist() == [0, 1] * 4
    else:
        np.testing.assert_allclose(run.predictions.probabilities[:, 0], np.linspace(0.3, 0.9, 8), atol=0.006)
