"""`maps.bin`: records of one shape, float16 in −1 … 1, one after the other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadInput
from xai_core.files import open_plain, storage_errors
from xai_core.types import Array

Shape = tuple[int, int]
_HALF = np.dtype("<f2")
_ONE = 0x3C00
"""The bits of 1."""


class Records:
    """A file of records; slot k is the k-th. Who may write where is the index's business."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def whole(self, shape: Shape | None) -> int:
        """How many records the file holds whole."""
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return 0
        return size // (_HALF.itemsize * shape[0] * shape[1]) if shape else 0

    def append(self, start: int, records: NDArray[Any]) -> None:
        """Write `(N, h, w)` float16 from slot `start` on, and wait until they are on the disk. Raises OSError."""
        if not records.nbytes:
            return
        data = np.ascontiguousarray(records).data.cast("B")
        begin = offset = start * records[0].nbytes
        # plain writes: a full disk is then an exception, where a writable map would be a SIGBUS
        if os.path.lexists(self._path):
            with storage_errors(self._path):
                open_plain(self._path).close()  # nobody reads from a pipe, nothing fills a device
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            while data:
                written = os.pwrite(descriptor, data, offset)
                data, offset = data[written:], offset + written
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, begin)
            raise
        finally:
            os.close(descriptor)

    def read(self, slots: NDArray[np.int64], shape: Shape) -> NDArray[np.float16]:
        """The `(N, h, w)` records in N slots, in any order.

        Read rather than mapped: a file that is cut short meanwhile is then no SIGBUS. Neighbours are read together.

        Raises:
            BadInput: the file was cut short since the index was asked.
        """
        order = np.argsort(slots, kind="stable")
        ordered = slots[order]
        records = np.empty((len(slots), *shape), dtype=_HALF)
        starts = np.flatnonzero(np.diff(ordered, prepend=-2) != 1)
        ends = np.append(starts[1:], len(slots))
        with open_plain(self._path) as file:
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
                _fill(file.fileno(), records[start:end], int(ordered[start]) * records[0].nbytes)
        result = np.empty_like(records)
        result[order] = records
        return result


def encode(maps: Array, drawn: NDArray[np.bool_]) -> tuple[NDArray[np.float16], Array]:
    """`(N, h, w)` float16 in −1 … 1 and the `(N,)` float32 scales that bring the maps back; zeros where not drawn.

    Raises:
        BadInput: a drawn map has no pixels, or one that is NaN or infinite.
    """
    kept = np.where(drawn[:, None, None], maps, np.float32(0))
    finite = np.isfinite(kept).all(axis=(1, 2))
    if not finite.all():
        raise refused("maps with NaN or infinite pixels", f"{int((~finite).sum())} of {len(maps)}")
    if kept.size == 0 and drawn.any():
        raise refused("maps without pixels", maps.shape)
    scales = np.abs(kept).max(axis=(1, 2), initial=0.0).astype(np.float32)
    divisors = np.where(scales > 0, scales, np.float32(1))
    return (kept / divisors[:, None, None]).astype(_HALF), scales


def possible(records: NDArray[np.float16]) -> NDArray[np.bool_]:
    """Which of `(N, h, w)` records `encode` may have made: all within −1 … 1, so neither NaN nor infinite."""
    sizes = records.view(np.uint16) & 0x7FFF  # the order of magnitudes is that of their bits, and that is fast
    return sizes.max(axis=(1, 2), initial=0) <= _ONE


def refused(problem: str, value: object) -> BadInput:
    """The error for maps that are not stored."""
    return BadInput(problem, value=value, remedy="A method or a file gave them; none of them was stored.")


def _fill(descriptor: int, records: NDArray[np.float16], offset: int) -> None:
    view = records.data.cast("B")
    while view:
        read = os.preadv(descriptor, [view], offset)
        if not read:
            raise refused("maps.bin was cut short while it was read", offset)
        view, offset = view[read:], offset + read
