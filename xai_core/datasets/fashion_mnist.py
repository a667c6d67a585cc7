"""Fashion-MNIST from its four original files, read as they are: no download, no pickle."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xai_core.datasets.base import Scan, contradiction_notes, dataset, sample_table, take_split
from xai_core.datasets.decoy import Decoy, decoy_of, garment, with_decoy
from xai_core.datasets.look import near_twins
from xai_core.errors import BadInput
from xai_core.lookalikes import BITS, perceptual_hashes
from xai_core.params import param
from xai_core.types import Card, Progress, silent

if TYPE_CHECKING:
    import pandas as pd

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SIDE = 28
_PARTS = {"train": "train", "test": "t10k"}
_UNSIGNED_BYTES = 0x08
_MOST_BYTES = 2**30
_AT_ONCE = 4096


@dataclass(frozen=True)
class FashionMnistParams:
    """How the training file is split, and whether a shortcut is planted."""

    validation: int = param(5000, help="training pictures kept for validation", low=10, high=50000)
    decoy: float = param(
        0.0,
        help="a shortcut, planted: every picture gets a patch in a corner, whose grey says its class in this share of "
        "training and validation pictures, and any class in the test; 0 for none",
        low=0.0,
        high=1.0,
        later=True,
    )
    decoy_seed: int = param(0, help="of the patches; the study's seed", low=0, high=2**63 - 1, later=True)


@dataset(
    Card(
        key="fashion-mnist",
        title="Fashion-MNIST",
        summary="60,000 training and 10,000 test pictures of clothes, 28×28 grey, ten classes; the original files.",
        blind_spot="Tiny grey pictures on black: nothing here tells how a method does on photographs. No masks, "
        "but with a planted shortcut.",
        paper="Xiao, Rasul, Vollgraf 2017, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning "
        "Algorithms",
    ),
    FashionMnistParams,
)
class FashionMnist:
    """A folder with `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and both `t10k-…`, each `.gz` or not."""

    def __init__(self, root: Path, params: FashionMnistParams) -> None:
        self._root = root
        self._params = params
        self._pictures: dict[str, NDArray[np.uint8]] = {}

    @staticmethod
    def recognises(data: Path) -> bool:
        """Whether both training files lie in the folder."""
        names = [path.name.removesuffix(".gz") for path in data.glob("train-*")] if data.is_dir() else []
        return {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"} <= set(names)

    def scan(self, seed: int, progress: Progress = silent) -> Scan:
        """All samples. Ids are `train-00012` and `test-00012`: the number in the original file, also after the move
        to validation. Raises BadInput for a file that is missing, cut short or not what its name says.
        """
        import pandas as pd

        self._params = replace(self._params, decoy_seed=seed if self._params.decoy else 0)
        tables = []
        for done, part in enumerate(_PARTS, 1):
            tables.append(self._part(part))
            progress(done, len(_PARTS), "files")
        samples = pd.concat(tables, ignore_index=True)
        samples = take_split(samples, "validation", self._params.validation, seed, CLASS_NAMES)
        note = f"{self._params.validation} training pictures are for validation, equally of each class (seed {seed})."
        notes = (note, *contradiction_notes(samples))
        if not self._params.decoy:
            near = near_twins(samples, self._hashes(samples), progress)
            return Scan(samples, CLASS_NAMES, notes=notes, near=near)
        notes = (
            *notes,
            f"A patch in a corner says the class of {self._params.decoy:.0%} of pictures, but in the test.",
        )
        return self._with_decoys(samples, notes)

    def _with_decoys(self, samples: pd.DataFrame, notes: tuple[str, ...]) -> Scan:
        """The scan of pictures with patches; what each says is a fact of its sample."""
        import pyarrow as pa

        rows = _records(samples)
        shown = [hashlib.sha256(np.asarray(self.picture(row)).tobytes()).hexdigest() for row in rows]
        says = [self._decoy(row).says for row in rows]
        agrees = [said == row["label"] for said, row in zip(says, rows, strict=True)]
        facts = pa.table({"patch": [CLASS_NAMES[said] for said in says], "patch agrees": agrees})
        samples = samples.assign(sha256=shown, has_mask=True)
        return Scan(samples, CLASS_NAMES, notes=notes, params={"decoy_seed": self._params.decoy_seed}, facts=facts)

    def picture(self, row: Mapping[str, Any]) -> Image.Image:
        """28×28, mode L; with its patch where a shortcut is planted."""
        pixels = self._pixels(row)
        return Image.fromarray(with_decoy(pixels, self._decoy(row)) if self._params.decoy else pixels)

    def _decoy(self, row: Mapping[str, Any]) -> Decoy:
        params = self._params
        return decoy_of(params.decoy_seed, str(row["id"]), int(row["label"]), str(row["split"]), params.decoy)

    def _pixels(self, row: Mapping[str, Any]) -> NDArray[np.uint8]:
        name, index = str(row["path"]), int(row["index"])
        pictures = self._read(name)
        if not 0 <= index < len(pictures):
            raise BadInput("no picture with this number", value=index, remedy=f"{name} holds {len(pictures)}.")
        return pictures[index]

    def mask(self, row: Mapping[str, Any]) -> NDArray[np.bool_] | None:
        """Where the garment is, without the patch; None where there is no patch to tell it from."""
        return garment(self._pixels(row), self._decoy(row)) if self._params.decoy else None

    def mask_files(self, row: Mapping[str, Any]) -> Sequence[Path]:
        """The file of the pictures, from which masks are made."""
        return [self._root / str(row["path"])]

    def _part(self, part: str) -> pd.DataFrame:
        name = self._file_name(f"{_PARTS[part]}-images", "idx3-ubyte")
        pictures = self._read(name)
        labels = read_idx(self._root / self._file_name(f"{_PARTS[part]}-labels", "idx1-ubyte"), (None,))
        if len(labels) != len(pictures):
            found = f"{len(pictures)} pictures, {len(labels)} labels"
            raise BadInput(f"the {part} files do not belong together", value=found, remedy="Copy all four files anew.")
        if labels.size and labels.max() >= len(CLASS_NAMES):
            raise BadInput("a label outside 0 to 9", value=labels.max(), remedy="Use Fashion-MNIST's own label files.")
        return sample_table(
            {
                "id": [f"{part}-{i:05d}" for i in range(len(pictures))],
                "split": part,
                "label": labels,
                "path": name,
                "index": np.arange(len(pictures)),
                "width": SIDE,
                "height": SIDE,
                "has_mask": False,
                "sha256": [hashlib.sha256(picture.tobytes()).hexdigest() for picture in pictures],
            }
        )

    def _hashes(self, samples: pd.DataFrame) -> NDArray[np.uint8]:
        """Perceptual hashes in the table's order, a few thousand pictures at once."""
        found = np.empty((len(samples), BITS // 8), np.uint8)
        for start in range(0, len(samples), _AT_ONCE):
            part = samples.iloc[start : start + _AT_ONCE]
            found[start : start + _AT_ONCE] = perceptual_hashes(
                Image.fromarray(self._pixels(row)) for row in _records(part[["path", "index"]])
            )
        return found

    def _file_name(self, stem: str, kind: str) -> str:
        names = [f"{stem}{dot}{kind}{end}" for end in (".gz", "") for dot in "-."]
        for name in names:
            if (self._root / name).is_file():
                return name
        raise BadInput(
            "a Fashion-MNIST file is missing",
            value=names[0],
            remedy="Point the data folder at the four original files.",
        )

    def _read(self, name: str) -> NDArray[np.uint8]:
        if name not in self._pictures:
            if Path(name).name != name:  # a sample table from elsewhere must not lead out of the folder
                raise BadInput("not a file of this data folder", value=name, remedy="Make the study anew.")
            self._pictures[name] = read_idx(self._root / name, (None, SIDE, SIDE))
        return self._pictures[name]


def _records(samples: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in samples.to_dict("records")]


def read_idx(path: Path, shape: tuple[int | None, ...]) -> NDArray[np.uint8]:
    """The array of unsigned bytes in an IDX file, gzipped or not.

    IDX: two zero bytes, the type, the number of dimensions, each dimension as a big-endian 32-bit number, the data.

    Args:
        path: the file.
        shape: what it must hold; None for any length.

    Raises:
        BadInput: missing, cut short, not IDX, of another shape, or with bytes left over.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            magic = stream.read(4)
            if magic != bytes([0, 0, _UNSIGNED_BYTES, len(shape)]):
                raise _bad_idx(path, f"it starts with {magic.hex() or 'nothing'}")
            found = [int.from_bytes(stream.read(4), "big") for _ in shape]
            if any(want not in (None, size) for want, size in zip(shape, found, strict=True)):
                raise _bad_idx(path, f"its shape is {'×'.join(map(str, found))}")
            # sizes are not believed; one byte more than announced shows whether the file ends where it should
            data = stream.read(min(prod(found), _MOST_BYTES) + 1)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise _bad_idx(path, str(error)) from None
    if len(data) != prod(found):
        raise _bad_idx(path, f"{prod(found)} bytes were announced, {len(data)} found")
    return np.frombuffer(data, dtype=np.uint8).reshape(found)


def _bad_idx(path: Path, reason: str) -> BadInput:
    return BadInput("not a whole IDX file", value=path.name, remedy=f"Copy it anew: {reason}.")
