"""Label maps of the drawn people: the parts of their drawing, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.core.segmentation_trees import drawn, read
from xai_core.datasets.drawn_garments import DrawnGarments
from xai_core.datasets.garments_parts import PARTS, GarmentsParts
from xai_core.demo.drawing import drawing, named
from xai_core.errors import BadInput

KEY = "garments-parts"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[GarmentsParts, list[dict[str, object]]]:
    root = tmp_path_factory.mktemp("garments")
    found, scan = read(KEY, root, **drawn(root))
    assert scan.class_names == PARTS
    return found, scan.samples.to_dict("records")


def test_the_classes_are_the_parts(made: tuple[GarmentsParts, list[dict[str, object]]]) -> None:
    """A part's pixels with those of what goes with it are its mask; together they cover the picture."""
    found, rows = made
    seen = set[int]()
    for row in rows:
        label_map = found.label_map(row)
        seen |= set(np.unique(label_map).tolist())
        parts = drawing(0, *named(str(row["path"])), found._params).parts
        for name, more in (("top", ("sleeves", "print")), ("legs", ("shoes",)), ("belt", ()), ("background", ())):
            own = np.isin(label_map, [PARTS.index(each) for each in (name, *more)])
            assert (own == parts.get(name, np.zeros_like(own))).all()
    assert len(seen) >= len(PARTS) - 1


def test_the_garment_is_covered_by_clothes(made: tuple[GarmentsParts, list[dict[str, object]]]) -> None:
    found, rows = made
    for row in rows[::6]:
        garment = drawing(0, *named(str(row["path"])), found._params).mask
        worn = np.isin(
            found.label_map(row), [PARTS.index(name) for name in ("top", "sleeves", "print", "bottom", "belt")]
        )
        assert (garment & worn).sum() >= 0.95 * garment.sum()


def test_an_edited_picture_has_no_parts(tmp_path: Path) -> None:
    found, scan = read(KEY, tmp_path / "data", **drawn(tmp_path))
    row = scan.samples.iloc[0].to_dict()
    Image.new("RGB", (96, 96), "red").save(tmp_path / "data" / row["path"])
    with pytest.raises(BadInput, match="not the picture that is drawn for its name"):
        found.label_map(row)
    assert found.mask_files(row) == [tmp_path / "data" / row["path"]]


def test_what_a_scan_draws_is_not_drawn_again_for_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And whoever asks once more gets the same, drawn again."""
    found, scan = read(KEY, tmp_path, **drawn(tmp_path))
    rows, drawings = scan.samples.to_dict("records"), list[str]()
    again = DrawnGarments.as_drawn
    monkeypatch.setattr(
        DrawnGarments, "as_drawn", lambda self, row: (drawings.append(row["path"]), again(self, row))[1]
    )
    first = [found.label_map(row) for row in rows]
    assert not drawings
    np.testing.assert_array_equal(found.label_map(rows[0]), first[0])
    assert drawings == [rows[0]["path"]]
