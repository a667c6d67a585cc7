"""What a person said to import a run: who says the same again means that run, and who says anything else another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xai_core.errors import BadInput, NotFound
from xai_core.params import digest
from xai_core.store.run import Run

KEPT, FILE = "imported_as", "file"
"""Its key in a run's provenance, and the file's digest within."""

LONGEST = 100
"""Of a longer value, as of a thousand names of classes, the digest is kept."""


def as_said(file: Path | None, values: Mapping[str, Any]) -> dict[str, str]:
    """What is kept of it: each value that was given, as text, and the digest of the file, whatever it is called.

    Raises NotFound for a file that is not there.
    """
    told = {name: _short(value) for name, value in values.items() if value is not None and value != file}
    if file is None:
        return told
    try:
        with file.open("rb") as stream:
            return told | {FILE: hashlib.file_digest(stream, "sha256").hexdigest()}
    except OSError as error:
        raise NotFound("this file cannot be read", value=file, remedy=f"Check the path ({error.strerror}).") from None


def _short(value: Any) -> str:
    text = str(list(value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= LONGEST else digest(text)


def check_same(run: Run, now: Mapping[str, str]) -> None:
    """Raise BadInput where a run was imported with other words, or from another file, than these."""
    then: Mapping[str, str] = run.info.provenance.get(KEPT, {})
    remedy = f"Choose another --run, or open it as it is with xai serve {run.study.path.name}."
    if then.get(FILE) != now.get(FILE):
        raise BadInput("the run of this name was imported from another file", value=run.name, remedy=remedy)
    for name in sorted(then.keys() | now.keys()):
        if then.get(name) != now.get(name):
            value = f"{run.name}, {name}: {then.get(name, 'nothing said')} then, {now.get(name, 'nothing said')} now"
            raise BadInput("the run of this name was imported otherwise", value=value, remedy=remedy)
