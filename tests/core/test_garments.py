"""The drawn garments: the same everywhere, masked exactly, framed as stated, and never half there."""

import dataclasses
import hashlib
import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from xai_core.datasets import DATASETS
from xai_core.datasets.base import SAMPLE_COLUMNS
from xai_core.demo.art import CLASSES, Chance, palette
from xai_core.demo.art.canvas import Canvas
from xai_core.demo.art.fabrics import plain
from xai_core.demo.art.figure import draw_figure
from xai_core.demo.art.framing import frame
from xai_core.demo.art.geometry import Camera, ellipse
from xai_core.demo.art.scene import draw_outfit, framing_of, paint_person
from xai_core.demo.drawing import (
    RECORD,
    GarmentParams,
    cue_facts,
    drawing,
    encode,
    encode_mask,
    mask_path,
    pack,
    render,
)
from xai_core.errors import BadInput, BadParameter
from xai_core.params import build, identifying

SMALL = GarmentParams(train_per_class=2, validation_per_class=1, test_per_class=1)
DIGEST = """
import hashlib
from xai_core.demo.drawing import GarmentParams, render
for label in (0, 1, 4):
    picture, mask = render(3, "test", label, 5, GarmentParams())
    print(hashlib.sha256(picture.tobytes() + mask.tobytes()).hexdigest())
"""


def small(root, **changes):
    return DATASETS["garments"].make(root, dataclasses.replace(SMALL, **changes))


def test_the_class_names_are_those_of_the_case_study():
    assert CLASSES == ("Dress", "Graphic tee", "Pants", "Shorts", "Skirt")


def test_pictures_are_the_same_in_another_process(capsys):
    there = subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True).stdout
    exec(DIGEST, {})
    assert there == capsys.readouterr().out
    assert len(set(there.split())) == 3


def test_seed_split_class_and_number_all_matter_and_counts_do_not():
    def digest(*where, params=SMALL):
        return encode(render(*where, params)[0])

    base = digest(1, "train", 0, 0)
    others = [
        digest(*where) for where in ((2, "train", 0, 0), (1, "test", 0, 0), (1, "train", 4, 0), (1, "train", 0, 1))
    ]
    assert base not in others
    assert len(set(others)) == 4
    assert digest(1, "train", 0, 0, params=GarmentParams()) == base


@pytest.mark.parametrize("label", range(5))
def test_masks_lie_inside_the_picture_and_are_neither_empty_nor_everything(label):
    for number in range(6):
        _, mask = render(0, "train", label, number, SMALL)
        assert mask.shape == (96, 96)
        assert mask.dtype == np.bool_
        assert 0.01 < mask.mean() < 0.85


@pytest.mark.parametrize("label", CLASSES)
def test_the_mask_is_where_the_garment_is(label):
    """The oracle: the same scene in red and in blue differs exactly where the garment is seen."""
    rgb, owned = [], None
    for tone in ("c8412f", "2f4b8c"):
        chance = Chance(11)
        figure = draw_figure(chance.branch(1))
        outfit = dataclasses.replace(draw_outfit(chance.branch(2), figure, label), belt=None)
        cloth = plain(palette.colour(tone))
        names = {"Dress": ("top_fabric", "bottom_fabric"), "Graphic tee": ("top_fabric",)}.get(
            label, ("bottom_fabric",)
        )
        outfit = dataclasses.replace(outfit, **dict.fromkeys(names, cloth))
        canvas = Canvas(128, frame(chance.branch(3), "three quarter", 3.0, 6.0, 0.0), 1)
        paint_person(canvas, figure, outfit, chance.branch(5))
        rgb.append(canvas.rgb)
        owned = canvas.owned > 0.5
    change = np.abs(rgb[0] - rgb[1]).max(axis=2)
    assert change[~ndimage.binary_dilation(owned)].max() < 0.5 * change.max()  # less than half of any pixel
    if label != "Graphic tee":  # a print need not change with its tee
        assert (change[owned] > 0.1).mean() > 0.95


def test_coverage_is_exact_in_area_and_place():
    canvas = Canvas(64, Camera(0.0, 0.0, 4.0), 1)
    disc = canvas.coverage(ellipse(0.5, -0.25, 1.0, 1.0, steps=200))
    assert disc.sum() / canvas.unit**2 == pytest.approx(np.pi, rel=0.02)
    assert (disc * canvas.x).sum() / disc.sum() == pytest.approx(0.5, abs=0.02)
    assert (disc * canvas.y).sum() / disc.sum() == pytest.approx(-0.25, abs=0.02)


@pytest.mark.parametrize("share", [0.0, 0.35, 1.0])
@pytest.mark.parametrize("label", [0, 4])
def test_the_share_of_tight_framings_is_the_stated_one(label, share):
    found = np.mean([framing_of(Chance(0, 0, label, n), CLASSES[label], share) == "tight" for n in range(800)])
    assert found == pytest.approx(share, abs=0.05)


def test_a_tight_dress_shows_the_strip_above_its_waist_and_a_tight_skirt_does_not_own_it():
    params = GarmentParams(tight_dresses=1.0, tight_skirts=1.0)
    dresses = [drawing(0, "train", 0, n, params) for n in range(12)]
    skirts = [drawing(0, "train", 4, n, params) for n in range(12)]
    assert {d.framing for d in dresses + skirts} == {"tight"}
    assert np.mean([d.mask[:4].any() for d in dresses]) == 1.0
    assert np.mean([d.mask[:4].any() for d in skirts]) == 0.0


def test_the_size_is_kept_and_others_are_refused(tmp_path):
    scan = small(tmp_path / "g", size=128, train_per_class=1).scan(0)
    assert set(scan.samples["width"]) == set(scan.samples["height"]) == {128}
    for size in (95, 257, "big", 100.5):
        with pytest.raises(BadParameter):
            build(GarmentParams, {"size": size})


def test_a_scan_draws_what_render_gives(tmp_path):
    calls = []
    data = small(tmp_path / "new" / "g")
    scan = data.scan(4, lambda done, total, what: calls.append((done, total, what)))
    assert calls == [(n, 20, "pictures") for n in range(1, 21)]
    assert list(scan.samples.columns) == list(SAMPLE_COLUMNS)
    assert scan.class_names == CLASSES
    assert scan.samples["id"].is_unique
    row = scan.samples[scan.samples["id"] == "test/graphic-tee/0000.jpg"].iloc[0]
    picture, mask = render(4, "test", 1, 0, SMALL)
    content = encode(picture)
    assert hashlib.sha256(content).hexdigest() == row["sha256"]
    with Image.open(io.BytesIO(content)) as image:
        assert data.picture(row).tobytes() == image.convert("RGB").tobytes()
    assert (data.mask(row) == mask).all()
    with Image.open(io.BytesIO(encode_mask(mask))) as image:
        assert image.mode == "1"


def test_a_second_scan_reads_what_is_there_and_says_when_the_seed_differs(tmp_path):
    first = small(tmp_path / "g").scan(1)
    again = small(tmp_path / "g").scan(1, lambda *_: pytest.fail("nothing is drawn twice"))
    assert again.samples.equals(first.samples)
    other = small(tmp_path / "g").scan(2)
    assert other.samples.equals(first.samples)
    assert "seed 1" in other.notes[-1]


def test_packed_they_are_the_same_samples(tmp_path):
    loose = small(tmp_path / "g").scan(1)
    row = loose.samples.iloc[3]
    picture, mask = small(tmp_path / "g").picture(row), small(tmp_path / "g").mask(row)
    pack(tmp_path / "g", SMALL)
    assert sorted(path.name for path in (tmp_path / "g").iterdir()) == ["garments.json", "masks.zip", "pictures.zip"]
    data = small(tmp_path / "g")
    assert data.scan(1).samples.equals(loose.samples)
    assert data.picture(row).tobytes() == picture.tobytes()
    assert (data.mask(row) == mask).all()
    assert data.mask_files(row) == [tmp_path / "g" / "masks.zip"]


def test_a_damaged_archive_is_told_in_one_line(tmp_path):
    data = small(tmp_path / "g")
    row = data.scan(0).samples.iloc[0]
    pack(tmp_path / "g", SMALL)
    (tmp_path / "g" / "pictures.zip").write_bytes(b"PK not an archive")
    (tmp_path / "g" / "masks.zip").write_bytes((tmp_path / "g" / "masks.zip").read_bytes()[:500])
    for read, name in ((data.picture, "pictures.zip"), (data.mask, "masks.zip")):
        with pytest.raises(BadInput, match=f"damaged: g/{name}") as told:
            read(row)
        assert "\n" not in str(told.value)
    with pytest.raises(BadInput, match="no picture can be read"):
        data.scan(0)


def test_an_interrupted_drawing_leaves_nothing(tmp_path):
    root = tmp_path / "g"

    def stop(done, total, what):
        assert not root.exists(), "seen before it is whole"
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small(root).scan(0, stop)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_filled_and_a_strange_one_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    assert len(small(tmp_path / "empty").scan(0).samples) == 20
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "letter.txt").write_text("hello")
    with pytest.raises(BadInput, match="no drawn garments"):
        small(tmp_path / "strange").scan(0)
    with pytest.raises(BadInput, match="other parameters"):
        small(tmp_path / "empty", size=128).scan(0)
    with pytest.raises(BadInput):
        small(tmp_path / "strange" / "letter.txt" / "below").scan(0)


def test_a_lost_mask_is_none_and_a_lost_picture_is_drawn_again(tmp_path):
    data = small(tmp_path / "g")
    before = data.scan(0)
    row = before.samples.iloc[0]
    pixels = np.asarray(data.picture(row))
    (tmp_path / "g" / mask_path(row["path"])).unlink()
    assert data.mask(row) is None
    (tmp_path / "g" / row["path"]).unlink()
    np.testing.assert_array_equal(data.picture(row), pixels)
    again = data.scan(0)
    assert not again.unreadable
    assert again.samples["sha256"].tolist() == before.samples["sha256"].tolist()


def test_what_another_version_drew_is_named_where_it_is_gone(tmp_path):
    data = small(tmp_path / "g")
    row = data.scan(0).samples.iloc[0]
    (tmp_path / "g" / row["path"]).unlink()
    record = tmp_path / "g" / RECORD
    record.write_text(record.read_text().replace('"version": 1', '"version": 0'))
    with pytest.raises(BadInput, match=row["path"]):
        small(tmp_path / "g").picture(row)
    assert [path for path, _ in small(tmp_path / "g").scan(0).unreadable] == [row["path"]]


def test_files_are_small():
    sizes = [len(encode(render(0, "train", label, n, SMALL)[0])) for label in range(5) for n in range(4)]
    assert np.mean(sizes) < 4200


def test_drawing_needs_no_torch():
    code = "import sys, xai_core.datasets.garments; assert not {'torch', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("cue", ["framing", "background"])
def test_a_cue_holds_in_training_and_tells_nothing_in_the_test(cue: str) -> None:
    params = GarmentParams(train_per_class=200, test_per_class=200, cue=cue, cue_strength=0.9)
    found = {
        split: [cue_facts(3, split, label, number, params)["cue holds"] for label in (0, 4) for number in range(200)]
        for split in ("train", "test")
    }
    assert np.mean(found["train"]) == pytest.approx(0.9, abs=0.05)
    assert np.mean(found["test"]) == pytest.approx(0.5 if cue == "framing" else 0.25, abs=0.08)


def test_facts_of_a_cue_are_of_the_pictures_that_are_drawn() -> None:
    for cue in ("framing", "background"):
        params = GarmentParams(cue=cue, cue_strength=1.0)
        facts = cue_facts(1, "train", 4, 0, params)
        assert drawing(1, "train", 4, 0, params).framing == facts["framing"]
        assert facts["cue holds"]
        assert cue_facts(1, "train", 1, 0, params)["cue holds"] is (None if cue == "framing" else True)
    plain, cued = (drawing(1, "train", 4, 0, GarmentParams(cue=cue)) for cue in ("none", "background"))
    assert (plain.mask == cued.mask).all(), "the same garment before another background"
    assert identifying(GarmentParams()).keys() & {"cue", "cue_strength"} == set(), "records of before stay theirs"
