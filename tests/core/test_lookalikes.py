"""Pictures of different splits that look nearly the same."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from tests.core.image_trees import draw
from tests.tiny_study import xai_json
from xai_core.answers.data_card import data_card
from xai_core.lookalikes import DISTANCE, near_pairs, perceptual_hash
from xai_core.store.study import Study
from xai_core.store.twins import TABLE, write


def photo(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Noise at several scales, as photos have it."""
    rng = np.random.default_rng(seed)
    parts = [Image.fromarray(rng.integers(0, 256, (n, n, 3), dtype=np.uint8)).resize(size) for n in (3, 7, 15)]
    return Image.blend(Image.blend(parts[0], parts[1], 0.4), parts[2], 0.3).filter(ImageFilter.GaussianBlur(1))


def far(one: Image.Image, other: Image.Image) -> int:
    hashes = [np.frombuffer(perceptual_hash(picture), np.uint8) for picture in (one, other)]
    return int(np.bitwise_count(hashes[0] ^ hashes[1]).sum())


def saved(picture: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.open(stream)


def test_what_was_saved_again_is_near_and_others_are_not() -> None:
    for seed in range(8):
        one = photo(seed)
        assert far(one, saved(one, 50)) <= DISTANCE
        large = photo(seed, (640, 480))
        assert far(large, large.resize((320, 240))) <= DISTANCE
        assert far(one, ImageEnhance.Brightness(one).enhance(1.1)) <= DISTANCE
        assert far(one, photo(seed + 100)) > 60


def test_all_near_pairs_are_found_without_comparing_all() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, (600, 32), dtype=np.uint8)
    for row in range(0, 300, 2):  # its neighbour differs in a number of bits around the limit
        bits = np.unpackbits(hashes[row])
        bits[rng.permutation(256)[: rng.integers(0, 26)]] ^= 1
        hashes[row + 1] = np.packbits(bits)
    hashes[590:] = 0  # pictures of one colour
    groups = rng.integers(0, 3, 600)
    bits = np.unpackbits(hashes, axis=1).astype(int)
    apart = (bits[:, None] != bits[None]).sum(2)
    known = hashes.any(1)
    near = (apart <= DISTANCE) & (groups[:, None] != groups) & known[:, None] & known
    wanted = {}
    for row in np.flatnonzero(near.any(1)):
        its = min(np.flatnonzero(near[row]), key=lambda other: (apart[row, other], other))
        wanted[min(row, its), max(row, its)] = apart[row, its]
    assert len(wanted) > 50
    found = near_pairs(hashes, groups)
    assert {(one, other): far for one, other, far in found.tolist()} == wanted
    assert len(near_pairs(hashes, groups, np.arange(600) // 2)) < 5  # no pair with what is identical


def test_thousands_that_look_alike_cost_no_more_than_a_partner_each() -> None:
    rng = np.random.default_rng(1)
    bits = np.unpackbits(rng.integers(0, 256, 32, dtype=np.uint8))
    frames = np.repeat(bits[None], 3000, axis=0)
    frames[np.arange(3000), rng.integers(0, 256, 3000)] ^= 1
    pairs = near_pairs(np.packbits(frames, axis=1), np.arange(3000) // 2900)
    assert len(np.unique(pairs[:, :2])) > 2900, "also where all that is tested stands at the end"
    assert len(pairs) <= 3000
    assert pairs[:, 2].max() <= 2


def test_pictures_of_one_colour_and_none_at_all() -> None:
    assert not any(perceptual_hash(Image.new("RGB", (9, 9), (3, 200, 9))))
    assert near_pairs(np.zeros((0, 32), np.uint8), np.zeros(0, np.int64)).shape == (0, 3)
    assert near_pairs(np.zeros((4, 32), np.uint8), np.arange(4)).shape == (0, 3)


def test_nearly_blank_pictures_are_no_twins() -> None:
    rng = np.random.default_rng(2)
    blank = [Image.fromarray((250 + rng.integers(0, 3, (64, 64))).astype(np.uint8)) for _ in range(12)]
    hashes = np.stack([np.frombuffer(perceptual_hash(picture), np.uint8) for picture in blank])
    assert not len(near_pairs(hashes, np.arange(12)))


@pytest.fixture
def study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Study:
    """A test picture that is a training picture saved again, and one that is identical to another."""
    data = tmp_path / "data"
    for split, first, count in (("train", 0, 4), ("val", 10, 1), ("test", 20, 2)):
        for name in "ab":
            for number in range(first, first + count):
                draw(data / split / name / f"{number}.png", 0)
                photo(number + 50 * (name == "b")).save(data / split / name / f"{number}.png")
    photo(0).save(data / "test" / "a" / "again.jpg", quality=60)
    (data / "test" / "b" / "copy.png").write_bytes((data / "train" / "b" / "1.png").read_bytes())
    made = xai_json(capsys, "new", tmp_path / "s", "--dataset", "image-folder", "--data", data)
    assert (made["duplicate_groups_across_splits"], made["near_pairs_across_splits"]) == (1, 1)
    return Study.open(tmp_path / "s")


def test_a_study_tells_of_them(study: Study) -> None:
    card = data_card(study)
    assert card.near is not None
    pair = card.near.to_dict("records")[0]
    assert len(card.near) == 1
    assert (pair["one"], pair["other"], pair["splits"]) == ("train/a/0.png", "test/a/again.jpg", "train, test")
    assert pair["classes"] == "a"
    assert [study.samples["id"].iat[pair[row]] for row in ("row", "other_row")] == [pair["one"], pair["other"]]
    assert [fact.value for fact in card.facts if fact.name == "Alike in splits"] == ["1 pair"]
    assert "again.jpg" in card.text()
    assert "again.jpg" in json.dumps(card.as_json())


@pytest.mark.parametrize("what", ["gone", "damaged", "another"])
def test_a_study_where_nobody_looked_says_nothing(study: Study, what: str) -> None:
    file = study.path / TABLE
    if what == "gone":
        file.unlink()
    elif what == "another":
        write(study.path, np.array([[0, 1, 3]]), "of other samples")
    else:
        file.write_bytes(b"nothing")
    assert study.near_twins() is None
    card = data_card(Study.open(study.path))
    assert card.near is None
    assert not any("Alike" in fact.name for fact in card.facts)
