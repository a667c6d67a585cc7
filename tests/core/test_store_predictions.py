"""Predictions that come in parts: several processes, kills, and samples that cannot be predicted."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from tests.conftest import ROOT
from tests.core import store_cases as cases
from tests.core.store_cases import chances
from xai_core.errors import BadInput, Cancelled
from xai_core.models.classifier import Classifier
from xai_core.models.preprocess import Preprocess
from xai_core.pipeline import predict as predicting
from xai_core.pipeline.predict import predict
from xai_core.store.run import Run, RunInfo
from xai_core.types import CancelToken

SPLITS = ("test", "train")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """30 pictures: the grey level of each is its row."""
    cases.register_grey(monkeypatch)
    (tmp_path / "data").mkdir()
    return cases.study(tmp_path).add_run("run", RunInfo())


def files_of(run: Run) -> list[str]:
    return sorted(path.name for path in run.path.iterdir())


class Odd(nn.Module):
    """Answers with the grey level; a NaN, or an error, for the levels it is told."""

    def __init__(self, nan: set[int] = frozenset(), fails: set[int] = frozenset()) -> None:  # type: ignore[assignment]
        super().__init__()
        self.nan, self.fails, self.asked = set(nan), set(fails), 0
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        self.asked += len(x)
        levels = (x[:, 0, 0, 0] * 255).round()
        if self.fails & {int(level) for level in levels}:
            raise RuntimeError("this picture is not for me")
        logits = torch.stack([levels, 30 - levels, torch.full_like(levels, 15)], dim=1) * self.weight
        for level in self.nan:
            logits[levels == level] = float("nan")
        return logits


def classifier(module: nn.Module) -> Classifier:
    preprocess = Preprocess(3, 4, 1, (0.0,), (1.0,))
    return Classifier(module.eval(), cases.CLASSES, preprocess, "odd", "", "f" * 64)


def test_parts_are_read_as_one_and_then_brought_together(run: Run) -> None:
    whole = np.arange(30)
    for rows in np.array_split(np.random.default_rng(0).permutation(30), 4):
        run.add_predictions(rows, chances(rows))
    assert len(files_of(run)) == 5
    parts = run.predictions
    run.settle_predictions()
    assert files_of(run) == ["predictions.parquet", "run.json"]
    for found in (parts, run.predictions):
        assert found is not None
        assert found.rows.tolist() == whole.tolist()
        np.testing.assert_array_equal(found.probabilities, chances(whole))
        np.testing.assert_array_equal(found.predicted, chances(whole).argmax(axis=1))


def test_of_two_predictions_of_a_sample_the_stored_one_counts(run: Run) -> None:
    run.write_predictions([3], np.array([[1.0, 0, 0]]))
    run.add_predictions([3, 4], np.array([[0, 1.0, 0], [0, 0, 1.0]]))
    assert run.predictions is not None
    assert run.predictions.predicted.tolist() == [0, 2]
    run.settle_predictions()
    assert run.predictions.predicted.tolist() == [0, 2]
    run.add_predictions([5], chances(np.array([5])))
    run.write_predictions([6], chances(np.array([6])))
    assert run.predictions is not None
    assert run.predictions.rows.tolist() == [6], "replaced as a whole"


def test_a_damaged_part_is_told(run: Run) -> None:
    run.add_predictions([3], chances(np.array([3])))
    [part] = run.path.glob("predictions.*.parquet")
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(BadInput, match="damaged"):
        _ = run.predictions


ADD = """
import sys
from pathlib import Path
import numpy as np
from tests.core.store_cases import chances
from xai_core.store.study import Study
run = Study.open(Path(sys.argv[1])).run("run")
for rows in np.array_split(np.arange(int(sys.argv[2]), 30, 2), 5):
    run.add_predictions(rows, chances(rows))
    _ = run.predictions
    run.settle_predictions()
"""


def test_two_processes_that_add_and_settle_lose_nothing(run: Run) -> None:
    words = [[sys.executable, "-c", ADD, str(run.study.path), start] for start in ("0", "1")]
    writers = [subprocess.Popen(command, cwd=ROOT) for command in words]
    while any(writer.poll() is None for writer in writers):
        _ = run.predictions  # a reader meanwhile finds no half state
        time.sleep(0.005)
    assert [writer.returncode for writer in writers] == [0, 0]
    found = run.predictions
    assert found is not None
    assert found.rows.tolist() == list(range(30))
    np.testing.assert_array_equal(found.probabilities, chances(np.arange(30)))
    assert files_of(run) == ["predictions.parquet", "run.json"]


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.core import store_cases as cases
from tests.core.test_store_predictions import Odd, classifier
from xai_core.datasets.base import DATASETS
from xai_core.pipeline import predict as predicting
from xai_core.store.study import Study
DATASETS._members["grey"] = cases.GREY
predicting.SAVE_SECONDS = 0.0
def progress(done, total, what):
    if done >= 12:
        os.kill(os.getpid(), signal.SIGKILL)
run = Study.open(Path(sys.argv[1])).run("run")
predicting.predict(run, classifier(Odd()), ["test", "train"], batch_size=4, progress=progress)
"""


def test_a_killed_prediction_keeps_what_was_done(run: Run) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(run.study.path)], cwd=ROOT).returncode == -signal.SIGKILL
    assert run.predictions is not None
    assert len(run.predictions.rows) == 8, "all but the batch in which it was killed"
    made = predict(run, classifier(Odd()), SPLITS)
    assert made.new == 22
    assert run.predictions is not None
    assert len(run.predictions.rows) == 30
    assert files_of(run) == ["predictions.parquet", "run.json"]


def test_a_stopped_prediction_keeps_all_that_was_done(run: Run) -> None:
    token = CancelToken()
    with pytest.raises(Cancelled):
        predict(run, classifier(Odd()), SPLITS, batch_size=4, progress=lambda *_: token.cancel(), cancel=token)
    assert run.predictions is not None
    assert len(run.predictions.rows) == 4


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_samples_that_cannot_be_predicted_cost_no_other(
    run: Run, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = cases.GreyDataset.picture

    def picture(self: cases.GreyDataset, row: dict) -> Image.Image:
        if row["index"] == 11:
            raise BadInput("no such picture", value=row["path"], remedy="Check that the file is still there.")
        if row["index"] == 12:
            raise RuntimeError("a decoder of somebody's own")
        return plain(self, row)

    monkeypatch.setattr(cases.GreyDataset, "picture", picture)
    made = predict(run, classifier(Odd(nan={5}, fails={7, 25})), SPLITS, batch_size=batch_size)
    assert made.new == 25
    assert {name: reason.split(".")[0] for name, reason in sorted(made.left_out.items())} == {
        "sample/00005": "the model's output is not a number",
        "sample/00007": "odd fails: this picture is not for me",
        "sample/00011": "no such picture: ä/11",
        "sample/00012": "RuntimeError: a decoder of somebody's own",
        "sample/00025": "odd fails: this picture is not for me",
    }
    found = run.predictions
    assert found is not None
    assert found.rows.tolist() == [row for row in range(30) if row not in (5, 7, 11, 12, 25)]
    np.testing.assert_array_equal(found.predicted, np.where(found.rows >= 15, 0, 1))
    again = predict(run, classifier(Odd()), SPLITS, batch_size=batch_size)
    assert (again.new, sorted(again.left_out)) == (3, ["sample/00011", "sample/00012"]), "asked again next time"


def test_a_model_that_fails_on_all_is_told_at_once(run: Run) -> None:
    module = Odd(fails=set(range(30)))
    with pytest.raises(BadInput, match="odd fails: this picture is not for me"):
        predict(run, classifier(module), SPLITS, batch_size=4)
    assert module.asked == 8, "a batch, and each of it alone"
    with pytest.raises(BadInput, match="not a number"):
        predict(run, classifier(Odd(nan=set(range(30)))), SPLITS)
    assert run.predictions is None


def test_it_is_saved_by_time(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    monkeypatch.setattr(Run, "add_predictions", lambda self, rows, *rest: saved.append(len(rows)))
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr(predicting, "monotonic", lambda: next(clock))
    predict(run, classifier(Odd()), SPLITS, batch_size=5)
    assert saved == [15, 15]
