"""Rows of bytes, one for each sample: an array in memory, or a file that is read as rows are asked for."""

from __future__ import annotations

import os
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from xai_core.files import damaged, open_plain, storage_errors
from xai_core.types import CancelToken, Progress, silent

T = TypeVar("T")
AT_ONCE = 512
"""So many rows are made ahead of whoever takes them."""


class FileRows:
    """`(n, …)` uint8 in a file: `rows[indices]` reads some of them, wherever they lie, and checks each.

    Plain reads, not a memory map: a file that was cut off is an error then, where a map would kill the process. The
    file stays open, so that a training goes on with it though its name be removed.

    Attributes:
        shape: `(n, …)`.
        checksums: `(n,)` uint32, CRC-32 of each row.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], checksums: NDArray[np.uint32]) -> None:
        """Open it. Raises BadInput where it is gone or is not of this shape."""
        self.shape, self.checksums, self._path = shape, checksums, path
        self._bytes = int(np.prod(shape[1:], dtype=np.int64))
        try:
            with open_plain(path) as file:
                self._descriptor = os.dup(file.fileno())
            weakref.finalize(self, os.close, self._descriptor)
            size = os.fstat(self._descriptor).st_size
            if size != shape[0] * self._bytes or len(checksums) != shape[0]:
                raise ValueError(f"{size:,} bytes for {shape[0]:,} rows of {self._bytes:,}")
        except (OSError, ValueError) as error:
            raise self._damaged(error) from None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """`(m, …)`. Raises BadInput where a row is not as it was written."""
        found = np.empty((len(indices), self._bytes), np.uint8)
        for row, index in zip(found, indices.tolist(), strict=True):
            try:
                whole = os.preadv(self._descriptor, [row.data], index * self._bytes) == self._bytes
            except OSError as error:
                raise self._damaged(error) from None
            if not whole or _checksum(row) != self.checksums[index]:
                raise self._damaged(f"row {index} is not as it was written")
        return found.reshape(len(indices), *self.shape[1:])

    def _damaged(self, why: object) -> Exception:
        return damaged(self._path, why, remedy=f"Delete the folder {self._path.parent.name}: it is made anew.")


Rows = NDArray[np.uint8] | FileRows


def _checksum(row: NDArray[np.uint8]) -> int:
    return zlib.crc32(np.ascontiguousarray(row).data)


def checksums(rows: Rows) -> NDArray[np.uint32]:
    """`(n,)` CRC-32 of each row, wherever they lie."""
    if isinstance(rows, FileRows):
        return rows.checksums
    return np.array([_checksum(row) for row in rows], np.uint32)


def write_rows(path: Path, rows: Iterable[NDArray[np.uint8]]) -> NDArray[np.uint32]:
    """Write rows one after the other into a new file, and give their checksums.

    Raises:
        StorageFull: no room; BadInput where the file cannot be written. What `rows` raises comes out.
    """
    sums = []
    with storage_errors(path):
        file = path.open("xb")
    with file:
        for row in rows:
            sums.append(_checksum(row))
            with storage_errors(path):
                file.write(row.tobytes())
        with storage_errors(path):
            file.flush()
            os.fsync(file.fileno())
    return np.array(sums, np.uint32)


def in_order(
    make: Callable[[int], T],
    rows: Sequence[int] | NDArray[np.int64],
    what: str,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Iterator[T]:
    """`make` of each row, in threads (decoding and resizing release Python's lock), a bounded number ahead.

    Raises:
        Cancelled: asked to stop. What `make` raises comes out.
    """
    pool = ThreadPoolExecutor(max_workers=os.cpu_count())
    try:
        for start in range(0, len(rows), AT_ONCE):
            some = [int(row) for row in rows[start : start + AT_ONCE]]
            for done, made in enumerate(pool.map(make, some), start=start + 1):
                if cancel is not None:
                    cancel.check()
                progress(done, len(rows), what)
                yield made
    finally:
        pool.shutdown(cancel_futures=True)
