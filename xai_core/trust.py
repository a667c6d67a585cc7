"""Whose Python code may run: what the person at this machine imported themselves, remembered outside any study.

A study is data and may come from anywhere. Where a run's model is built by a function of the user's own
(`package.module:function`), opening the study must not run it, unless this person imported that run here.
"""

from __future__ import annotations

import json
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from xai_core.errors import BadInput
from xai_core.files import locked, state_folder, storage_errors, write_atomic


def remember(study: Path, run: str, spec: str, folder: Path) -> None:
    """Note that this person imported `spec`, found from `folder`, as a run of a study.

    Raises StorageFull or BadInput where it cannot be written.
    """
    path = _path()
    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        with suppress(OSError):  # a file system without locks
            held.enter_context(locked(path.parent, wait=True))  # two imports at once: neither forgets the other's
        entries = [entry for entry in _entries() if (entry["study"], entry["run"]) != (str(study), run)]
        entries.append({"study": str(study), "run": run, "spec": spec, "folder": str(folder)})
        write_atomic(path, json.dumps(entries, indent=1).encode())


def folder_of(study: Path, run: str, spec: str) -> Path | None:
    """From where `spec` was imported for this run; None where nobody here did."""
    for entry in _entries():
        if (entry["study"], entry["run"], entry["spec"]) == (str(study), run, spec):
            return Path(entry["folder"])
    return None


def _path() -> Path:
    return state_folder() / "imported.json"


def _entries() -> list[dict[str, Any]]:
    keys = {"study", "run", "spec", "folder"}
    try:
        values = json.loads(_path().read_bytes())
    except (OSError, ValueError, RecursionError, BadInput):
        return []
    return [v for v in values if isinstance(v, dict) and keys <= set(v)] if isinstance(values, list) else []
