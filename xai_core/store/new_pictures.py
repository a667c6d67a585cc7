"""Pictures from outside the study while somebody looks at them: in a folder of their own, never in the study.

<number>.json              what the model says of a picture, or why it says nothing
<number>.png               the picture as the study reads its own
<number>.labels.png        of a segmenter, the class of each of its pixels
maps/<method>-<hash>/      heatmaps, kept as a run's are; a picture's number stands in place of a row
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xai_core.files import write_atomic
from xai_core.label_maps import LabelMap
from xai_core.params import digest
from xai_core.store.files import read_json, write_json
from xai_core.store.maps import MapStore
from xai_core.store.run import Run
from xai_core.types import Array, Target


@dataclass(frozen=True, eq=False)
class Said:
    """What came of one picture.

    Attributes:
        probabilities: `(K,)` float32 of a classifier; empty where nothing could be said.
        size: width and height of the picture as it is read.
        left_out: why nothing could be said, in a line; else "".
        regions: of a segmenter, how large each class is, and how sure it is there.
    """

    probabilities: Array
    size: tuple[int, int]
    left_out: str = ""
    regions: SaidRegions | None = None


@dataclass(frozen=True, eq=False)
class SaidRegions:
    """How much of a picture a segmenter says to be each class.

    Attributes:
        shares: `(K,)` of the pixels that it saw, 0…1.
        confidences: `(K,)` the mean probability of a class where it is said, 0…1; NaN where it is said nowhere.
        background: whether class 0 is what is no object.
    """

    shares: NDArray[np.float64]
    confidences: NDArray[np.float64]
    background: bool

    @property
    def main(self) -> int:
        """The object with most pixels, the first of several; the first one where there is none."""
        first = 1 if self.background and len(self.shares) > 1 else 0
        return first + int(self.shares[first:].argmax())

    def target(self, spec: str) -> Target:
        """What maps explain: a class, or of `predicted` the main object, where it is said."""
        return Target(self.main if spec == "predicted" else int(spec), region="predicted")


class NewPictures:
    """What one run's model makes of new pictures. Any process may write: a file is there as a whole or not at all."""

    def __init__(self, folder: Path, run: Run) -> None:
        """`folder` is the session's; what other runs say lies beside it."""
        self.run = run
        about = [str(run.study.path), run.name, run.info.fingerprint]
        self.path = folder / digest(about)[:16]

    def picture(self, number: int) -> Path:
        """Where a picture lies once it was read."""
        return self.path / f"{number}.png"

    def said(self, number: int) -> Said | None:
        """What is known of a picture by now."""
        file = self.path / f"{number}.json"
        if not file.is_file():
            return None
        found = read_json(file)
        size, probabilities = (found["width"], found["height"]), np.array(found["probabilities"], np.float32)
        shares, confidences = (np.array(found[name], float) for name in ("shares", "confidences"))
        regions = SaidRegions(shares, confidences, self.run.study.has_background) if len(shares) else None
        return Said(probabilities, size, found["left_out"], regions)

    def put(
        self,
        number: int,
        picture: Image.Image,
        probabilities: Array,
        regions: SaidRegions | None = None,
        label_map: LabelMap | None = None,
    ) -> None:
        """Keep a picture, and what the model says of it; of a segmenter with the class of each pixel."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomic(self.picture(number), _png(picture))
        if label_map is not None:
            write_atomic(self._labels(number), _png(Image.fromarray(label_map)))
        self._note(number, probabilities.tolist(), picture.size, regions=regions)

    def label_map(self, number: int) -> LabelMap | None:
        """`(height, width)`: the class of each pixel as a segmenter says it; None where nothing is said."""
        file = self._labels(number)
        if not file.is_file():
            return None
        with Image.open(file) as kept:
            return np.asarray(kept, np.uint8)

    def _labels(self, number: int) -> Path:
        return self.path / f"{number}.labels.png"

    def leave_out(self, number: int, reason: str) -> None:
        """Keep why nothing can be said of a picture."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._note(number, [], (1, 1), reason)

    def maps(self, method: str, params: Any, *, create: bool = False) -> MapStore | None:
        """The heatmaps by one method with these parameters; None where there are none yet. Raises as `Run.maps`."""
        about = {**self.run.maps_identity(method, params), "pictures": "new"}
        return MapStore.at(self.path / "maps" / f"{method}-{digest(about)[:8]}", about, create=create)

    def _note(
        self,
        number: int,
        probabilities: list[float],
        size: tuple[int, int],
        reason: str = "",
        regions: SaidRegions | None = None,
    ) -> None:
        width, height = size
        said = {"probabilities": probabilities, "width": width, "height": height, "left_out": reason}
        shares, confidences = (regions.shares, regions.confidences) if regions else (np.empty(0), np.empty(0))
        known = [float(each) if np.isfinite(each) else None for each in confidences]
        write_json(self.path / f"{number}.json", said | {"shares": shares.tolist(), "confidences": known})


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
