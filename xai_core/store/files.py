"""Files that are either whole or absent, and storage errors that a person can act on."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from xai_core.errors import BadInput, BadParameter
from xai_core.files import damaged, finite, storage_errors, sync_folder, write_atomic

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def checked_name(name: str, what: str) -> str:
    """`name` when it is safe as a folder's name on every system.

    ASCII letters, digits, `.`, `_`, `-`; starts with a letter or digit; at most 64; not a device of Windows.

    Raises:
        BadParameter: it is not.
    """
    if not _NAME.fullmatch(name) or name.endswith(".") or _DEVICES.fullmatch(name):
        raise BadParameter(
            f"not a name for a {what}",
            value=name,
            remedy="Use up to 64 letters, digits, '.', '_' and '-', starting with a letter or digit.",
        )
    return name


def check_new(path: Path, what: str) -> None:
    """Say before long work what `new_folder` would say after it.

    Raises:
        BadParameter: something is there already.
        BadInput: nothing can be made there.
    """
    if os.path.lexists(path):
        raise BadParameter("something is here already", value=path, remedy=f"Choose another folder for the {what}.")
    above = next(parent for parent in Path(os.path.abspath(path)).parents if os.path.lexists(parent))
    with storage_errors(path):
        if not above.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "")
        if not os.access(above, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "")
        with suppress(FileNotFoundError):  # other than one that is too long
            os.stat(above / _hidden(path).name)


@contextmanager
def new_folder(path: Path, what: str) -> Iterator[Path]:
    """A hidden folder to fill, which becomes `path` on success and is removed otherwise.

    Raises:
        BadParameter: something is there already.
        StorageFull: no room.
    """
    taken = BadParameter(
        f"this {what} exists already", value=path.name, remedy="Choose another name, or remove it first."
    )
    if os.path.lexists(path):
        raise taken
    hidden = _hidden(path)
    try:
        with storage_errors(path):
            hidden.mkdir(parents=True)
        yield hidden  # errors of the caller stay what they are
        with storage_errors(path):
            try:
                os.rename(hidden, path)
            except OSError:
                if os.path.lexists(path):  # someone else was faster
                    raise taken from None
                raise
            sync_folder(path.parent)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _hidden(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}.new")


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file as a whole. NaN and infinities become null.

    Raises:
        StorageFull: no room; the old file is untouched.
    """
    text = json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_atomic(path, (text + "\n").encode("utf-8", "backslashreplace"))


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        BadInput: the file is missing, unreadable, or holds no JSON object.
    """
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, error) from None
    if not isinstance(value, dict):
        raise damaged(path, "it holds no JSON object")
    return value


def write_table(path: Path, table: pa.Table) -> None:
    """Replace a Parquet file as a whole.

    Raises:
        StorageFull: no room; the old file is untouched.
    """
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", compression_level=1)
    write_atomic(path, buffer.getvalue())


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """The schema's columns of a Parquet file, in its order.

    Raises:
        BadInput: the file is missing, no Parquet, lacks a column, or holds another type or an unexpected gap.
    """
    try:
        # not pq.read_table: it reads folder names such as "a=b" as columns
        # one thread: Arrow's pool may abort the process when it ends soon after (apache/arrow#34314)
        table = pq.ParquetFile(pa.BufferReader(path.read_bytes())).read(use_threads=False)
        table = table.select(schema.names).combine_chunks()
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise damaged(path, error) from None
    for field in schema:
        column = table[field.name]
        if column.type != field.type or (column.null_count and not field.nullable):
            raise damaged(path, f"column {field.name} is of the wrong type or has gaps")
    return table


def to_table(frame: pd.DataFrame, schema: pa.Schema, what: str) -> pa.Table:
    """A frame as a table of exactly this schema.

    Raises:
        BadInput: a column is missing, of another type, or has an unexpected gap.
    """
    try:
        return pa.Table.from_pandas(frame, schema=schema, preserve_index=False).replace_schema_metadata(None)
    except (pa.ArrowException, KeyError, ValueError, TypeError) as error:
        remedy = f"Give {', '.join(schema.names)}."
        raise BadInput(f"{what} cannot be stored", value=error, remedy=remedy) from None


class Cached(Generic[T]):
    """What a file holds, read again only when the file has been replaced. Safe to share between threads."""

    def __init__(self, path: Path, load: Callable[[Path], T]) -> None:
        self._path, self._load = path, load
        self._kept: tuple[tuple[int, int, int], T] | None = None

    def get(self) -> T | None:
        """The file's content, or None where there is no file. Raises what `load` raises."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        signature = (status.st_mtime_ns, status.st_size, status.st_ino)
        kept = self._kept
        if kept is None or kept[0] != signature:
            kept = (signature, self._load(self._path))
            self._kept = kept
        return kept[1]
