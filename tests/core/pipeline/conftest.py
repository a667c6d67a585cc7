"""A small study with a trained run, and pictures of it that cannot be read."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests import tiny_study
from xai_core.datasets.image_folder import ImageFolder
from xai_core.errors import BadInput
from xai_core.store.study import Study


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_study.make(tmp_path_factory.mktemp("pipeline")).path


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Study:
    copy = tmp_path / "colours"
    shutil.copytree(made, copy)
    return Study.open(copy)


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Ids of samples whose pictures cannot be read."""
    ids, plain = set[str](), ImageFolder.picture

    def picture(self: ImageFolder, row: Any) -> Any:
        if row["id"] in ids:
            raise BadInput("no such picture", value=row["path"], remedy="Check that the file is still there.")
        return plain(self, row)

    monkeypatch.setattr(ImageFolder, "picture", picture)
    return ids
