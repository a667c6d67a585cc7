"""A person's working folder, and a study to bring things to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.import_page.page import folders
from xai_core.cli.main import main
from xai_core.store.study import Study


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder of a person."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield tmp_path
    sys.modules.pop("nets", None)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of two classes, which no test changes."""
    folder = tmp_path_factory.mktemp("drawn") / "photos"
    folders(folder, each=4)
    return folder


@pytest.fixture
def mine(here: Path, drawn: Path) -> Study:
    """A study to bring models to."""
    assert main(["new", "mine", "--data", str(drawn)]) == 0
    return Study.open(here / "mine")
