"""Oxford-IIIT Pet: cats and dogs of 37 breeds, with trimaps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xai_core.datasets.base import dataset
from xai_core.datasets.lists import VALIDATION, Entry, Line, ListedPictures, Listing, plain_path, read_list, stem
from xai_core.datasets.look import file_inside
from xai_core.errors import BadInput
from xai_core.params import param
from xai_core.text import listed, plain_name
from xai_core.types import Card, Progress, Split

_LISTS: dict[Split, str] = {"train": "trainval.txt", "test": "test.txt"}
_IMAGES, _ANNOTATIONS, _TRIMAPS = "images", "annotations", "trimaps"
_PET, _BACKGROUND, _BORDER = 1, 2, 3
_SPECIES = {1: "cat", 2: "dog"}


@dataclass(frozen=True)
class OxfordPetParams:
    """What the lists do not say."""

    validation: float = param(0.15, help=VALIDATION, low=0.01, high=0.8)
    border: bool = param(False, help="whether the border of a trimap, which its authors left open, counts as pet")


@dataset(
    Card(
        key="oxford-pet",
        title="Oxford-IIIT Pet",
        summary="About 7,390 photos of cats and dogs of 37 breeds, with trimaps; a folder of images and annotations.",
        blind_spot="A trimap's border is neither pet nor background: with long fur it is wide.",
        paper="Parkhi, Vedaldi, Zisserman, Jawahar 2012, Cats and Dogs",
    ),
    OxfordPetParams,
)
class OxfordPet(ListedPictures):
    """`images/*.jpg`, and in `annotations/`: `trainval.txt`, `test.txt` and `trimaps/*.png` (1 pet, 2 not, 3 open).

    Names of breeds are those of the pictures; whether it is a cat or a dog is a fact of each sample.
    """

    def __init__(self, root: Path, params: OxfordPetParams) -> None:
        super().__init__(root, params.validation)
        self._border = params.border

    @staticmethod
    def recognises(data: Path) -> bool:
        """Whether there are pictures, and both lists with them."""
        lists = all((data / _ANNOTATIONS / name).is_file() for name in _LISTS.values())
        return lists and (data / _IMAGES).is_dir()

    def mask_file(self, path: str) -> Path:
        """`annotations/trimaps/Abyssinian_1.png` of `images/Abyssinian_1.jpg`."""
        return file_inside(self._root, f"{_ANNOTATIONS}/{_TRIMAPS}/{stem(path.removeprefix(f'{_IMAGES}/'))}.png")

    def belongs(self, numbers: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """The pet, with the border where asked for. Raises BadInput for anything but 1, 2 and 3."""
        others = sorted(set(np.unique(numbers).tolist()) - {_PET, _BACKGROUND, _BORDER})
        if others:
            value, remedy = listed([str(other) for other in others]), "Take the data set's own trimaps: 1, 2 and 3."
            raise BadInput("a number that no trimap holds", value=value, remedy=remedy)
        return (numbers == _PET) | (self._border & (numbers == _BORDER))

    def listing(self, progress: Progress) -> Listing:  # noqa: ARG002
        """All pictures of both lists."""
        found: list[tuple[Line, Split, str, int]] = []
        breeds: dict[int, str] = {}
        for split, name in _LISTS.items():
            for line in read_list(self._root / _ANNOTATIONS / name, 4):
                number, breed = line.number(1), _breed(line)
                if breeds.setdefault(number, breed) != breed:
                    raise line.wrong("a class of two breeds", f"It was {breeds[number]}; take the data set's own file.")
                if line.number(2) not in _SPECIES:
                    raise line.wrong("neither cat (1) nor dog (2)", "Take the data set's own file.")
                found.append((line, split, plain_path(line, 0), number))
        ids = sorted(breeds)
        entries = [
            Entry(line, f"{_IMAGES}/{name}.jpg", split, ids.index(number), _SPECIES[line.number(2)])
            for line, split, name, number in found
        ]
        counts = "counts as pet" if self._border else "does not count as pet"
        notes = [f"The border of a trimap, which its authors left open, {counts} (oxford-pet.border)."]
        return Listing(tuple(breeds[number] for number in ids), entries, notes=notes, fact="species")


def _breed(line: Line) -> str:
    name, _, number = line.cells[0].rpartition("_")
    if not name or not number.isdigit():
        raise line.wrong("no breed in the name", "Names are as in Abyssinian_12; take the data set's own file.")
    return plain_name(name.replace("_", " "))
