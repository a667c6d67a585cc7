"""Where data lie that a program holds: data frames and pictures in memory are written beside the study first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xai_core.files import write_atomic


def source_of(data: Any, place: Path, params: dict[str, Any]) -> Path:
    """Where the data lie; those of a program are written there first, and keep the order of their labels."""
    if isinstance(data, str | Path):
        return Path(data).resolve()
    if hasattr(data, "to_csv"):
        table = place.with_name(f"{place.name}-table.csv").resolve()
        params.setdefault("root", str(Path.cwd()))
        if not place.is_dir():
            write_atomic(table, data.to_csv(index=False).encode())
        return table
    from xai_core.pipeline.written import names_of, write_pictures

    folder, names = place.with_name(f"{place.name}-pictures").resolve(), names_of(data, params.get("classes"))
    params["classes"] = ",".join(names)
    if not (folder.is_dir() and place.is_dir()):
        write_pictures(data, folder, names)
    return folder
