"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from xai_core.errors import BadInput, StorageFull


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file beside `path`, sync it, then rename it over `path`: a reader sees the old bytes or the new.

    Raises:
        StorageFull: no room left; `path` is as it was.
        BadInput: the folder cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(
                "no room left on the disk", value=path, remedy="Free some space and start again."
            ) from None
        remedy = "Check that the folder exists and may be written."
        raise BadInput(f"cannot write ({error.strerror})", value=path, remedy=remedy) from None
