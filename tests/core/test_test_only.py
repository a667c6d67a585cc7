"""Studies to test alone, classes with names for people, and predictions of some samples only."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests import tiny_study
from tests.core.image_trees import counts, draw, fill, scan
from tests.core.test_folder_layouts import told
from tests.tiny_study import fails, xai, xai_json
from xai_core.cli.command import class_index
from xai_core.datasets.class_list import named
from xai_core.errors import XaiError
from xai_core.store.study import Study

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("folder", ["val", "Test_set", "archive__validation"])
def test_a_lone_folder_of_another_split_is_the_test(tmp_path: Path, folder: str) -> None:
    found = scan(fill(tmp_path, **{f"{folder}__a": 1, f"{folder}__b": 2}))
    assert counts(found) == {"test": {"a": 1, "b": 2}}
    assert told(found, f"The folder {folder.replace('__', '/')} is the test.")
    assert told(found, "there are no training pictures", "SHAP")


def test_a_test_beside_a_validation_needs_no_training(tmp_path: Path) -> None:
    found = scan(fill(tmp_path, val__a=1, val__b=1, test__a=1, test__B=1, test__c=1))
    assert counts(found) == {"validation": {"a": 1, "b": 1, "c": 0}, "test": {"a": 1, "b": 1, "c": 1}}
    assert told(found, "The validation split has no picture of c.")


def test_a_thousand_classes_with_a_picture_each(tmp_path: Path) -> None:
    picture = draw(tmp_path / "first.png", 1).read_bytes()
    for number in range(1000):
        (tmp_path / "data" / f"n{number:08d}").mkdir(parents=True)
        (tmp_path / "data" / f"n{number:08d}" / "x.png").write_bytes(picture)
    found = scan(tmp_path / "data", test_only=True)
    assert (len(found.samples), len(found.class_names)) == (1000, 1000)
    assert set(found.samples["split"]) == {"test"}


def test_of_a_whole_data_set_the_test_alone(tmp_path: Path) -> None:
    found = scan(fill(tmp_path, train__a=3, train__b=3, test__a=1, test__b=1), test_only=True)
    assert counts(found) == {"test": {"a": 1, "b": 1}}
    assert told(found, "6 files were left out (not of the test)", "train/a/0000.png")


def test_classes_that_a_split_lacks_take_one_note(tmp_path: Path) -> None:
    fill(tmp_path, val__a=1, val__b=1, **{f"test__c{number}": 1 for number in range(9)})
    assert told(scan(tmp_path), "The test split has no picture of 2 classes: a, b.")


# A model's work on such a study


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of the test alone, with a run whose model was trained elsewhere."""
    folder = tmp_path_factory.mktemp("test-only")
    trained = tiny_study.make(folder)
    study = folder / "alone"
    xai("new", study, "--dataset", "image-folder", "--data", folder / "pictures" / "test", "--test-only")
    info = trained.run("baseline").info
    mean, std = (",".join(map(str, (info.preprocess or {})[name])) for name in ("mean", "std"))
    words = ["--arch", "small_resnet", "--weights", trained.run("baseline").weights, "--size", "32"]
    xai("import", study, "--run", "theirs", *words, "--mean", mean, "--std", std, "--classes", "dark blue,green,red")
    return study


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "alone"))


def test_a_limit_asks_the_same_samples_again(study: Path, capsys: Capture) -> None:
    words = ("predict", study, "--run", "theirs", "--limit")
    assert [xai_json(capsys, *words, n)["new"] for n in ("5", "5", "8")] == [5, 0, 3]
    predictions = Study.open(study).run("theirs").predictions
    assert predictions is not None
    assert len(set(Study.open(study).labels[predictions.rows])) > 1, "drawn, and not the first class"
    assert "not a whole number" in fails(capsys, *words, "0")


def test_the_first_split_comes_first(tmp_path: Path) -> None:
    from xai_core.pipeline.predict import some_of

    fill(tmp_path / "d", train__a=9, train__b=9, val__a=3, val__b=3, test__a=2, test__b=2)
    xai("new", tmp_path / "s", "--dataset", "image-folder", "--data", tmp_path / "d")
    study = Study.open(tmp_path / "s")
    found = some_of(study, ("test", "validation", "train"), 7)
    assert study.samples["split"].iloc[found].tolist() == ["test"] * 4 + ["validation"] * 3
    np.testing.assert_array_equal(some_of(study, ("test", "train"), None)[:4], study.rows("test"))


def test_what_needs_training_pictures(study: Path, capsys: Capture) -> None:
    words = ("train", study, "--run", "new", "--arch", "small_cnn", "--epochs", "1")
    assert "the training split is empty" in fails(capsys, *words)
    xai("predict", study, "--run", "theirs")
    xai("explain", study, "--run", "theirs", "--methods", "shap", "--limit", "1")  # a background of the test


# Names for people


WNIDS = ("n01440764", "n02012849", "n03126707")
LISTS = {
    "blanks.txt": "n01440764 tench, Tinca tinca\nn02012849 crane\nn03126707 crane\nn09 cliff\n",
    "tabs.tsv": "n01440764\ttench, Tinca tinca\nn02012849\tcrane\nn03126707\tcrane\n",
    "commas.csv": 'n01440764,"tench, Tinca tinca"\nn02012849,crane\nn03126707,crane\n',
    "index.json": json.dumps(
        {"2": ["n03126707", "crane"], "0": ["n01440764", "tench, Tinca tinca"], "1": ["n02012849", "crane"]}
    ),
    "names.json": json.dumps({"n01440764": "tench, Tinca tinca", "n02012849": "crane", "n03126707": "crane"}),
}


@pytest.mark.parametrize("file", LISTS)
def test_lists_of_classes_as_people_have_them(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text(LISTS[file])
    found = named(tmp_path / file, [*WNIDS, "other"])
    assert found.folders == WNIDS
    assert found.names == ("tench, Tinca tinca", "crane (n02012849)", "crane (n03126707)")
    assert any("1 folder is not in" in note and "other" in note for note in found.notes)


def test_a_list_of_names_alone_gives_the_order(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("great white shark\n\ncat\n", encoding="utf-8-sig")
    found = named(tmp_path / "classes.txt", ["cat", "great white shark"])
    assert found.folders == found.names == ("great white shark", "cat")
    assert found.notes == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "names none of the folders"),
        ("dog\nhorse\n", "names none of the folders.*dog first"),
        ("a\nb\na\n", "names a class twice: a"),
        ("a\0b", "no list of classes"),
        ("{", "names none"),
    ],
)
@pytest.mark.parametrize("name", ["c.txt", "c.json"])
def test_what_is_no_list_of_classes(tmp_path: Path, text: str, problem: str, name: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(XaiError, match=problem if name == "c.txt" else "list of classes") as caught:
        named(tmp_path / name, ["a", "b"])
    assert "\n" not in str(caught.value)


def test_a_study_whose_classes_have_names_and_ids(tmp_path: Path, capsys: Capture) -> None:
    data = fill(tmp_path / "data", **{f"val__{wnid}": 2 for wnid in WNIDS})
    (tmp_path / "list.txt").write_text(LISTS["blanks.txt"])
    words = ["--dataset", "image-folder", "--data", data, "--classes-file", tmp_path / "list.txt"]
    made = xai_json(capsys, "new", tmp_path / "s", *words, "--classes", "crane (n03126707),n01440764")
    (tmp_path / "list.txt").unlink()
    study = Study.open(tmp_path / "s")
    assert made["classes"] == list(study.class_names) == ["crane (n03126707)", "tench, Tinca tinca"]
    assert study.class_ids == ("n03126707", "n01440764")
    assert study.picture(0).size == (8, 6)
    assert str(tmp_path) not in (tmp_path / "s" / "study.json").read_text().replace(str(data), "")
    assert class_index(study, "n01440764") == class_index(study, "tench, Tinca tinca") == 1
