"""The image for a team: linted, not root, and of the names that the product has."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, skip_or_fail
from tests.test_install import SOURCES
from xai_core.settings import Settings

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_a_linter_finds_nothing() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        skip_or_fail("no hadolint")
    done = subprocess.run([str(hadolint), ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_it_does_not_run_as_root() -> None:
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.+)$", last, re.MULTILINE) == ["1000"]


def test_its_settings_are_those_of_the_dashboard() -> None:
    names = {name.lower() for name in re.findall(r"XAI_(\w+)=", DOCKERFILE)}
    assert names == {"address", "port"}
    assert names <= set(Settings.__dataclass_fields__)
    assert f"XAI_PORT={Settings().port} " in DOCKERFILE
    assert f"EXPOSE {Settings().port}\n" in DOCKERFILE


def test_the_build_gets_all_that_the_wheel_is_made_of() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    assert set(SOURCES) <= let_in
    assert {"pyproject.toml", "setup.py", "requirements*.txt", "constraints.txt", "README.md", "LICENSE"} <= let_in
    assert "*" in lines, "nothing else: a study in the checkout may be large, or not for everybody"
