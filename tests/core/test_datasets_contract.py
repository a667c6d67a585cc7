"""What every dataset promises, on a small folder of its own kind."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.core.dataset_trees import TREES
from tests.core.segmentation_trees import SEGMENTED
from xai_core.datasets import DATASETS, Dataset, dataset_of
from xai_core.datasets.base import SAMPLE_COLUMNS, HasLabelMaps
from xai_core.errors import BadParameter, NotFound
from xai_core.label_maps import IGNORE, dominant, has_background, objects
from xai_core.params import build, specs
from xai_core.task import CLASSIFICATION, SEGMENTATION
from xai_core.types import SPLITS


def _idx_files(root: Path) -> dict[str, object]:
    rng = np.random.default_rng(0)
    for stem, count in (("train", 100), ("t10k", 20)):
        for kind, array in (("images", rng.integers(0, 256, (count, 28, 28))), ("labels", np.arange(count) % 10)):
            header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            data = gzip.compress(header + array.astype(np.uint8).tobytes())
            (root / f"{stem}-{kind}-idx{array.ndim}-ubyte.gz").write_bytes(data)
    return {"validation": 20}


def _class_folders(root: Path) -> dict[str, object]:
    for number in range(20):
        folder = root / ("skirt" if number % 2 else "dress")
        folder.mkdir(exist_ok=True)
        Image.new("RGB", (9, 7), (number * 10, 0, 0)).save(folder / f"{number}.png")
        if number < 4:
            (root / "masks" / folder.name).mkdir(parents=True, exist_ok=True)
            Image.new("1", (9, 7), 1).save(root / "masks" / folder.name / f"{number}.png")
    return {"masks": "masks"}


def _listed(root: Path) -> dict[str, object]:
    lines = ["file,species,mask,camera"]
    for number in range(20):
        Image.new("RGB", (9, 7), (number * 10, 0, 0)).save(root / f"{number}.png")
        mask = f"m{number}.png" if number < 4 else ""
        if mask:
            Image.new("1", (9, 7), 1).save(root / mask)
        lines.append(f"{number}.png,{'ab'[number % 2]},{mask},{'AB'[number % 3 % 2]}")
    (root / "labels.csv").write_text("\n".join(lines))
    return {}


def _drawn(root: Path) -> dict[str, object]:
    return {f"{split}_per_class": 2 for split in SPLITS}


SMALL: dict[str, Callable[[Path], dict[str, object]]] = {
    "fashion-mnist": _idx_files,
    "garments": _drawn,
    "image-folder": _class_folders,
    "table": _listed,
    **TREES,
    **SEGMENTED,
}
"""By key: fills a folder with a few samples and returns the parameters to read it with. A new dataset adds its own."""

KEYS = DATASETS.keys()


@pytest.fixture(params=KEYS)
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Dataset]:
    member, root = DATASETS[request.param], tmp_path / "data"
    root.mkdir()
    params = build(member.params, SMALL[request.param](root))
    return lambda: member.make(root, params)


@pytest.mark.parametrize("key", KEYS)
def test_cards_are_complete(key: str) -> None:
    card = DATASETS[key].card
    assert card.title
    assert card.summary.endswith(".")
    assert card.blind_spot.endswith(".")
    assert all(spec.help for spec in specs(DATASETS[key].params))


@pytest.mark.parametrize("key", [key for key in KEYS if not key.startswith("garments")])
def test_nobody_has_to_name_the_dataset(key: str, tmp_path: Path) -> None:
    """Its data are recognised as its own, and by no other dataset."""
    SMALL[key](tmp_path)
    assert dataset_of(tmp_path) == key


def test_what_no_dataset_recognises_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nothing is here"):
        dataset_of(tmp_path / "none")
    (tmp_path / "notes.doc").write_bytes(b"")
    with pytest.raises(BadParameter, match="cannot be told which dataset reads this"):
        dataset_of(tmp_path / "notes.doc")
    (tmp_path / "labels.csv").write_bytes(b"")
    assert dataset_of(tmp_path / "labels.csv") == dataset_of(tmp_path) == "table"
    (tmp_path / "pictures" / "cat").mkdir(parents=True)  # class folders with a table beside them
    assert dataset_of(tmp_path) == "image-folder"


def test_the_table_has_its_columns_and_types(small: Callable[[], Dataset]) -> None:
    samples = small().scan(0).samples
    assert tuple(samples.columns) == SAMPLE_COLUMNS
    for column in ("label", "index", "width", "height"):
        assert samples[column].dtype == np.int64
    assert samples["has_mask"].dtype == bool
    for column in ("id", "split", "path", "sha256"):
        assert pd.api.types.is_string_dtype(samples[column])
    assert samples["sha256"].str.fullmatch("[0-9a-f]{64}").all()
    assert samples.index.tolist() == list(range(len(samples)))


def test_ids_splits_and_labels_make_sense(small: Callable[[], Dataset]) -> None:
    made = small()
    found = made.scan(0)
    assert found.samples["id"].is_unique
    assert set(found.samples["split"]) == set(SPLITS)
    assert found.samples["label"].isin(range(len(found.class_names))).all()
    if not isinstance(made, HasLabelMaps):  # there a picture of many classes has the label of the largest object
        assert set(found.samples["label"]) == set(range(len(found.class_names)))
    assert not found.samples["path"].str.startswith("/").any()


def test_scans_are_deterministic(small: Callable[[], Dataset]) -> None:
    one, again = small().scan(0), small().scan(0)
    pd.testing.assert_frame_equal(one.samples, again.samples)
    assert (one.class_names, one.notes, one.unreadable) == (again.class_names, again.notes, again.unreadable)


def test_pictures_and_masks_are_as_the_table_says(small: Callable[[], Dataset]) -> None:
    """Read by a new object, as a worker does."""
    samples, data = small().scan(0).samples, small()
    for row in samples.to_dict("records"):
        picture, mask = data.picture(row), data.mask(row)
        assert picture.mode in ("L", "RGB")
        assert picture.size == (row["width"], row["height"])
        assert (mask is not None) == row["has_mask"]
        if mask is not None:
            assert mask.dtype == bool
            assert mask.shape == (row["height"], row["width"])


def test_label_maps_are_as_the_table_says(small: Callable[[], Dataset]) -> None:
    """Read by a new object, too."""
    made, data = small(), small()
    found = made.scan(0)
    assert isinstance(data, HasLabelMaps) == isinstance(made, HasLabelMaps)
    if not isinstance(data, HasLabelMaps):
        return
    background = has_background(found.class_names)
    for row in found.samples.to_dict("records"):
        label_map, mask = data.label_map(row), data.mask(row)
        assert label_map.dtype == np.uint8
        assert label_map.shape == (row["height"], row["width"])
        assert set(np.unique(label_map)) <= {*range(len(found.class_names)), IGNORE}
        assert row["label"] == dominant(label_map, background)
        seen = objects(label_map, background)
        assert (mask is None) == (not seen.any())
        assert mask is None or (mask == seen).all()


@pytest.mark.parametrize("key", KEYS)
def test_a_dataset_of_segmentation_has_label_maps(key: str) -> None:
    assert DATASETS[key].task == (SEGMENTATION if hasattr(DATASETS[key].make, "label_map") else CLASSIFICATION)


def test_the_table_survives_parquet(small: Callable[[], Dataset], tmp_path: Path) -> None:
    samples = small().scan(0).samples
    samples.to_parquet(tmp_path / "samples.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "samples.parquet"), samples)


def test_listing_loads_nothing_heavy() -> None:
    code = "import sys; from xai_core.datasets import DATASETS; DATASETS.keys(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "torchvision", "sklearn", "pandas", "captum", "shap"} & set(loaded)
