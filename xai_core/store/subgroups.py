"""By what a study's samples are grouped, beside their classes: `groups.parquet`, a code for each sample.

A group is a class and one value of an attribute: dresses framed tightly, malignant lesions without a ruler. Worst-group
accuracy and the gap are about these. What the codes were made of may be gone or costly (masks, a run's features), so
they are kept; tags, which people add while they look, are read anew each time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xai_core.files import damaged, storage_errors
from xai_core.store import files
from xai_core.store.annotations import Annotations
from xai_core.store.samples import DIGEST

TABLE = "groups.parquet"
TAG = "tag:"
UNKNOWN = -1
"""The code of a sample whose attribute is not known: it is in no group."""
_BY, _NAMES = "by", "names"
_SCHEMA = pa.schema([pa.field("code", pa.int64(), nullable=False)])


@dataclass(frozen=True, eq=False)
class Grouping:
    """A value of an attribute for each sample.

    Attributes:
        by: what it was made by, as it is asked for: `camera`, `tag:blurred`, `mask-size`, `clusters:baseline`.
        names: of the A values, as they end a sentence: `camera = Leica`.
        codes: `(n,)` 0 … A − 1, or UNKNOWN, for each row of the sample table.
    """

    by: str
    names: tuple[str, ...]
    codes: NDArray[np.int64]

    def name(self, class_name: str, attribute: int) -> str:
        """What a group is called."""
        return f"{class_name}, {self.names[attribute]}"


def tagged(folder: Path, tag: str, count: int) -> Grouping:
    """Samples with a tag, and those without. Raises BadInput when the annotations are damaged."""
    has = [tag in found.tags for found in Annotations(folder).of(range(count))]
    return Grouping(f"{TAG}{tag}", (f"tagged {tag}", f"not tagged {tag}"), 1 - np.array(has, np.int64))


def write(folder: Path, grouping: Grouping, digest: str) -> None:
    """Keep it for the samples of the table with this digest. Raises StorageFull, and BadInput."""
    about = {DIGEST: digest, _BY: grouping.by, _NAMES: json.dumps(grouping.names)}
    table = pa.table({"code": pa.array(grouping.codes, pa.int64())}, schema=_SCHEMA)
    files.write_table(folder / TABLE, table, about)


def remember(folder: Path, grouping: Grouping | None, digest: str) -> None:
    """`write` it, or `forget` what there was."""
    if grouping is None:
        forget(folder)
    else:
        write(folder, grouping, digest)


def forget(folder: Path) -> None:
    """Samples are grouped by nothing again. Raises BadInput where that cannot be written."""
    path = folder / TABLE
    with storage_errors(path):
        path.unlink(missing_ok=True)


def read(path: Path, digest: str, count: int) -> Grouping:
    """What a file holds. Raises BadInput where it is damaged, or about other samples."""
    table = files.read_table(path, _SCHEMA)
    told = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    codes = table["code"].to_numpy()
    try:
        names = tuple(json.loads(told[_NAMES]))
        if told[DIGEST] != digest or len(codes) != count:
            raise ValueError("it is about other samples")
        if not names or not all(isinstance(name, str) for name in names):
            raise ValueError("it has no names of groups")
        if len(codes) and not UNKNOWN <= codes.min() <= codes.max() < len(names):
            raise ValueError("a code without a name")
        return Grouping(told[_BY], names, codes)
    except (KeyError, ValueError, TypeError) as error:
        raise damaged(path, error, remedy="Say it again: xai groups STUDY --by FACT.") from None
