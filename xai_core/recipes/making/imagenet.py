"""A few pictures of ImageNet and a network that knows its thousand classes, as a study of its own."""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xai_core.answers.scope import Scope
from xai_core.datasets.class_list import all_entries
from xai_core.errors import BadInput, NotFound
from xai_core.jobs.operations import Work
from xai_core.recipes.base import Step
from xai_core.recipes.making import steps
from xai_core.recipes.making.report import Part
from xai_core.triage.ordering import drawn
from xai_core.words import percent

if TYPE_CHECKING:
    from xai_core.pipeline.imports import Model

RUN = "imagenet"
_NAMED = re.compile(r"(n\d{8})_(.+)\.(?:jpe?g|png|webp)", re.IGNORECASE)
_INDEX = "imagenet_class_index.json"


@dataclass(frozen=True)
class Pictures:
    """Pictures named `n02504458_African_elephant.jpg`, and the list of all classes, where it lies beside them.

    Attributes:
        root: the folder that they lie in.
        files: (file name, id of the class, its name).
        index: the list of the thousand classes, or None.
    """

    root: Path
    files: tuple[tuple[str, str, str], ...]
    index: Path | None


def pictures(folder: Path) -> Pictures:
    """Those of a folder, or of its folder `images`.

    Raises:
        NotFound: no such folder.
        BadInput: fewer than two classes among its names.
    """
    if not folder.is_dir():
        raise NotFound("no such folder of ImageNet pictures", value=folder, remedy="Check --imagenet.")
    root = folder / "images" if (folder / "images").is_dir() else folder
    named = [(path.name, _NAMED.fullmatch(path.name)) for path in sorted(root.iterdir())]
    files = tuple((name, found[1], found[2]) for name, found in named if found)
    if len({wnid for _, wnid, _ in files}) < 2:
        remedy = "Name them by class, as in n02504458_African_elephant.jpg."
        raise BadInput("no ImageNet pictures of two classes", value=root, remedy=remedy)
    index = folder / _INDEX
    return Pictures(root, files, index if index.is_file() else None)


def begin(folder: Path, found: Pictures, architecture: str, weights: Path) -> Sequence[Step]:
    """A test-only study of the pictures, the model as its run, and its predictions."""
    return [
        _new(folder, found),
        steps.import_model(folder, RUN, lambda: _model(found, architecture, weights)),
        steps.predict(folder, RUN, ("test",)),
    ]


def _model(found: Pictures, architecture: str, weights: Path) -> Model:
    from xai_core.pipeline.imports import Model

    classes = all_entries(found.index, ()) if found.index else None
    return Model(f"torchvision:{architecture}", weights, classes)


def _new(folder: Path, found: Pictures) -> Step:
    """As `steps.new`, of a table that is needed only as long as it is read."""
    plain = steps.new(folder, found.root, name="new imagenet")

    def run(work: Work) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as scratch:
            table = Path(scratch) / "pictures.csv"
            _write(table, found)
            values: dict[str, Any] = {"root": str(found.root.resolve()), "test_only": True}
            values |= {"classes_file": str(found.index.resolve())} if found.index else {}
            return steps.new(folder, table, dataset="table", values=values).run(work)

    return Step(plain.name, plain.title, plain.done, run)


def _write(table: Path, found: Pictures) -> None:
    with table.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("path", "label"))
        lines.writerows((name, wnid if found.index else title.replace("_", " ")) for name, wnid, title in found.files)


def some(scope: Scope, word: str, count: int) -> list[int]:
    """So many rows, drawn by the study's seed: first of those whose class has the word in its name."""
    first = _named(scope, word)
    others = np.setdiff1d(scope.members.rows, first)
    return [*first, *drawn(others, max(0, count - len(first)), scope.study.info.seed).tolist()][:count]


def _named(scope: Scope, word: str) -> list[int]:
    labels = scope.study.labels
    return [row for row in scope.members.rows.tolist() if word in scope.names[labels[row]].lower()]


def named_part(scope: Scope, word: str) -> Part:
    """What the model says of every picture whose class has the word in its name."""
    rows = _named(scope, word)
    said = scope.predictions.at(np.array(rows, np.int64))
    ids = scope.study.samples["id"]
    lines = tuple(
        (str(ids.iat[row]), scope.names[label], percent(float(sure)))
        for row, label, sure in zip(rows, said.predicted, said.confidence, strict=True)
    )
    return Part(f"ImageNet: {word}s", ("picture", "predicted", "probability"), lines, _remarks(scope))


def _remarks(scope: Scope) -> tuple[str, ...]:
    return (
        "The paper gives 90.2 % for VGG-16 on ImageNet. torchvision's VGG-16 has 71.6 % of its first answers right and "
        "90.4 % of its first five, so that it may be the latter.",
        f"These {len(scope.rows)} pictures may be training images, and the model chooses among their "
        f"{len(scope.names)} classes alone: no accuracy is quoted from them.",
    )
