"""Fixtures that every test may use, and the rule for tests that need real data or a browser."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("XAI_TEST_DATA") or ROOT.parent / "shared" / "data")

# The same examples in each run, however slow a busy machine is at making them.
settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


BROWSER = "tests/browser/"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile` the tests of a file, and all that share the running dashboard, go to one process.

    What a file makes for all its tests would be made once in each process otherwise.
    """
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return BROWSER if nodeid.startswith(BROWSER) else super()._split_scope(nodeid)

    config.option.loadscopereorder = False  # by the number of tests would be by what says little of their time
    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: towards the end one process would wait for the other."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def skip_or_fail(reason: str) -> None:
    """Skip on a user's machine; fail where XAI_NO_SKIP says that nothing may be missing (CI)."""
    if os.environ.get("XAI_NO_SKIP"):
        pytest.fail(f"{reason}, and XAI_NO_SKIP is set")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with the real data."""
    if not DATA.is_dir():
        skip_or_fail(f"no real data at {DATA} (set XAI_TEST_DATA)")
    return DATA


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium for browser tests."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        skip_or_fail("no Chromium on the path")
    return str(found)


@pytest.fixture(autouse=True)
def _no_user_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the person who runs the tests must not change what they test."""
    for name in list(os.environ):
        if name.startswith("XAI_") and name not in ("XAI_TEST_DATA", "XAI_NO_SKIP"):
            monkeypatch.delenv(name)
