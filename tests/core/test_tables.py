"""CSV tables as Python, Excel in any country and a Mac write them; what is none is refused with its line."""

from __future__ import annotations

import math
import os
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core import store_cases
from xai_core.datasets.base import Scan
from xai_core.errors import BadInput, NotFound, XaiError
from xai_core.pipeline.import_predictions import import_predictions
from xai_core.store.study import Study
from xai_core.tables import number, read_table
from xai_core.text import comma_list, nfc, places, plain_name

CELLS = [["id", "blue", "red, or nearly"], ["a/1.png", "0.25", "0.75"], ["b/2.png", "1", "0"]]


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_as_programs_write_tables(tmp_path: Path, delimiter: str, end: str, encoding: str) -> None:
    cells = [[f'"{cell}"' if "," in cell else cell for cell in row] for row in [*CELLS, ["ü/3.png", "0", "1"]]]
    text = end.join(delimiter.join(row) for row in cells) + end
    table = read_table(written(tmp_path / "t.csv", text, encoding))
    assert table.columns == ("id", "blue", "red, or nearly")
    assert table.rows == (*map(tuple, CELLS[1:]), ("ü/3.png", "0", "1"))
    assert table.lines == (2, 3, 4)


@pytest.mark.parametrize(
    "text",
    [
        "id ;  blue;red, or nearly \na/1.png ; 0,25;0,75\nb/2.png;1;0\n",  # blanks, decimal commas
        "sep=;\nid;blue;red, or nearly\na/1.png;0,25;0,75\nb/2.png;1;0\n",  # Excel's own first line
        "id;blue;red, or nearly;;\na/1.png;0,25;0,75;;\nb/2.png;1;0;;\n;;;;\n;;;;\n",  # empty cells behind the table
        '\ufeffid;blue;"red, or nearly"\n\na/1.png;"0,25";7,5E-1\nb/2.png;1;0',  # empty lines, no last line end
        "id\tblue\tred, or nearly\na/1.png\t0.25\t0.75\nb/2.png\t1\t0\t\t\n",  # one line with empty cells too many
    ],
)
def test_as_excel_writes_tables(tmp_path: Path, text: str) -> None:
    table = read_table(written(tmp_path / "t.csv", text))
    assert table.columns == tuple(CELLS[0])
    assert [row[0] for row in table.rows] == ["a/1.png", "b/2.png"]
    assert [[number(cell) for cell in row[1:]] for row in table.rows] == [[0.25, 0.75], [1, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,a,b\nx,1,0\ny,1\n", r"line 3: 2 cells for 3 columns"),
        ("id,a,b\n0,x,1,0\n1,y,0,1\n", r"line 2: 4 cells for 3 columns"),  # an index without a name
        ("sep=,\nid,a,b\nx,1\n", r"line 3: 2 cells for 3 columns"),
        ('id,a,b\nx,"1,0\ny,0,1\n', r"line \d.*quot"),
        ("", "table is empty"),
        ("\n \n\n", "table is empty"),
        ("id,a,b\n", "no lines"),
        ("id\0,a\n", "not a CSV table"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        read_table(written(tmp_path / "t.csv", text))
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path, tmp_path / "gone.csv", tmp_path / "pipe.csv", tmp_path / "a\0.csv", tmp_path / ("x" * 400)):
        with pytest.raises(XaiError):
            read_table(path)
    with pytest.raises(NotFound):
        read_table(tmp_path / "gone.csv")


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_an_error_of_ours(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(data)
    try:
        table = read_table(path)
    except BadInput:
        return
    assert {len(row) for row in table.rows} == {len(table.columns)}


@pytest.mark.parametrize(
    ("cell", "value"),
    [("0.5", 0.5), ("0,5", 0.5), ("1e-05", 1e-5), ("1,5E-05", 1.5e-5), ("1", 1), (",5", 0.5)],
)
def test_numbers(cell: str, value: float) -> None:
    assert number(cell) == value


@pytest.mark.parametrize("cell", ["", "12 %", "1.234,5", "1,234,5", "1_0", "half", "NA"])
def test_no_numbers(cell: str) -> None:
    assert math.isnan(number(cell))


@given(st.text())
def test_plain_names_are_stable_and_alike_however_they_are_stored(name: str) -> None:
    assert plain_name(plain_name(name)) == plain_name(name)
    assert plain_name(f" {unicodedata.normalize('NFD', name)}\n") == plain_name(name)


def test_names_are_found_composed_and_not() -> None:
    composed, apart = "café.png", unicodedata.normalize("NFD", "café.png")
    assert places(["a", apart])[nfc(apart)] == 1
    both = places([apart, composed])
    assert (both[apart], both[composed]) == (0, 1)


@pytest.mark.parametrize(
    ("text", "names"),
    [("a,b", ["a", "b"]), (' a , "b, c" ,', ["a", "b, c"]), ("", []), ("true,001", ["true", "001"])],
)
def test_lists_on_the_command_line(text: str, names: list[str]) -> None:
    assert comma_list(text) == names


# Predictions from a table


def study_of(folder: Path, classes: tuple[str, ...], ids: list[str]) -> Study:
    samples = store_cases.scan(len(ids)).samples.assign(id=ids, label=np.arange(len(ids)) % len(classes))
    scan = Scan(samples, classes)
    return Study.create(folder / "study", dataset="grey", params={}, data=folder / "data", seed=0, scan=scan)


IDS = ["a/1.png", "a/2.png", "b/3.png", "b/4.png"]


@pytest.mark.parametrize(
    "classes", [("true", "false"), ("1", "0"), ("nan", "NA"), ("None", "null"), ("001", "1e3"), ("id", "ID")]
)
def test_classes_may_be_called_anything(tmp_path: Path, classes: tuple[str, ...]) -> None:
    study = study_of(tmp_path, classes, IDS)
    table = written(tmp_path / "p.csv", f"id,{classes[0]},{classes[1]}\na/2.png,0.9,0.1\nb/4.png,0.2,0.8\n")
    predictions = import_predictions(study, "theirs", table).predictions
    assert predictions is not None
    assert predictions.rows.tolist() == [1, 3]
    np.testing.assert_allclose(predictions.probabilities, [[0.9, 0.1], [0.2, 0.8]], rtol=1e-6)


def test_accents_and_blanks_do_not_keep_a_table_from_its_study(tmp_path: Path) -> None:
    ids = [unicodedata.normalize("NFD", f"café/{number}.png") for number in range(4)]
    study = study_of(tmp_path, ("café", "thé"), ids)
    header = unicodedata.normalize("NFD", "id;thé ; café")
    table = written(tmp_path / "p.csv", f"{header}\ncafé/1.png;0,25;0,75\n{ids[2]};1;0\n")
    predictions = import_predictions(study, "theirs", table).predictions
    assert predictions is not None
    assert predictions.rows.tolist() == [1, 2]
    assert predictions.probabilities.tolist() == [[0.75, 0.25], [0, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,a,b\n0,a/1.png,0.5,0.5\n", "a line does not fit the header: .*line 2"),
        ("id,a,b,a\na/1.png,1,0,0\n", "a column comes twice: a"),
        ("id,a,b,A\na/1.png,1,0,1\nx,1,0,1\n", "unknown sample: line 3, x"),
        ("name,a,b\na/1.png,1,0\n", "lacks columns: id.*--id-column.*has name, a, b"),
        ("id,a,b\n1.png,1,0\nc/2.png,1,0\n", "unknown sample: line 3, c/2.png"),
        ("id,a,b\na/1.png,2.5,-1\n", "no probabilities: line 2.*--logits"),
        ("id,a,b\na/1.png,1,0\n\na/1.png,1,0\n", "comes twice: line 4, a/1.png"),
        ("id;a;b\na/1.png;1;0\na/2.png;0,7;0,2\n", "does not add up: line 3, a/2.png"),
        ("id,a,b\na/1.png,70,30\n", "no probabilities: line 2, a/1.png"),
        ("id,a,b\na/1.png,,1\n", "no probabilities: line 2, a/1.png"),
    ],
)
def test_a_table_that_does_not_fit_its_study(tmp_path: Path, text: str, message: str) -> None:
    study = study_of(tmp_path, ("a", "b"), IDS)
    with pytest.raises(BadInput, match=message):
        import_predictions(study, "theirs", written(tmp_path / "p.csv", text))
    assert study.runs() == []


def imported(study: Study, folder: Path, text: str, **how: Any) -> tuple[list[int], Any, str]:
    """Rows, probabilities, and what was told, of a table."""
    run = import_predictions(study, "theirs", written(folder / "p.csv", text), **how)
    assert run.predictions is not None
    return run.predictions.rows.tolist(), run.predictions.probabilities, " ".join(run.info.provenance["notes"])


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("a/2.png", "b/4.png"), ""),
        (("2.png", "4.png"), "ends of their paths"),
        (("/data/a/2.png", "./b/4.png"), "ends of their paths"),
        (("C:\\data\\a\\2.png", "b\\4.png"), "ends of their paths"),
        (("2", "b/4"), "without endings"),
        (("2.jpg", "4.jpg"), "without endings"),
    ],
)
@pytest.mark.parametrize("column", ["id", "filename", "Image"])
def test_samples_by_what_people_call_them(tmp_path: Path, names: tuple[str, str], told: str, column: str) -> None:
    text = f"{column},a,b\n{names[0]},0.9,0.1\n{names[1]},0.2,0.8\n"
    rows, _, notes = imported(study_of(tmp_path, ("a", "b"), IDS), tmp_path, text)
    assert rows == [1, 3]
    assert told in notes
    assert ("in the column" in notes) == (column != "id")


def test_a_column_of_ids_by_name(tmp_path: Path) -> None:
    study = study_of(tmp_path, ("a", "b"), IDS)
    text = "id,what,a,b\n0,a/2.png,1,0\n"
    with pytest.raises(BadInput, match="unknown sample"):
        imported(study, tmp_path, text)
    with pytest.raises(BadInput, match=r"no such column: which.*has id, what"):
        imported(study, tmp_path, text, id_column="which")
    assert imported(study, tmp_path, text, id_column="what")[0] == [1]


@pytest.mark.parametrize("name", ["1.png", "1", "/elsewhere/1.png"])
def test_names_of_several_samples_are_refused(tmp_path: Path, name: str) -> None:
    study = study_of(tmp_path, ("a", "b"), ["a/1.png", "b/1.png", "c/1.jpg"])
    with pytest.raises(BadInput, match="unknown sample") as caught:
        imported(study, tmp_path, f"id,a,b\n{name},1,0\n")
    assert ("samples are called so" in str(caught.value)) == (name != "/elsewhere/1.png")


def test_rounded_probabilities_are_divided_by_their_sum(tmp_path: Path) -> None:
    study = study_of(tmp_path, ("a", "b", "c"), IDS)
    rows, values, notes = imported(study, tmp_path, "id,a,b,c\na/1.png,0.33,0.33,0.33\na/2.png,0.2,0.3,0.5\n")
    assert rows == [0, 1]
    np.testing.assert_allclose(values, [[1 / 3] * 3, [0.2, 0.3, 0.5]], rtol=1e-6)
    assert "In 1 line of 2 the probabilities are rounded and add up to 0.99 to 0.99" in notes


def test_rounding_explains_no_more_than_it_does(tmp_path: Path) -> None:
    study = study_of(tmp_path, ("a", "b", "c"), IDS)
    with pytest.raises(BadInput, match=r"does not add up: line 2, a/1.png, 0.99.*explains 0.0015"):
        imported(study, tmp_path, "id,a,b,c\na/1.png,0.330,0.330,0.330\n")
    with pytest.raises(BadInput, match="does not add up"):
        imported(study, tmp_path, "id,a,b,c\na/1.png,0,0,0\n")


def test_logits_where_they_are_said_to_be_such(tmp_path: Path) -> None:
    study = study_of(tmp_path, ("a", "b"), IDS)
    _, values, notes = imported(study, tmp_path, "id,a,b\na/1.png,1000,-1000\na/2.png,0,-1e0\n", logits=True)
    np.testing.assert_allclose(values, [[1, 0], [1 / (1 + np.exp(-1)), 1 / (1 + np.e)]], rtol=1e-6)
    assert "softmax" in notes
    for text, problem in (("a/1.png,0.4,0.6", "probabilities, not logits"), ("a/1.png,inf,0", "no logits: line 2")):
        with pytest.raises(BadInput, match=problem):
            imported(study, tmp_path, f"id,a,b\n{text}\n", logits=True)


def test_columns_may_be_called_by_the_ids_of_classes(tmp_path: Path) -> None:
    samples = store_cases.scan(2).samples.assign(id=IDS[:2], label=[0, 1])
    scan = Scan(samples, ("crane", "tench"), class_ids=("n02", "n01"))
    study = Study.create(tmp_path / "s", dataset="grey", params={}, data=tmp_path, seed=0, scan=scan)
    assert Study.open(tmp_path / "s").class_ids == ("n02", "n01")
    _, values, _ = imported(study, tmp_path, "id,n01,n02\na/1.png,0.25,0.75\n")
    assert values.tolist() == [[0.75, 0.25]]
