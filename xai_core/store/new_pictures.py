"""Pictures from outside the study while somebody looks at them: in a folder of their own, never in the study.

<number>.json              what the model says of a picture, or why it says nothing
<number>.png               the picture as the study reads its own
maps/<method>-<hash>/      heatmaps, kept as a run's are; a picture's number stands in place of a row
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from xai_core.files import write_atomic
from xai_core.params import digest
from xai_core.store.files import read_json, write_json
from xai_core.store.maps import MapStore
from xai_core.store.run import Run
from xai_core.types import Array


@dataclass(frozen=True, eq=False)
class Said:
    """What came of one picture.

    Attributes:
        probabilities: `(K,)` float32; empty where nothing could be said.
        size: width and height of the picture as it is read.
        left_out: why nothing could be said, in a line; else "".
    """

    probabilities: Array
    size: tuple[int, int]
    left_out: str = ""


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
        return Said(np.array(found["probabilities"], np.float32), (found["width"], found["height"]), found["left_out"])

    def put(self, number: int, picture: Image.Image, probabilities: Array) -> None:
        """Keep a picture, and what the model says of it."""
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", compress_level=1)
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomic(self.picture(number), buffer.getvalue())
        self._note(number, probabilities.tolist(), picture.size)

    def leave_out(self, number: int, reason: str) -> None:
        """Keep why nothing can be said of a picture."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._note(number, [], (1, 1), reason)

    def maps(self, method: str, params: Any, *, create: bool = False) -> MapStore | None:
        """The heatmaps by one method with these parameters; None where there are none yet. Raises as `Run.maps`."""
        about = {**self.run.maps_identity(method, params), "pictures": "new"}
        return MapStore.at(self.path / "maps" / f"{method}-{digest(about)[:8]}", about, create=create)

    def _note(self, number: int, probabilities: list[float], size: tuple[int, int], reason: str = "") -> None:
        width, height = size
        said = {"probabilities": probabilities, "width": width, "height": height, "left_out": reason}
        write_json(self.path / f"{number}.json", said)
