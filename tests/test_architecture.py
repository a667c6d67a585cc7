"""The walls of the house: imports go one way, members stand alone, listing is light, views open no file."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT
from xai_core.registry import FAMILIES as PACKAGES

LEVELS = [  # the longest name that fits a module counts: the demo's art lies far below its making
    {"errors"},
    {"types", "text", "needs", "label_maps"},
    {"regions", "boundaries"},
    {"registry", "params", "files", "tables", "words", "task", "demo.art"},
    {"settings", "trust", "hosts", "archives", "lookalikes"},
    {"pictures", "splits", "demo.drawing"},
    {"datasets", "models"},
    {"explainers"},
    {"metrics", "similarities"},
    {"sanity", "training", "triage", "truth", "exports"},
    {"store", "drawing"},
    {"answers", "pipeline"},
    {"worker", "jobs", "demo"},
    {"recipes"},
    {"cli", "notebook"},
]
LEVEL = {room: number for number, rooms in enumerate(LEVELS) for room in rooms}
PAGES = [
    {"text", "drawing", "access"},
    {"frame"},
    {"heat", "figures", "export"},
    {"widgets"},
    {"views"},
    {"app"},
    {"main"},
]
"""The same for the dashboard: from pixels and the open view to the page that is served."""
CORE = sorted((ROOT / "xai_core").rglob("*.py"))
DASHBOARD = sorted((ROOT / "dashboard").rglob("*.py"))
TRAINING_ITSELF = tuple(f"xai_core.training.{module}" for module in ("loop", "data", "checkpoint", "model"))
"""Pages may know what a training is made of: its configuration, and the cards of losses and augmentations."""

FAMILIES = [package.replace(".", "/") for package in PACKAGES.values()]


@cache
def imports(path: Path) -> frozenset[str]:
    """Dotted names of all modules that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def room(dotted: str) -> str | None:
    """The room that a module of the core lies in; None for what has no place in the house."""
    package, *parts = dotted.split(".")
    names = [".".join(parts[:count]) for count in range(len(parts), 0, -1)] if package == "xai_core" else []
    return next((name for name in names if name in LEVEL), None)


@pytest.mark.parametrize("path", CORE, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_only_leftwards(path: Path) -> None:
    if path.parent == ROOT / "xai_core" and path.stem in ("__init__", "__main__"):
        return
    here = room(".".join(path.relative_to(ROOT).with_suffix("").parts))
    assert here, f"{path.name} has no place in the house: add it to LEVELS"
    for dotted in imports(path):
        assert not dotted.startswith(("streamlit", "plotly", "dashboard")), f"the core knows no {dotted}"
        there = room(dotted)
        if there and there != here:  # rooms of one level do not know each other
            assert LEVEL[there] < LEVEL[here], f"{here} imports {there}"


@pytest.mark.parametrize("path", DASHBOARD, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_dashboard_computes_nothing(path: Path) -> None:
    for dotted in imports(path):
        assert not dotted.startswith(("torch", "captum", "shap")), f"{dotted} belongs to the worker"
        assert room(dotted) not in ("pipeline", "cli", "demo"), f"the dashboard imports {dotted}"
        assert not dotted.startswith(TRAINING_ITSELF), f"{dotted} belongs to a job"


@pytest.mark.parametrize("path", DASHBOARD, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_rooms_of_the_dashboard_know_those_below(path: Path) -> None:
    level = {room: number for number, rooms in enumerate(PAGES) for room in rooms}
    here = path.relative_to(ROOT / "dashboard").parts[0].removesuffix(".py")
    if here == "__init__":
        return
    for dotted in imports(path):
        package, *parts = dotted.split(".")
        if package == "dashboard" and parts and parts[0] in level and parts[0] != here:
            assert level[parts[0]] < level[here], f"{here} imports {dotted}"


DRAWING = ("figures", "drawing")
"""What turns numbers into pixels and axes; everything else in the dashboard only places what an answer gave it."""

STATISTICS = {"mean", "nanmean", "average", "sum", "nansum", "median", "nanmedian", "std", "var", "quantile", "trace"}
STATISTICS |= {"percentile", "bincount", "histogram", "cumsum", "corr", "corrcoef", "cov", "unique", "nunique"}
STATISTICS |= {"value_counts", "groupby", "argsort", "sort_values", "argmax", "argmin", "isin", "intersect1d"}
STATISTICS |= {"union1d", "setdiff1d", "searchsorted", "default_rng", "permutation"}
"""Calls by which a number, a choice or an order of samples comes about. Extremes place an axis: they are free."""

WRITTEN = {"percent", "percent_range", "points"}
"""What writes a share: it is given one, and none is divided on the way."""

METHODS = ("xai_core.triage", "xai_core.sanity", "xai_core.similarities", "xai_core.metrics")


def _not_drawing() -> list[Path]:
    here = {path: path.relative_to(ROOT / "dashboard") for path in DASHBOARD}
    return [path for path, at in here.items() if at.parts[0] not in DRAWING]


@pytest.mark.parametrize("path", _not_drawing(), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_dashboard_shows_answers_and_makes_none(path: Path) -> None:
    """A number that a page works out is one that no command gives: it belongs to `xai_core.answers`."""
    assert not list(_worked_out(path))


def _worked_out(path: Path) -> Iterator[str]:
    """Statistics that a file calls, and functions of the rooms of methods that it imports (records are free)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in STATISTICS:
            yield f"{node.lineno}: {ast.unparse(node.func)}"
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(METHODS):
            yield from (f"{node.lineno}: {node.module}.{a.name}" for a in node.names if not a.name[0].isupper())


def test_the_walk_sees_what_is_worked_out(tmp_path: Path) -> None:
    file = tmp_path / "page.py"
    file.write_text("from xai_core.triage.quality import Quality, quality\nx = rates.mean(axis=0) + sum(parts)\n")
    assert list(_worked_out(file)) == ["1: xai_core.triage.quality.quality", "2: rates.mean"]


@pytest.mark.parametrize("path", DASHBOARD, ids=lambda p: str(p.relative_to(ROOT)))
def test_shares_that_are_written_come_from_an_answer(path: Path) -> None:
    assert not list(_divided(path.read_text(encoding="utf-8")))


def _divided(text: str) -> Iterator[str]:
    """Shares and percentages that are worked out where they are written."""
    for node in ast.walk(ast.parse(text)):
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in WRITTEN
        form = (
            isinstance(node, ast.FormattedValue) and node.format_spec and ast.unparse(node.format_spec).endswith("%'")
        )
        if (called or form) and any(isinstance(part, ast.BinOp) for part in ast.walk(node)):
            yield f"{node.lineno}: {ast.unparse(node)}"


def test_the_walk_sees_what_is_divided() -> None:
    assert len(list(_divided("percent(n / 2)\nf'{n / 2:.1%}'\npercent(share)\nf'{100 * share:.1f}%'"))) == 2


@pytest.mark.parametrize("path", sorted((ROOT / "dashboard" / "figures").glob("*.py")), ids=lambda p: p.name)
def test_figures_know_no_streamlit(path: Path) -> None:
    assert not any(dotted.startswith("streamlit") for dotted in imports(path))


@pytest.mark.parametrize("path", sorted((ROOT / "dashboard" / "views").glob("*.py")), ids=lambda p: p.name)
def test_views_open_no_file(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    names = {f.id if isinstance(f, ast.Name) else f.attr for f in calls if isinstance(f, ast.Name | ast.Attribute)}
    assert not names & {"open", "read_text", "read_bytes", "write_text", "read_parquet", "read_csv"}


@pytest.mark.parametrize("family", FAMILIES)
def test_members_of_a_family_do_not_import_each_other(family: str) -> None:
    files = [path for path in (ROOT / family).glob("*.py") if path.stem not in ("__init__", "base")]
    members = {path.stem for path in files if _registers(path)}
    dotted = family.replace("/", ".")
    for path in files:
        if path.stem in members:
            others = {f"{dotted}.{member}" for member in members - {path.stem}}
            assert not imports(path) & others, f"{path.stem} imports another member"


def _registers(path: Path) -> bool:
    return "Card(" in path.read_text(encoding="utf-8")


LIGHT = [
    *(f"from xai_core.registry import family; list(family({name!r}))" for name in PACKAGES),
    "from xai_core.cli.main import parser; parser()",
    "import xai_core.store.study, xai_core.store.maps, xai_core.worker.client",
    "import xai_core.jobs.manage, xai_core.jobs.run, xai_core.training.config",
    "import dashboard.app, dashboard.drawing.tiles",
]


def test_light_things_load_no_torch() -> None:
    """In one process, one after the other: the first that loads it is named."""
    checks = [f"{each}\nassert not {{'torch', 'captum', 'shap'}} & set(sys.modules), {each!r}" for each in LIGHT]
    code = "\n".join(["import sys", *checks])
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
