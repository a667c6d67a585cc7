"""A study whose test is drawn anew of all pictures, where the data's own test is too small to say much."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xai_core.errors import BadInput
from xai_core.jobs.operations import Work
from xai_core.recipes.base import VALIDATION, Step
from xai_core.recipes.making import steps
from xai_core.store.study import Study
from xai_core.words import percent

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def new(folder: Path, data: Path, test: float, *, dataset: str = "", values: Mapping[str, Any] | None = None) -> Step:
    """As `steps.new`; with a share for the test, of all pictures whatever their folder of a split."""
    plain = steps.new(folder, data, dataset=dataset, values=values)

    def done() -> bool:
        study = steps.opened(folder)
        if study is not None and data.is_dir() and _drawn_anew(study) != test:
            remedy = "Choose another --into, or give the --test that it was begun with."
            raise BadInput("this study is split otherwise", value=folder, remedy=remedy)
        return plain.done()

    if not test:
        return Step(plain.name, plain.title, done, plain.run)

    def run(work: Work) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as scratch:
            table = Path(scratch) / "pictures.csv"
            _write(table, data)
            values = {"root": str(data.resolve()), "test": test, "validation": VALIDATION}
            return steps.new(folder, table, dataset="table", values=values).run(work)

    return Step(plain.name, f"{plain.title}, {percent(test, 0)} for the test", done, run)


def _drawn_anew(study: Study) -> float:
    """The share of a study that was begun so; 0 for the data's own splits."""
    return float(study.info.dataset_params["test"]) if study.info.dataset == "table" else 0.0


def _write(table: Path, data: Path) -> None:
    """A line for each picture in a folder of a class. Raises BadInput where there are none of two classes."""
    files = sorted(path for path in data.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    if len({path.parent.name for path in files}) < 2:
        raise BadInput("no pictures of two classes", value=data, remedy="Give a folder with a folder for each class.")
    with table.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("path", "label"))
        lines.writerows((path.relative_to(data).as_posix(), path.parent.name) for path in files)
