"""Augmentations that go by heatmaps: what they cut and hide on planted evidence, and how a run's maps reach them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.core.training_contracts import applied, seeded
from tests.tiny_study import fails, write_pictures, xai
from xai_core.errors import BadParameter
from xai_core.explainers import EXPLAINERS
from xai_core.models.preprocess import Preprocess
from xai_core.params import build
from xai_core.pipeline.asked import Given
from xai_core.pipeline.evidence import cell_evidence_of, evidence_of, with_evidence
from xai_core.pipeline.load import Bench
from xai_core.pipeline.preview import preview
from xai_core.store.study import Study
from xai_core.training.augmentations import AUGMENTATIONS, augment, chosen
from xai_core.training.augmentations.attention_crop import inside
from xai_core.training.augmentations.base import Window
from xai_core.training.augmentations.evidence import CellEvidenceParams, EvidenceParams
from xai_core.training.batch import Batch
from xai_core.training.config import TrainConfig
from xai_core.training.data import PictureArrays, TrainingData
from xai_core.worker.operations import steps

pytestmark = pytest.mark.filterwarnings("error")


def planted(key: str, planes: Tensor, size: int = 16) -> Batch:
    """Pictures whose value is how far down (red), how far right (green)."""
    count, places = len(planes), (torch.arange(size) + 0.5) / size
    x = torch.stack([places[:, None].expand(size, size), places.expand(size, size), torch.zeros(size, size)])
    return Batch(
        x.expand(count, -1, -1, -1).contiguous(), torch.ones(count, 1), None, torch.zeros(count) > 0, {key: planes}
    )


def corner(count: int = 64, size: int = 8) -> Tensor:
    """All evidence in the upper left quarter."""
    planes = torch.zeros(count, size, size)
    planes[:, : size // 2, : size // 2] = 1
    return planes


def crop(**values: object) -> Tensor:
    """`(N, 2)`: the centre (down, right) of what an attention crop keeps."""
    batch = planted("attention_crop", corner())
    after = applied(AUGMENTATIONS["attention_crop"], batch, keep_low=0.5, keep_high=0.5, **values)
    return after.x[:, :2].mean((2, 3))


def test_a_window_away_from_the_evidence_lies_on_the_other_side() -> None:
    away, onto, anywhere = (crop(place=place, strength=30.0) for place in ("away", "onto", "anywhere"))
    assert ((away > 0.45).any(1)).all()
    assert onto.mean() < 0.3
    assert abs(float(anywhere.mean()) - 0.5) < 0.05
    assert float(away.mean()) > 0.55


def test_without_strength_it_is_its_random_twin() -> None:
    assert torch.equal(crop(strength=0.0), crop(place="anywhere"))


def test_what_a_window_holds_is_its_share_of_the_evidence() -> None:
    planes = torch.zeros(2, 8, 8)
    planes[0, 0, 0] = 1
    planes[1] = 1
    quarter = torch.full((2, 1, 1, 1), 0.5)
    windows = [Window(quarter * 0, quarter * 0, quarter, quarter), Window(quarter, quarter, quarter, quarter)]
    held = inside(planes, windows)
    assert 0.6 < held[0, 0] <= 1.2
    assert held[0, 1] == 0
    torch.testing.assert_close(held[1], torch.tensor([0.25, 0.25]))


def test_masking_hides_the_strongest_tiles_and_its_twin_any() -> None:
    batch = planted("saliency_masking", corner())
    shares = {}
    for hide in ("strongest", "weakest", "random"):
        after = applied(AUGMENTATIONS["saliency_masking"], batch, area_low=0.25, area_high=0.25, hide=hide)
        gone = (after.x != batch.x).any(1)
        assert gone.float().mean() == pytest.approx(0.25, abs=0.01)
        shares[hide] = float(gone[:, :8, :8].float().mean())
    assert shares["strongest"] == 1
    assert shares["weakest"] == 0
    assert abs(shares["random"] - 0.25) < 0.05


def test_equal_tiles_go_in_a_drawn_order() -> None:
    batch = planted("saliency_masking", torch.ones(64, 8, 8))
    after = applied(AUGMENTATIONS["saliency_masking"], batch, area_low=0.25, area_high=0.25)
    gone = (after.x != batch.x).any(1).float().mean(0)
    assert gone.max() < 0.6


@pytest.mark.parametrize("fill", ["mean", "noise", "blur"])
def test_what_is_hidden_is_filled_with_what_was_asked_for(fill: str) -> None:
    batch = planted("saliency_masking", corner(4))
    values = {"area_low": 0.25, "area_high": 0.25, "fill": fill}
    hidden = applied(AUGMENTATIONS["saliency_masking"], batch, **values).x[:, :, :8, :8]
    if fill == "mean":
        torch.testing.assert_close(hidden, batch.x.mean((2, 3), keepdim=True).expand_as(hidden))
    elif fill == "noise":
        assert hidden.std() > 0.2
    else:
        assert (hidden - batch.x[:, :, :8, :8]).abs().max() < 0.3


def test_a_sample_without_evidence_is_left_as_it_is() -> None:
    batch = planted("saliency_masking", corner() * (torch.arange(64) % 2)[:, None, None])
    after = applied(AUGMENTATIONS["saliency_masking"], batch)
    assert torch.equal((after.x != batch.x).flatten(1).any(1), torch.arange(64) % 2 == 1)


def test_evidence_is_flipped_with_its_picture() -> None:
    planes = torch.rand(4, 5, 7, generator=seeded(3))
    batch = replace(planted("saliency_masking", planes), evidence={"a": planes})
    after = augment(batch, chosen({"flip": {"probability": 1}}), seeded())
    assert torch.equal(after.evidence["a"], planes.flip(-1))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guided")
    pictures = write_pictures(folder / "pictures", per_class=8)
    path = folder / "study"
    xai("new", path, "--dataset", "image-folder", "--data", pictures)
    xai("train", path, "--run", "base", "--arch", "small_cnn", "--epochs", "1", "--batch-size", "8", "--size", "28")
    xai("predict", path, "--run", "base")
    return path


def test_a_runs_heatmaps_reach_training(study: Path) -> None:
    run = Study.open(study).run("base")
    planes = evidence_of(Bench("cpu"), run, EvidenceParams())
    rows = run.study.rows("train")
    assert len(planes) == len(rows)
    assert planes.min() >= 0
    assert set(np.unique(planes.max((1, 2)))) <= {0.0, 1.0}
    maps = run.maps("gradcam", build(EXPLAINERS["gradcam"].params, {}))
    assert maps is not None
    stored = np.nan_to_num(maps.get(rows, [t.key for t in run.targets(rows, "true")]).maps)
    assert np.array_equal(planes.reshape(len(rows), -1).argmax(1), stored.reshape(len(rows), -1).argmax(1))
    cell = cell_evidence_of(Bench("cpu"), run, CellEvidenceParams(split="train"))
    assert cell.shape == (1, *planes.shape[1:])
    assert cell.max() == 1


def test_a_training_takes_them_and_the_same_again_does_nothing(study: Path) -> None:
    line = ["train", study, "--run", "masked", "--parent", "base", "--augment", "saliency_masking,attention_crop"]
    line += ["--set", "attention_crop.split=train"]
    xai(*line)
    xai(*line)


@pytest.mark.parametrize(
    ("said", "flags"),
    [
        ("whose heatmaps", ["--arch", "small_cnn", "--augment", "saliency_masking"]),
        (": nobody.", ["--parent", "base", "--augment", "saliency_masking", "--set", "saliency_masking.run=nobody"]),
        (": nosuch.", ["--parent", "base", "--augment", "saliency_masking", "--set", "saliency_masking.method=nosuch"]),
        (": Hat.", ["--parent", "base", "--augment", "attention_crop", "--set", "attention_crop.true=Hat"]),
    ],
)
def test_what_does_not_fit_is_told(
    study: Path, capsys: pytest.CaptureFixture[str], said: str, flags: list[str]
) -> None:
    assert said in fails(capsys, "train", study, "--run", "bad", "--epochs", "1", "--size", "28", *flags)


def test_a_run_that_sees_another_part_of_the_pictures_is_refused(study: Path) -> None:
    nothing = PictureArrays(np.zeros((1, 28, 14, 3), np.uint8), np.zeros(1, np.int64))
    narrow = Preprocess(28, 14, 3, (0.5,) * 3, (0.5,) * 3)
    data = TrainingData(nothing, nothing, ("a",), narrow)
    config = TrainConfig(augmentations={"saliency_masking": {}})
    with pytest.raises(BadParameter, match="another part"):
        with_evidence(data, Study.open(study), config, Given(parent="base", device="cpu"))


def test_a_preview_shows_what_augmentations_make_of_some_pictures(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = TrainConfig(architecture="small_cnn", augmentations={"saliency_masking": {"probability": 1.0}})
    found = preview(Study.open(study), config, Given(parent="base", size=28, device="cpu"))
    assert found.before.shape == (8, 28, 28, 3)
    assert found.after.shape == (3, 8, 28, 28, 3)
    assert (found.after != found.before).any((2, 3, 4)).mean() > 0.8
    same = preview(Study.open(study), config, Given(parent="base", size=28, device="cpu"))
    assert np.array_equal(found.after, same.after)
    into = tmp_path / "sheet.png"
    xai("train", study, "--run", "x", "--parent", "base", "--augment", "saliency_masking", "--preview", into)
    with Image.open(into) as sheet:
        assert sheet.width > 8 * 128
    assert "x" not in Study.open(study).runs()
    again = ["train", study, "--run", "x", "--parent", "base", "--preview", into]
    assert "something is here already" in fails(capsys, *again)


def test_without_augmentations_a_preview_shows_the_pictures(study: Path) -> None:
    config = TrainConfig(architecture="small_cnn", augmentations={})
    found = preview(Study.open(study), config, Given(size=28))
    assert all(np.array_equal(draw, found.before) for draw in found.after)


def test_the_worker_draws_a_preview(study: Path, tmp_path: Path) -> None:
    config = TrainConfig(architecture="small_cnn", augmentations={"flip": {}}).as_dict()
    arguments = {"run": "x", "config": config, "size": 28}
    message = {"op": "preview", "study": str(study), "arguments": arguments, "into": str(tmp_path / "a.png")}
    assert list(steps(Bench("cpu"), message)) == [(0, 1), (1, 1)]
    assert (tmp_path / "a.png").is_file()
