"""`xai show`: questions, what they are narrowed by, and mistakes in asking."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.core import store_cases as cases
from tests.core.store_cases import chances
from tests.tiny_study import fails, xai_json
from xai_core.answers.question import questions
from xai_core.cli.commands.show import OTHERS
from xai_core.cli.main import main, parser
from xai_core.files import ASSETS
from xai_core.store.run import RunInfo
from xai_core.store.study import Study

DEMO = ASSETS / "demo" / "garments"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """Three classes; the run `table` predicted all samples but one of the test split."""
    cases.register_grey(monkeypatch)
    made = cases.study(tmp_path)
    rows = list(range(29))
    made.add_run("table", RunInfo()).write_predictions(rows, chances(rows))
    return made


@pytest.mark.parametrize("name", sorted(questions()))
def test_every_question_says_what_it_is(name: str) -> None:
    question = questions()[name]
    assert question.name == name
    assert question.help
    assert len(set(question.choices)) == len(question.choices)


def test_help_names_every_question_and_the_commands_that_answer_others(study: Study, capsys: Capture) -> None:
    assert main(["show", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert all(name in told for name in [*questions(), *OTHERS])
    for name, line in OTHERS.items():
        parser().parse_args(shlex.split(line)[1:])
        assert line.replace("STUDY", str(study.path)) in fails(capsys, "show", study.path, name)


def test_a_table_of_predictions_has_all_but_maps(study: Study, capsys: Capture) -> None:
    overview = xai_json(capsys, "show", study.path, "overview")
    assert overview["split"] == "test"
    assert overview["run"]["unpredicted"].startswith("1 more sample of this split has no prediction")
    matrix = xai_json(capsys, "show", study.path, "confusion")
    assert matrix["n"] == sum(map(sum, matrix["counts"])) == 9
    assert matrix["sentence"] == f"9 test samples, {matrix['wrong']} wrong ({100 * matrix['wrong'] / 9:.1f} %)."
    one = xai_json(capsys, "show", study.path, "sample", "--sample", "sample/00004")
    assert one["row"] == 4
    assert one["sentences"] == ["No heatmaps: this run has predictions, but no model that could be explained."]
    assert one["commands"] == []
    assert xai_json(capsys, "show", study.path, "sample", "--sample", "4") == one


def test_a_cell_may_be_empty(study: Study, capsys: Capture) -> None:
    found = xai_json(capsys, "show", study.path, "confusion")
    names, counts = found["classes"], found["counts"]
    empty = next((t, p) for t in range(3) for p in range(3) if not counts[t][p])
    cell = xai_json(capsys, "show", study.path, "cell", "--true", names[empty[0]], "--predicted", names[empty[1]])
    assert (cell["n"], cell["samples"], cell["page_rows"]) == (0, [], [])
    assert "No sample of this class was predicted as that one." in cell["lines"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["overvew"], "no question of this name: overvew. Did you mean overview?"),
        (["overview", "--cell", "0:1"], "does not use: --cell. It uses --run, --split, --where."),
        (["cell"], "which cell?"),
        (["sample", "--sample", "nobody"], "no sample of this name: nobody"),
        (["sample", "--sample", "29"], "no prediction for this sample: sample/00029"),
        (["cell", "--cell", "0:1", "--sort", "size"], "no sort order of this name: size"),
        (["sample", "--methods", "gradcm"], "Did you mean gradcam"),
        (["sample", "--methods", "ig", "--set", "ig.steps=many"], "steps has the wrong type: many"),
        (["confusion", "--split", "validation"], "no predictions in this split"),
        (["confusion", "--run", "other"], "no run of this name"),
    ],
)
def test_mistakes_are_told_in_a_line(study: Study, capsys: Capture, words: list[str], told: str) -> None:
    assert told in fails(capsys, "show", study.path, *words)


def test_a_study_without_runs_still_has_an_overview(tmp_path: Path, capsys: Capture) -> None:
    path = cases.study(tmp_path).path
    assert xai_json(capsys, "show", path, "overview")["run"] is None
    assert "has no run yet" in fails(capsys, "show", path, "confusion")


def test_names_do_not_steer_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(cases, "CLASSES", ("a\x1b[2J", "b", "c"))
    study = cases.study(tmp_path)
    study.add_run("table", RunInfo()).write_predictions(range(30), chances(range(30)))
    capsys.readouterr()
    assert main(["show", str(study.path), "confusion"]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "a\\x1b[2J" in shown


def test_showing_loads_no_torch() -> None:
    check = f"from xai_core.cli.main import main; import sys; main(['show', {str(DEMO)!r}, 'overview'])\n"
    check += "assert not {'torch', 'captum', 'shap', 'streamlit'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True, cwd=ROOT, capture_output=True, timeout=60)
