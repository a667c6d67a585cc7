"""The digest of a study's masks: what was computed with a mask is stale once the mask is another.

Masks are decoded to be digested, so that a copied or saved-again file with the same pixels changes nothing. That takes
a while for many, so the digest of each is kept in `masks.parquet` beside the size and time of change of its files, and
only those whose files have changed are decoded again. The file is a cache: it can be deleted, and where it cannot be
written (a read-only study) the digests are kept in memory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xai_core.datasets.base import Dataset, HasMaskFiles
from xai_core.errors import XaiError
from xai_core.store import files
from xai_core.types import CancelToken, Progress, silent

TABLE = "masks.parquet"
NONE = ""
"""The digest where no sample has a mask."""

_TYPES = {"row": pa.int64(), "files": pa.string(), "digest": pa.string()}
_SCHEMA = pa.schema([pa.field(name, kind, nullable=False) for name, kind in _TYPES.items()])
_AT_ONCE, _SAVE_SECONDS = 256, 10.0
_FEW, _PATIENCE = 2000, 20.0
"""Up to so many masks are looked at on every call; more, when so many times as long as looking takes has passed."""

Rows = Callable[[Sequence[int]], list[dict[str, Any]]]


class MaskDigest:
    """The digest of the masks of some samples. Safe to share between threads."""

    def __init__(self, folder: Path, rows: NDArray[np.int64], samples: Rows, dataset: Callable[[], Dataset]) -> None:
        self._path, self._rows, self._samples, self._dataset = folder / TABLE, rows, samples, dataset
        self._known: dict[int, tuple[str, str]] | None = None  # by row: what its files are, and its digest
        self._lock, self._until, self._found = Lock(), 0.0, NONE

    def get(self, progress: Progress = silent, cancel: CancelToken | None = None) -> str:
        """sha256 over the pixels of all masks; NONE where there are none.

        What is finished is kept when it is cancelled. Raises BadInput where the data folder cannot be looked through.
        """
        if not len(self._rows):
            return NONE
        with self._lock:
            if monotonic() >= self._until:
                begun = monotonic()
                self._found = self._look(progress, cancel or CancelToken())
                took = monotonic() - begun
                self._until = monotonic() + (took * _PATIENCE if len(self._rows) > _FEW else 0.0)
            return self._found

    def _look(self, progress: Progress, cancel: CancelToken) -> str:
        known = self._known if self._known is not None else _read(self._path)
        files_of = self._files()
        todo = [row for row, now in files_of.items() if row not in known or known[row][0] != now]
        saved, done = monotonic(), 0
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            try:
                while done < len(todo):
                    cancel.check()
                    some = todo[done : done + _AT_ONCE]
                    digests = pool.map(self._digest, self._samples(some))
                    known |= {row: (files_of[row], digest) for row, digest in zip(some, digests, strict=True)}
                    done += len(some)
                    progress(done, len(todo), "masks")
                    if monotonic() - saved > _SAVE_SECONDS:
                        self._save(known)
                        saved = monotonic()
            finally:
                if done:
                    self._save(known)
        self._known = known
        return _total((row, known[row][1]) for row in files_of)

    def _files(self) -> dict[int, str]:
        """By row what tells, without opening it, whether a mask is as it was."""
        dataset = self._dataset()
        if not isinstance(dataset, HasMaskFiles):
            return dict.fromkeys(self._rows.tolist(), "")
        stat = cache(_stat)  # an archive holds many
        found = {}
        for first in range(0, len(self._rows), _AT_ONCE):
            rows = self._rows[first : first + _AT_ONCE].tolist()
            for row, sample in zip(rows, self._samples(rows), strict=True):
                found[row] = "|".join(map(stat, dataset.mask_files(sample)))
        return found

    def _digest(self, sample: Mapping[str, Any]) -> str:
        try:
            return _of(self._dataset().mask(sample))
        except XaiError:  # a damaged mask is none, and another than any
            return "unreadable"

    def _save(self, known: Mapping[int, tuple[str, str]]) -> None:
        if not isinstance(self._dataset(), HasMaskFiles):
            return  # nothing would tell the next reader whether they are still the same
        rows = sorted(known)
        columns = {"row": rows, "files": [known[row][0] for row in rows], "digest": [known[row][1] for row in rows]}
        with suppress(XaiError):  # a cache: without it the next one computes it again
            files.write_table(self._path, pa.table(columns, schema=_SCHEMA))


def stamp(dataset: Dataset, sample: Mapping[str, Any]) -> str:
    """What tells, without opening it, whether a mask is as it was; "" where the dataset does not say."""
    return "|".join(map(_stat, dataset.mask_files(sample))) if isinstance(dataset, HasMaskFiles) else ""


def _read(path: Path) -> dict[int, tuple[str, str]]:
    """What is kept; nothing where the file is missing, or is not as it was written."""
    if not path.is_file():
        return {}
    try:
        table = files.read_table(path, _SCHEMA)
    except XaiError:
        return {}
    rows, stats, digests = (table[name].to_pylist() for name in _SCHEMA.names)
    return dict(zip(rows, zip(stats, digests, strict=True), strict=True))


def _stat(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return f"{path.name} is gone"
    return f"{path.name} {status.st_size} {status.st_mtime_ns}"


def _of(mask: NDArray[np.bool_] | None) -> str:
    if mask is None:
        return "none"
    shape = "×".join(map(str, mask.shape))
    return hashlib.sha256(shape.encode() + np.packbits(mask).tobytes()).hexdigest()


def _total(digests: Iterable[tuple[int, str]]) -> str:
    total = hashlib.sha256()
    for row, digest in digests:
        total.update(f"{row} {digest}\n".encode())
    return total.hexdigest()
