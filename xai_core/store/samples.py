"""The sample table: its types on disk, its contract, and the digest of its content."""

from __future__ import annotations

import hashlib
import json

import pyarrow as pa
import pyarrow.compute as pc

from xai_core.datasets.base import SAMPLE_COLUMNS, Scan
from xai_core.errors import BadInput
from xai_core.store import files
from xai_core.types import SPLITS

_TEXT, _NUMBER = pa.string(), pa.int64()
_TYPES = (_TEXT, _TEXT, _NUMBER, _TEXT, _NUMBER, _NUMBER, _NUMBER, pa.bool_(), _TEXT)
SAMPLE_SCHEMA = pa.schema([pa.field(*pair, nullable=False) for pair in zip(SAMPLE_COLUMNS, _TYPES, strict=True)])
DIGEST = "samples_digest"
"""Where the table's file keeps the digest of its content."""
_LONGEST_SIDE = 10**6
_ESCAPES = r"^/|(^|/)\.\.(/|$)|\x00"


def from_scan(scan: Scan) -> pa.Table:
    """The table of a scan, checked.

    Raises:
        BadInput: it breaks its contract.
    """
    table = files.to_table(scan.samples, SAMPLE_SCHEMA, "the sample table")
    problem = broken(table, len(scan.class_names))
    if problem:
        raise BadInput("the sample table cannot be stored", value=problem, remedy="Correct the data or its dataset.")
    return table


def broken(table: pa.Table, classes: int) -> str:
    """What breaks the contract of SAMPLE_COLUMNS, or ""."""
    labels = table["label"].to_numpy()
    if len(labels) and (labels.min() < 0 or labels.max() >= classes):
        return "a label without a class name"
    if not set(pc.unique(table["split"]).to_pylist()) <= set(SPLITS):
        return f"a split other than {', '.join(SPLITS)}"
    for side in ("width", "height"):
        sizes = table[side].to_numpy()
        if len(sizes) and not 1 <= sizes.min() <= sizes.max() <= _LONGEST_SIDE:
            return f"a {side} that no picture has"
    if pc.count_distinct(table["id"]).as_py() != len(table):
        return "two samples with one id"
    if pc.any(pc.match_substring_regex(table["path"], _ESCAPES)).as_py():
        return "a path that leaves the data folder"
    return ""


def content_digest(table: pa.Table) -> str:
    """sha256 of the table's content: the same whatever wrote the file."""
    total = hashlib.sha256()
    for name in SAMPLE_COLUMNS:
        total.update(json.dumps([name, table[name].to_pylist()]).encode())
    return total.hexdigest()


def is_of(table: pa.Table, digest: str) -> bool:
    """Whether a table that was read has the content with this digest.

    A file that is as it was written is believed when it says so itself: a million samples take three seconds to digest.
    """
    told = (table.schema.metadata or {}).get(DIGEST.encode())
    return told == digest.encode() or content_digest(table) == digest
