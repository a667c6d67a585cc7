"""The project as others get it: an sdist, the wheel built from it, installed where no checkout is."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from dashboard.app import found_views
from tests.browser.serving import Watch, free_port, launch, ready, wait_until_healthy
from tests.conftest import ROOT
from tests.tiny_study import write_pictures

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SOURCES = ("xai_core", "dashboard", "assets", ".streamlit", "docs")
IGNORED = shutil.ignore_patterns("__pycache__", "masks.parquet")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sdist, and that from the sources alone: what an earlier build left behind is not in it."""
    folder = tmp_path_factory.mktemp("build")
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / "sources" / name, ignore=IGNORED)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, folder / "sources")
    with tarfile.open(folder / _build("sdist", folder / "sources", folder)) as sdist:
        sdist.extractall(folder / "sdist", filter="data")
    (unpacked,) = (folder / "sdist").iterdir()
    return folder / _build("wheel", unpacked, folder)


def _build(what: str, sources: Path, into: Path) -> str:
    """By the environment's own setuptools, so that nothing is fetched. Returns the name of what was built."""
    code = f"from setuptools import build_meta; print(build_meta.build_{what}({str(into)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=sources, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment that has the wheel and what it needs, and knows nothing of the checkout."""
    folder = tmp_path_factory.mktemp("installed") / "env"
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "install", "-q"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (folder / "lib" / version / "site-packages" / "needed.pth").write_text(sysconfig.get_path("purelib"))
    return python


@pytest.fixture
def elsewhere(tmp_path: Path) -> dict[str, Any]:
    """Another working folder, with caches of its own, for `subprocess`."""
    (tmp_path / "work").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XAI_", "PYTHON"))}
    environment |= {f"XDG_{name}_HOME": str(tmp_path / name.lower()) for name in ("CACHE", "STATE")}
    return {"cwd": tmp_path / "work", "env": environment | {"XAI_THREADS": "2", "OMP_NUM_THREADS": "2"}}


def test_the_wheel_holds_everything_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for package in ("xai_core", "dashboard"):
        kept = [path.relative_to(ROOT).as_posix() for path in (ROOT / package).rglob("*") if path.is_file()]
        assert {name for name in kept if "__pycache__" not in name} <= names
        assert f"{package}/py.typed" in names
    assets = [path for path in (ROOT / "assets").rglob("*") if path.is_file() and path.name != "masks.parquet"]
    assert {f"xai_core/{path.relative_to(ROOT).as_posix()}" for path in assets} <= names
    assert "dashboard/.streamlit/config.toml" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"xai_core", "dashboard", "second_look"}


def test_a_study_from_new_to_explained(python: Path, elsewhere: dict[str, Any], tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", per_class=6)

    def xai(*words: str) -> dict[str, Any]:
        command = [str(python.with_name("xai")), *words, "--json"]
        done = subprocess.run(command, **elsewhere, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    xai("new", "colours", "--dataset", "image-folder", "--data", str(tmp_path / "pictures"))
    xai("train", "colours", "--run", "first", "--arch", "small_cnn", "--epochs", "1", "--batch-size", "6")
    xai("predict", "colours", "--run", "first")
    xai("explain", "colours", "--run", "first", "--methods", "gradcam", "--split", "test")
    stores = (elsewhere["cwd"] / "colours" / "runs" / "first" / "explanations").iterdir()
    assert [store.name.split("-")[0] for store in stores] == ["gradcam"]


@contextlib.contextmanager
def _demo(python: Path, elsewhere: dict[str, Any]) -> Iterator[str]:
    port = free_port()
    command = [str(python.with_name("xai")), "demo", "--port", str(port)]
    process = subprocess.Popen(command, **elsewhere)
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}", process, 120)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _look(browser: Browser, address: str, url: str) -> None:
    page = browser.new_page(color_scheme="light")
    watch = Watch(page, address)
    page.goto(f"{address}/{url}")
    ready(page, seconds=120)
    assert watch.problems == []
    assert page.locator("[data-testid='stException'], .problem").count() == 0
    ground = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert ground == "rgb(252, 252, 250)", "Streamlit's settings were not found"
    icon = page.evaluate(
        "getComputedStyle(document.querySelector('[data-testid=\"stSidebarNavItems\"] a'), '::before').maskImage"
    )
    assert icon.startswith('url("data:image/svg+xml'), "the styles were not found"
    page.close()


@pytest.mark.browser
def test_the_demo_opens_every_page(python: Path, elsewhere: dict[str, Any], chromium: str) -> None:
    with _demo(python, elsewhere) as address, sync_playwright() as playwright:
        browser = launch(playwright, chromium)
        for view in found_views():
            _look(browser, address, view.URL)
        browser.close()
    assert list(elsewhere["cwd"].iterdir()) == [], "nothing is written into the working folder"
