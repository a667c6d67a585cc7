"""What a change paints into a label map: the pixels that it is about and the class that each becomes."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xai_core.label_maps import LabelMap

_BOX = struct.Struct("<4I")
_LEVEL = 6


@dataclass(frozen=True)
class Patch:
    """Of a picture.

    Attributes:
        top, left: where it begins.
        where: `(h, w)` bool: the pixels that it is about.
        labels: `(h, w)` uint8: the class that each of them becomes, 255 to ignore; 0 elsewhere.
    """

    top: int
    left: int
    where: NDArray[np.bool_]
    labels: LabelMap

    @classmethod
    def painting(cls, where: NDArray[np.bool_], label: int) -> Patch:
        """One class over a region `(H, W)` of the picture; an empty one changes nothing."""
        return cls.of(where, np.full(where.shape, label, np.uint8))

    @classmethod
    def between(cls, before: LabelMap, after: LabelMap) -> Patch:
        """What turns one label map into the other, of one size."""
        return cls.of(before != after, after)

    @classmethod
    def of(cls, where: NDArray[np.bool_], label_map: LabelMap) -> Patch:
        """What a label map says of a region, both `(H, W)`."""
        rows, columns = np.flatnonzero(where.any(1)), np.flatnonzero(where.any(0))
        if not len(rows):
            return cls(0, 0, np.zeros((0, 0), bool), np.zeros((0, 0), np.uint8))
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        inside = where[box].copy()
        return cls(int(rows[0]), int(columns[0]), inside, np.where(inside, label_map[box], 0).astype(np.uint8))

    @property
    def pixels(self) -> int:
        """How many it is about."""
        return int(self.where.sum())

    def region(self, height: int, width: int) -> NDArray[np.bool_]:
        """`(height, width)` bool: where it is, in the picture."""
        found = np.zeros((height, width), bool)
        found[self._box] = self.where
        return found

    def onto(self, label_map: LabelMap) -> LabelMap:
        """The map with the patch in it; what was given stays. Raises ValueError where it reaches beyond the map."""
        found = label_map.copy()
        if found[self._box].shape != self.where.shape:
            raise ValueError("a patch beyond its picture")
        found[self._box][self.where] = self.labels[self.where]
        return found

    @property
    def _box(self) -> tuple[slice, slice]:
        high, wide = self.where.shape
        return slice(self.top, self.top + high), slice(self.left, self.left + wide)

    def packed(self) -> bytes:
        """As it is stored."""
        planes = self.where.astype(np.uint8).tobytes() + self.labels.tobytes()
        return _BOX.pack(self.top, self.left, *self.where.shape) + zlib.compress(planes, _LEVEL)

    @classmethod
    def unpacked(cls, data: bytes, largest: int) -> Patch:
        """The inverse of `packed`, of a picture of so many pixels. Raises ValueError for what is none."""
        try:
            top, left, high, wide = _BOX.unpack_from(data)
            if high * wide > largest:  # a few bytes may claim any size
                raise ValueError("a patch larger than its picture")
            planes = zlib.decompressobj().decompress(data[_BOX.size :], 2 * high * wide + 1)
        except (struct.error, zlib.error) as error:
            raise ValueError(str(error)) from None
        both = np.frombuffer(planes, np.uint8)
        if len(both) != 2 * high * wide:
            raise ValueError("a patch of another size than it says")
        where, labels = both.reshape(2, high, wide)
        return cls(top, left, where > 0, labels)
