"""The documentation against the code: what is registered is documented, what is linked exists, commands run."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision

from tests import tiny_study
from tests.conftest import ROOT
from xai_core.cli.commands import serve
from xai_core.cli.main import all_commands, main, parser
from xai_core.store.study import Study

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_the_reference_is_what_is_registered(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--markdown"]) == 0
    assert (ROOT / "docs" / "reference.md").read_text(encoding="utf-8") == capsys.readouterr().out, (
        "docs/reference.md is out of date: xai list --markdown > docs/reference.md"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text) + re.findall(r'src="([^"]+)"', text):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_what_the_how_tos_print_passes_the_linter(tmp_path: Path) -> None:
    """Whole modules, which begin with their docstring: who copies one and runs `make check` is not told off."""
    for page in (ROOT / "docs" / "how-to").glob("*.md"):
        blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
        for number, block in enumerate(block for block in blocks if block.startswith('"""')):
            (tmp_path / f"{page.stem.replace('-', '_')}_{number}.py").write_text(block, encoding="utf-8")
    assert len(list(tmp_path.iterdir())) >= 6
    ruff = [str(Path(sys.executable).with_name("ruff")), "--config", str(ROOT / "pyproject.toml")]
    checks = [["check", "--no-cache", "--ignore", "INP001"], ["format", "--check", "--no-cache"]]
    for check in checks:
        told = subprocess.run([*ruff, *check, str(tmp_path)], capture_output=True, text=True, timeout=60)
        assert told.returncode == 0, told.stdout


def commands_of(page: Path) -> list[str]:
    return commands_in(page.read_text(encoding="utf-8"))


def commands_in(text: str) -> list[str]:
    blocks = re.findall(r"```(?:sh|bash|console)\n(.*?)```", text, re.S)
    joined = "\n".join(blocks).replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip().startswith("xai ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_documented_command_is_one(page: Path) -> None:
    for line in commands_of(page):
        words = shlex.split(line, comments=True)[1:]
        if any(word in ("…", "...") for word in words):
            continue
        parser().parse_args(words)


@pytest.mark.slow
def test_the_commands_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As printed, on a folder `photos/` of small pictures and weights for their classes; serving is not tested here."""
    tiny_study.write_pictures(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    torch.save(torchvision.models.resnet18(num_classes=3).state_dict(), "net.pth")
    monkeypatch.setattr(serve, "_run_streamlit", lambda *_: 0)
    lines = [line.replace("cat,dog", '"dark blue,green,red"') for line in commands_of(ROOT / "README.md")]
    assert [line.split()[1] for line in lines] == ["open", "new", "train", "predict", "serve"]
    for line in lines:
        assert main(shlex.split(line)[1:]) == 0, line
    for line, run in ((lines[0], "model"), (lines[-1], "baseline")):
        assert Study.open(Path(shlex.split(line)[2])).runs() == [run]


def test_the_readme_begins_with_the_two_commands() -> None:
    first = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:3]
    assert first[1].startswith("make demo")
    assert first[2].startswith("make test")


def test_every_command_is_documented() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    for command in all_commands():
        assert f"`xai {command.name}" in text, command.name


def test_the_notebook_runs_and_finds_what_it_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As a notebook does: one cell after the other, in one namespace; what serves until it is ended is left out."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    cells = json.loads((ROOT / "docs" / "first-look.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code" and "skip" not in cell["metadata"].get("tags", ()):
            exec("".join(cell["source"]), names)
    assert names["figure"].height > 4 * 168, "a line for each of four samples"
    shares = {method: names["in_the_corner"](found) for method, found in names["maps"].items()}
    assert shares["random"] == pytest.approx(1 / 16, abs=0.01)
    assert shares["ig"] > 3 * shares["random"]
    assert names["run"].predict()["validation"]["accuracy"] > 0.95
