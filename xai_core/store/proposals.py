"""Stored proposals: of each training picture what its prediction and evidence speak against in its annotation.

One line of an index for each picture (see `index`), so that the work is kept picture by picture and goes on where it
was stopped. What people decided about them is in a version's journal, not here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xai_core.params import digest
from xai_core.store.index import IndexedStore, Pair
from xai_core.store.label_maps import WHOLE
from xai_core.store.patches import Patch
from xai_core.triage.proposals import KINDS, RULES, Kind, Proposal

if TYPE_CHECKING:
    from xai_core.store.run import Run

FOLDER = "proposals"
_ID = 9


@dataclass(frozen=True)
class StoredProposal:
    """One proposal.

    Attributes:
        id: by which people and journals name it; the same whenever the same is proposed.
        row: of the picture.
        kind, label, pixels, probability, evidence, score: as of `triage.proposals.Proposal`.
        area: pixels of its region; `box`: left, top, right, bottom of it.
        packed: the region, as a patch is stored.
    """

    id: str
    row: int
    kind: Kind
    label: int
    pixels: int
    probability: float
    evidence: float
    score: float
    area: int
    box: tuple[int, ...]
    packed: str

    @classmethod
    def of(cls, row: int, one: Proposal) -> StoredProposal:
        """Of a picture."""
        patch = Patch.painting(one.region, one.label)
        data = patch.packed()
        name = hashlib.sha256(repr((row, one.kind, one.label)).encode() + data).hexdigest()[:_ID]
        high, wide = patch.where.shape
        probability, evidence, score = (float(f"{each:.4g}") for each in (one.probability, one.evidence, one.score))
        box = (patch.left, patch.top, patch.left + wide, patch.top + high)
        text = base64.b64encode(data).decode()
        about = (one.kind[0] + name, row, one.kind, one.label, one.pixels, probability, evidence, score)
        return cls(*about, patch.pixels, box, text)

    def region(self, height: int, width: int) -> NDArray[np.bool_]:
        """`(height, width)`: where it is. Raises ValueError where it does not fit its picture."""
        patch = Patch.unpacked(base64.b64decode(self.packed), height * width)
        found = patch.region(height, width)
        if found.sum() != self.area:
            raise ValueError("it reaches beyond its picture")
        return found


class _Found(NamedTuple):
    position: int
    content: bytes
    refusal: None = None


class ProposalStore(IndexedStore):
    """A folder of proposals. Safe to share between threads: every call opens the index for itself."""

    holds = "proposals"
    tables = """
    CREATE TABLE IF NOT EXISTS rows (
        row INTEGER, target TEXT, content BLOB, checksum INTEGER, PRIMARY KEY (row, target)
    ) WITHOUT ROWID;
    """
    columns = ("content",)

    def put(self, rows: Sequence[int], found: Sequence[Sequence[StoredProposal]]) -> None:
        """Store those of N pictures, all or none. A picture that is stored already stays as it is.

        Raises:
            StorageFull: no room; earlier ones are kept.
        """
        pairs = self._pairs(rows, [WHOLE] * len(rows))
        contents = [zlib.compress(json.dumps([asdict(one) for one in each]).encode()) for each in found]
        with self._index() as index:
            index.execute("BEGIN IMMEDIATE")
            fresh = self._fresh(index, pairs)
            self._name(index, [(*pairs[at], contents[at], _checksum(pairs[at], contents[at])) for at in fresh])
            index.execute("COMMIT")

    def all(self) -> dict[int, list[StoredProposal]]:
        """By row, of every picture that was looked at. What is damaged counts as not looked at."""
        pairs = sorted(self.named())
        with self._index() as index:
            index.execute("BEGIN")
            found = self._sound(index, pairs)
        return {pairs[one.position][0]: _read(one.content) for one in found}

    def _sound(self, index: Any, pairs: Sequence[Pair]) -> list[_Found]:
        return self._given_out(_sound(pairs[line[0]], line) for line in self._lines(index, pairs))


def place_of(run: Run, method: str, params: Any, *, create: bool) -> ProposalStore | None:
    """Where a run's proposals by a method's evidence are; None where there are none. Raises as `Run.maps`."""
    maps = run.maps_identity(method, params)
    about = {"maps": maps, "annotation": run.study.masks_digest, "rules": RULES}
    return ProposalStore.at(run.path / FOLDER / f"{method}-{digest(about)[:8]}", about, create=create)


def _sound(pair: Pair, line: tuple[Any, ...]) -> _Found | None:
    position, content, checksum = line
    if not isinstance(content, bytes) or checksum != _checksum(pair, content):
        return None
    return _Found(position, content)


def _checksum(pair: Pair, content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(repr(pair).encode()))


def _read(content: bytes) -> list[StoredProposal]:
    names = {field.name for field in fields(StoredProposal)}
    entries: list[Mapping[str, Any]] = json.loads(zlib.decompress(content))
    found = [StoredProposal(**{name: value for name, value in each.items() if name in names}) for each in entries]
    return [one for one in found if one.kind in KINDS]
