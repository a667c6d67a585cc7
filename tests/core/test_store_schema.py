"""Studies of earlier versions: they open untouched, and are brought up in place by whoever writes, killed or not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.core import store_cases as cases
from tests.core.test_store_study import lock, read_only  # noqa: F401
from xai_core.errors import BadInput, NewerSchema
from xai_core.store import files, study_info
from xai_core.store.run import RunInfo
from xai_core.store.study import Study
from xai_core.task import CLASSIFICATION, SEGMENTATION, TASKS

DIE_EVERYWHERE = """
import os, signal
from pathlib import Path
from xai_core.store import study_info
folder, old = Path(sys.argv[1]), Path(sys.argv[1], "study.json").read_bytes()

def child(at):
    seen = 0
    def hook(event, args):
        nonlocal seen
        if event in ("open", "os.rename", "os.remove", "fcntl.flock"):
            seen += 1
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    study_info.bring_up(folder)
    os._exit(0)

versions = []
for at in range(1, 100):
    (folder / "study.json").write_bytes(old)
    pid = os.fork()
    if not pid:
        child(at)
    _, status = os.waitpid(pid, 0)
    study_info.read(folder)
    versions.append(study_info.files.read_json(folder / "study.json")["schema"])
    if not status:
        break
print(versions)
"""

CHANGE_AT_ONCE = """
import os
from pathlib import Path
from xai_core.store import study_info
folder = Path(sys.argv[1])
for number in range(8):
    if not os.fork():
        with study_info.changing(folder) as values:
            values["notes"] = [*values["notes"], str(number)]
        os._exit(0)
print(sum(os.wait()[1] for _ in range(8)))
"""


@pytest.fixture
def old(tmp_path: Path) -> Study:
    return old_study(tmp_path)


def old_study(folder: Path) -> Study:
    """A study of version 1, as that version wrote it."""
    study = cases.study(folder)
    path = study.path / "study.json"
    values = files.read_json(path) | {"schema": 1}
    del values["task"]
    files.write_json(path, values)
    return study


def stored(study: Study) -> dict[str, object]:
    return files.read_json(study.path / "study.json")


def said(code: str, study: Study) -> str:
    with cases.writer(code, study.path) as process:
        assert process.stdout is not None
        return process.stdout.read().strip()


def test_an_old_study_opens_and_is_not_written_to(old: Study) -> None:
    before = (old.path / "study.json").read_bytes()
    opened = Study.open(old.path)
    assert opened.info == old.info
    assert opened.task is TASKS[CLASSIFICATION]
    assert (old.path / "study.json").read_bytes() == before


@pytest.mark.parametrize("write", ["run", "predictions"])
def test_whoever_writes_brings_it_up_first(old: Study, write: str) -> None:
    if write == "run":
        Study.open(old.path).add_run("new", RunInfo())
    else:
        run = old.add_run("new", RunInfo())
        files.write_json(old.path / "study.json", stored(old) | {"schema": 1})
        run.add_predictions([0], cases.chances([0]))
    values = stored(old)
    assert (values["schema"], values["task"]) == (2, CLASSIFICATION)
    assert Study.open(old.path).info == old.info


def test_what_another_program_added_stays(old: Study) -> None:
    files.write_json(old.path / "study.json", stored(old) | {"mine": [1]})
    study_info.bring_up(old.path)
    assert stored(old)["mine"] == [1]
    before = (old.path / "study.json").stat()
    study_info.bring_up(old.path)
    assert (old.path / "study.json").stat().st_ino == before.st_ino


def test_killed_at_any_moment_it_is_the_old_or_the_new_one(old: Study) -> None:
    versions = said(DIE_EVERYWHERE, old)
    assert versions.startswith("[1, 1")
    assert versions.endswith("2]")
    assert Study.open(old.path).info == old.info


def test_several_at_once_lose_nothing(old: Study) -> None:
    assert said(CHANGE_AT_ONCE, old) == "0"
    assert sorted(Study.open(old.path).info.notes) == ["0", "1", "2", "3", "4", "5", "6", "7", "A note."]


def test_one_that_cannot_be_written_opens(read_only: Path) -> None:  # noqa: F811
    old = old_study(read_only)
    lock(read_only)
    opened = Study.open(old.path)
    assert opened.info == old.info
    with pytest.raises(BadInput, match="cannot be written"):
        opened.add_run("new", RunInfo())


def test_a_newer_one_is_not_brought_anywhere(old: Study) -> None:
    files.write_json(old.path / "study.json", stored(old) | {"schema": 3})
    with pytest.raises(NewerSchema, match="Update"):
        study_info.bring_up(old.path)


def test_a_task_that_nobody_knows(old: Study) -> None:
    files.write_json(old.path / "study.json", stored(old) | {"schema": 2, "task": "poetry"})
    with pytest.raises(BadInput, match="no task of this name"):
        Study.open(old.path)
    study_info.write(old.path, replace(old.info, task=SEGMENTATION))
    assert Study.open(old.path).task is TASKS[SEGMENTATION]
