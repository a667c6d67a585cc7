"""A run that says something else of itself."""

from __future__ import annotations

from typing import Any

from xai_core.store.files import read_json, write_json
from xai_core.store.run import INFO_FILE, Run


def rewrite(run: Run, **changes: Any) -> None:
    """Its `run.json` with some fields changed."""
    path = run.path / INFO_FILE
    write_json(path, read_json(path) | changes)
