"""Members from other packages: found by entry points, refused alone, and the how-to works as printed."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import ROOT
from xai_core.errors import NotFound
from xai_core.registry import FAMILIES, family

MEMBER = """
import xai_core.similarities.base as base
from xai_core.types import Card
base.similarity(Card({key!r}, "Mine", "Of mine.", "Much."))(lambda a, b: a[:, 0, 0])
"""


def installed(folder: Path, name: str, module: str, *, group: str = "second_look.similarities") -> None:
    """A package as an installer leaves it: its module, and what it says of itself."""
    (folder / f"{name}.py").write_text(module)
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{group}]\n{name} = {name}\n")


def listed(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    command = [sys.executable, "-m", "xai_core", "list", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, timeout=120)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_family_has_members(name: str) -> None:
    assert family(name).keys()
    assert family(name).problems == []


def test_an_unknown_family_is_told() -> None:
    with pytest.raises(NotFound, match="no family"):
        family("explainer")


def test_members_of_other_packages_are_found_and_broken_ones_stand_alone(tmp_path: Path) -> None:
    taken = family("similarities").keys()[0]
    installed(tmp_path, "good", MEMBER.format(key="mine"))
    installed(tmp_path, "twice", MEMBER.format(key=taken))
    installed(tmp_path, "broken", "import nowhere_to_be_found")
    installed(tmp_path, "elsewhere", MEMBER.format(key="other"), group="second_look.losses")
    result = json.loads(listed(tmp_path, "similarities", "--json").stdout)
    assert {one["key"] for one in result["families"]["similarities"]} == {*family("similarities").keys(), "mine"}
    assert result["problems"] == [
        "broken gives no similarity 'broken': No module named 'nowhere_to_be_found'",
        f"twice gives no similarity 'twice': two members of one key: similarity '{taken}'",
    ]
    text = listed(tmp_path, "similarities")
    assert "Of mine." in text.stdout
    assert "broken gives no similarity" in text.stdout
    assert "Traceback" not in text.stderr


@pytest.mark.slow
def test_the_package_of_the_page_can_be_installed(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "members-from-your-package.md").read_text(encoding="utf-8")
    for name, content in re.findall(r"`([\w./]+)`:\n\n```\w+\n(.*?)```", page, re.S):
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    (tmp_path / "source" / "our_methods" / "__init__.py").touch()
    place = tmp_path / "site"
    uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*uv, "--python", sys.executable, "--target", str(place), str(tmp_path / "source")], check=True, timeout=120
    )
    result = json.loads(listed(place, "similarities", "--json").stdout)
    assert result["problems"] == []
    assert "angle" in {one["key"] for one in result["families"]["similarities"]}


def test_a_second_thread_waits_until_all_members_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server asks from several threads as it starts: none may find an empty family."""
    package = tmp_path / "slow_family"
    package.mkdir()
    (package / "__init__.py").write_text(
        'from xai_core.registry import Registry\nMEMBERS = Registry("thing", "slow_family")\n'
    )
    (package / "one.py").write_text(
        "import time\nfrom types import SimpleNamespace\nfrom slow_family import MEMBERS\ntime.sleep(0.3)\n"
        'MEMBERS.add(SimpleNamespace(card=SimpleNamespace(key="one", cost=1.0)))\n'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    members = importlib.import_module("slow_family").MEMBERS
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: members.keys(), range(4)))
    assert found == [["one"]] * 4
