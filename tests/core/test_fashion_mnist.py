"""Fashion-MNIST: IDX files written here byte by byte, and the real ones where they are at hand."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xai_core.datasets.base import Scan
from xai_core.datasets.fashion_mnist import CLASS_NAMES, FashionMnist, FashionMnistParams, read_idx
from xai_core.errors import BadInput, BadParameter


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def pixels(part: str, count: int) -> np.ndarray:
    return np.random.default_rng(len(part)).integers(0, 256, (count, 28, 28), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for stem, part, count in (("train", "train", 200), ("t10k", "test", 30)):
        (tmp_path / f"{stem}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pixels(part, count))))
        (tmp_path / f"{stem}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.arange(count) % 10)))
    return tmp_path


def scan(folder: Path, seed: int = 0, validation: int = 50) -> Scan:
    return FashionMnist(folder, FashionMnistParams(validation)).scan(seed)


def test_every_class_gives_equally_to_validation(folder: Path) -> None:
    found = scan(folder)
    counts = found.samples.groupby(["split", "label"]).size()
    assert found.class_names == CLASS_NAMES
    assert counts["train"].tolist() == [15] * 10
    assert counts["validation"].tolist() == [5] * 10
    assert counts["test"].tolist() == [3] * 10


def test_ids_keep_the_number_in_the_original_file(folder: Path) -> None:
    samples = scan(folder).samples
    assert samples["id"].tolist() == [f"train-{i:05d}" for i in range(200)] + [f"test-{i:05d}" for i in range(30)]
    assert samples["index"].tolist() == [*range(200), *range(30)]
    assert set(samples.loc[samples["split"] == "validation", "path"]) == {"train-images-idx3-ubyte.gz"}


def test_pictures_are_the_pixels_that_were_hashed(folder: Path) -> None:
    data = FashionMnist(folder, FashionMnistParams(50))
    samples = data.scan(0).samples
    for part, row in (("train", samples.iloc[17]), ("test", samples.iloc[-1])):
        picture = data.picture(row.to_dict())
        assert picture.mode == "L"
        np.testing.assert_array_equal(np.asarray(picture), pixels(part, 200 if part == "train" else 30)[row["index"]])
        assert hashlib.sha256(np.asarray(picture).tobytes()).hexdigest() == row["sha256"]
        assert data.mask(row.to_dict()) is None


def test_a_file_is_decoded_once(folder: Path) -> None:
    data = FashionMnist(folder, FashionMnistParams(50))
    row = {"path": "train-images-idx3-ubyte.gz", "index": 3}
    first = data.picture(row)
    (folder / row["path"]).unlink()
    assert data.picture(row).tobytes() == first.tobytes()


@pytest.mark.parametrize("name", ["{}-{}-idx{}-ubyte", "{}-{}.idx{}-ubyte"])
def test_unpacked_files_do_as_well(folder: Path, name: str) -> None:
    packed = scan(folder).samples
    for stem in ("train", "t10k"):
        for kind, dimensions in (("images", 3), ("labels", 1)):
            path = folder / f"{stem}-{kind}-idx{dimensions}-ubyte.gz"
            (folder / name.format(stem, kind, dimensions)).write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
    pd.testing.assert_frame_equal(scan(folder).samples.drop(columns="path"), packed.drop(columns="path"))


def test_the_seed_decides_the_split_alone(folder: Path) -> None:
    one, again, other = (scan(folder, seed).samples for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, again)
    pd.testing.assert_frame_equal(one.drop(columns="split"), other.drop(columns="split"))
    assert (one["split"] != other["split"]).any()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it starts with nothing"),
        (b"PK\x03\x04 and more", "504b0304"),
        (idx(np.zeros((4, 28, 28)))[:100], "bytes were announced, 84 found"),
        (idx(np.zeros((4, 28, 28))) + b"x", "3136 bytes were announced, 3137 found"),
        (idx(np.zeros((4, 28, 27))), "4×28×27"),
        (idx(np.zeros((4, 784))), "00000802"),
        (b"\0\0\x0d\3" + bytes(12), "00000d03"),
        (b"\0\0\x08\3\0\0", "its shape is"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 2**32 - 1, 28, 28), "bytes were announced"),
    ],
)
@pytest.mark.parametrize("packed", [True, False])
def test_a_file_that_is_not_whole_is_named(tmp_path: Path, content: bytes, reason: str, packed: bool) -> None:
    path = tmp_path / ("images.gz" if packed else "images")
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(BadInput, match=reason) as caught:
        read_idx(path, (None, 28, 28))
    assert caught.value.value == path.name


@pytest.mark.parametrize("keep", [0, 5, 30, 500, -4])
def test_a_gzip_cut_short_is_one_line(folder: Path, keep: int) -> None:
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadInput, match="not a whole IDX file: train-images") as caught:
        scan(folder)
    assert "\n" not in str(caught.value)


def test_a_gzip_that_is_none(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(b"<html>not found</html>")
    with pytest.raises(BadInput, match="t10k-labels"):
        scan(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(BadInput, match="missing: t10k-images"):
        scan(folder)


def test_labels_must_belong_to_the_pictures(folder: Path) -> None:
    path = folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(idx(np.zeros(199))))
    with pytest.raises(BadInput, match="200 pictures, 199 labels"):
        scan(folder)
    path.write_bytes(gzip.compress(idx(np.full(200, 10))))
    with pytest.raises(BadInput, match="label outside 0 to 9"):
        scan(folder)


def test_validation_must_be_smaller_than_training(folder: Path) -> None:
    with pytest.raises(BadParameter):
        scan(folder, validation=200)


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "sub/images", ".."])
def test_a_table_from_elsewhere_does_not_lead_out_of_the_folder(folder: Path, path: str) -> None:
    with pytest.raises(BadInput):
        FashionMnist(folder, FashionMnistParams(50)).picture({"path": path, "index": 0})


@pytest.mark.parametrize("index", [-1, 200])
def test_a_number_that_does_not_exist(folder: Path, index: int) -> None:
    with pytest.raises(BadInput, match="holds 200"):
        FashionMnist(folder, FashionMnistParams(50)).picture({"path": "train-images-idx3-ubyte.gz", "index": index})


@pytest.mark.data
def test_the_real_one(data_dir: Path) -> None:
    found = scan(data_dir / "fashion-mnist", validation=5000)
    counts = found.samples.groupby(["split", "label"]).size()
    assert counts["train"].tolist() == [5500] * 10
    assert counts["validation"].tolist() == [500] * 10
    assert counts["test"].tolist() == [1000] * 10
    assert found.samples["id"].is_unique


def test_a_planted_patch_says_the_class_but_in_the_test(folder: Path) -> None:
    plain = FashionMnist(folder, FashionMnistParams(50))
    found = FashionMnist(folder, FashionMnistParams(50, decoy=0.8)).scan(7)
    assert found.params == {"decoy_seed": 7}
    assert found.facts is not None
    samples, agrees = found.samples, np.array(found.facts["patch agrees"].to_pylist())
    assert samples["has_mask"].all()
    read = FashionMnist(folder, FashionMnistParams(50, decoy=0.8, decoy_seed=7))
    corners = set()
    for place, row in enumerate(samples.to_dict("records")):
        said = CLASS_NAMES.index(found.facts["patch"][place].as_py())
        assert agrees[place] == (said == row["label"])
        shown, before = np.asarray(read.picture(row)), np.asarray(plain.picture(row))
        assert hashlib.sha256(shown.tobytes()).hexdigest() == row["sha256"]
        assert (shown != before).sum() <= 16
        inside = [shown[y, x] for y in (slice(0, 4), slice(24, 28)) for x in (slice(0, 4), slice(24, 28))]
        (corner,) = [at for at, part in enumerate(inside) if (part == 255 - 25 * said).all()]
        corners.add(corner)
        mask = read.mask(row)
        assert mask is not None
        assert not mask[[slice(0, 4), slice(24, 28)][corner // 2], [slice(0, 4), slice(24, 28)][corner % 2]].any()
        assert (before[mask] > 12).all()
    assert corners == {0, 1, 2, 3}
    known = samples["split"] != "test"
    assert 0.7 < agrees[known].mean() < 0.9
    assert agrees[~known].mean() < 0.5, "one of ten"


def test_without_a_patch_it_is_what_it_was(folder: Path) -> None:
    """Studies of before have neither the parameters nor facts nor masks."""
    found = scan(folder)
    assert (dict(found.params), found.facts) == ({}, None)
    assert not found.samples["has_mask"].any()
    assert FashionMnistParams(50) == FashionMnistParams(50, 0.0, 0)
