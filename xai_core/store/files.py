"""The files of a study: names that are safe, folders that appear whole, JSON and Parquet that carry a checksum, and
what a file holds, kept until it is replaced."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import re
import shutil
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from xai_core.errors import BadInput, BadParameter
from xai_core.files import damaged, finite, read_plain, storage_errors, sync_folder, write_atomic
from xai_core.params import digest

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

CHECKSUM = "checksum"
"""How a file calls the checksum of the rest of itself."""

_SEAL, _DIGITS = b"crc32:", 8
_LONGEST_JSON, _LONGEST_TABLE, _MOST_ROWS, _DEEPEST = 2**28, 2**34, 2**28, 100
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


def check_new_file(path: Path, what: str) -> None:
    """The same of a file, whose folder has to be there. Raises as `check_new`."""
    if os.path.lexists(path):
        raise BadParameter("something is here already", value=path, remedy=f"Choose another place for the {what}.")
    check_new(path, what)
    if not Path(os.path.abspath(path)).parent.is_dir():
        raise BadInput("no such folder", value=path.parent, remedy="Make it first.")


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


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replace a JSON file as a whole, with a checksum as its first line. NaN and infinities become null.

    Raises:
        StorageFull: no room; the old file is untouched.
    """
    kept = {name: item for name, item in finite(value).items() if name != CHECKSUM}
    text = json.dumps({CHECKSUM: digest(kept)[:_DIGITS], **kept}, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomic(path, (text + "\n").encode("utf-8", "backslashreplace"))


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file, without its checksum. A file that has none (an older one) is taken as it is.

    Raises:
        BadInput: the file is missing, unreadable, not as it was written, or holds no JSON object, an endless number
            or nesting without end.
    """
    try:
        value = json.loads(read_plain(path, _LONGEST_JSON), parse_constant=_no_number)
        if not isinstance(value, dict):
            raise ValueError("it holds no JSON object")
        _check_plain(value)
        checksum = value.pop(CHECKSUM, None)
        changed = checksum is not None and checksum != digest(value)[:_DIGITS]
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, error) from None
    if changed:
        remedy = f"Restore it from a copy; if you changed it on purpose, take out its line {CHECKSUM!r}."
        raise damaged(path, "it is not as it was written", remedy=remedy)
    return value


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _check_plain(value: Any, depth: int = 0) -> None:
    """Raise ValueError for what nobody who reads JSON expects: numbers out of range, endless nesting."""
    if depth > _DEEPEST:
        raise ValueError("it is nested too deep")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number out of range")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError("a number out of range")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _check_plain(item, depth + 1)


def write_table(path: Path, table: pa.Table, about: Mapping[str, str] | None = None) -> None:
    """Replace a Parquet file as a whole, with a checksum of all its bytes among its metadata, and `about` beside it.

    Raises:
        StorageFull: no room; the old file is untouched.
    """
    buffer = io.BytesIO()
    metadata = {**(about or {}), CHECKSUM: f"{_SEAL.decode()}{'0' * _DIGITS}"}
    pq.write_table(table.replace_schema_metadata(metadata), buffer, compression="zstd", compression_level=1)
    data = bytearray(buffer.getvalue())
    start = data.rindex(_SEAL) + len(_SEAL)
    data[start : start + _DIGITS] = _table_checksum(data, start)
    write_atomic(path, bytes(data))


def read_table(path: Path, schema: pa.Schema | Callable[[list[str]], pa.Schema] | None) -> pa.Table:
    """The schema's columns of a Parquet file, in its order; the schema may depend on the names of the file's columns,
    or be the file's own (None).

    Its metadata is what `write_table` was told `about` it; None where the file has no checksum (an older one, or of
    another program): nothing then proves that it is as it was written.

    Raises:
        BadInput: the file is missing, no Parquet, not as it was written, lacks a column, or holds another type or an
            unexpected gap.
    """
    try:
        data = read_plain(path, _LONGEST_TABLE)
        start = data.rfind(_SEAL) + len(_SEAL)
        sealed = start >= len(_SEAL)
        if sealed and data[start : start + _DIGITS] != _table_checksum(data, start):
            raise ValueError("it is not as it was written")
        # not pq.read_table: it reads folder names such as "a=b" as columns
        # one thread: Arrow's pool may abort the process when it ends soon after (apache/arrow#34314)
        file = pq.ParquetFile(pa.BufferReader(data))
        if file.metadata.num_rows > _MOST_ROWS:  # a few bytes may claim any number
            raise ValueError(f"{file.metadata.num_rows:,} lines")
        wanted = _wanted(schema, file.schema_arrow)
        table = file.read(use_threads=False).select(wanted.names).combine_chunks()
        if not sealed:
            table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise damaged(path, error) from None
    for field in wanted:
        column = table[field.name]
        if column.type != field.type or (column.null_count and not field.nullable):
            raise damaged(path, f"column {field.name} is of the wrong type or has gaps")
    return table if sealed else table.replace_schema_metadata(None)


def _wanted(schema: pa.Schema | Callable[[list[str]], pa.Schema] | None, own: pa.Schema) -> pa.Schema:
    if schema is None:
        return own
    return schema(own.names) if callable(schema) else schema


def _table_checksum(data: bytes | bytearray, start: int) -> bytes:
    """Of a file whose own checksum, from `start` on, counts as zeros."""
    with memoryview(data) as whole:
        total = zlib.crc32(whole[start + _DIGITS :], zlib.crc32(b"0" * _DIGITS, zlib.crc32(whole[:start])))
    return f"{total:0{_DIGITS}x}".encode()


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


Signature = tuple[int, int, int]


def signature(path: Path) -> Signature | None:
    """What changes whenever a file is replaced; None where there is none. Raises BadInput where it cannot be told."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise damaged(path, error) from None
    return status.st_mtime_ns, status.st_size, status.st_ino


class Cached(Generic[T]):
    """What a file holds, read again only when the file has been replaced. Safe to share between threads."""

    def __init__(self, path: Path, load: Callable[[Path], T]) -> None:
        self._path, self._load = path, load
        self._kept: tuple[Signature, T] | None = None

    def get(self) -> T | None:
        """The file's content, or None where there is no file. Raises what `load` raises."""
        now = signature(self._path)
        if now is None:
            return None
        kept = self._kept
        if kept is None or kept[0] != now:
            kept = (now, self._load(self._path))
            self._kept = kept
        return kept[1]


def now() -> str:
    """The time as it is stored: ISO, UTC, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
