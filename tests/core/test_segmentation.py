"""A study of segmentation from its data to its answers: trained, predicted at the pictures' own size, measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tests.core.segmentation_trees import write_coco
from tests.tiny_study import fails, xai
from xai_core.answers.question import Asked, questions
from xai_core.answers.segments import segments
from xai_core.answers.segments_change import segments_change
from xai_core.cli.main import main
from xai_core.errors import BadInput, BadParameter, NotApplicable
from xai_core.label_maps import IGNORE, dense, objects
from xai_core.models.preprocess import Preprocess
from xai_core.pipeline.asked import Given
from xai_core.pipeline.load import load_classifier
from xai_core.pipeline.make import make_study
from xai_core.pipeline.predict import predict
from xai_core.pipeline.predict_work import label_map_of
from xai_core.pipeline.train import train_run
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.training.config import TrainConfig

CONFIG = TrainConfig(architecture="small_unet", epochs=1, augmentations={"flip": {}, "affine": {}})
QUICK = Given(size=32, device="cpu")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Twenty photos with a red or a green square; one has a crowd, which is to be ignored."""
    root = tmp_path_factory.mktemp("scenes")
    square = [8, 6, 16, 6, 16, 14, 8, 14]
    annotations = [{"image_id": n, "category_id": n % 2, "segmentation": [square]} for n in range(19)]
    annotations.append({"image_id": 0, "category_id": 1, "segmentation": [[0, 0, 9, 0, 9, 9, 0, 9]], "iscrowd": 1})
    write_coco(root / "data" / "instances_default.json", annotations, pictures=20, folder="images")
    return make_study(root / "study", root / "data")


@pytest.fixture(scope="module")
def run(study: Study) -> Run:
    made = train_run(study, "unet", CONFIG, QUICK)
    predict(made, load_classifier(made, device="cpu"), ["test", "validation", "train"])
    return made


def test_the_study_holds_every_label_map_once(study: Study) -> None:
    assert study.info.task == "segmentation"
    assert study.class_names[0] == "background"
    assert study.has_background
    for row, sample in study.samples.iterrows():
        found = study.label_map(int(row))
        assert found.shape == (sample["height"], sample["width"])
        assert bool(objects(found, True).any()) == sample["has_mask"]
        mask = study.mask(int(row))
        assert mask is None if not sample["has_mask"] else (mask == objects(found, True)).all()
    assert IGNORE in study.label_map(0)
    before = study.masks_digest
    assert before == Study.open(study.path).masks_digest


def test_a_label_map_that_is_gone_is_told(study: Study, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(study.path, copy)
    shutil.rmtree(copy / "label_maps")
    with pytest.raises(BadInput, match="label_maps"):
        Study.open(copy).label_map(0)


def test_training_learns_from_pixels_and_keeps_the_epoch_with_the_best_mean_iou(run: Run) -> None:
    history = run.history
    assert history is not None
    assert {"loss", "accuracy", "mean_iou"} <= set(history.loc[history["split"] == "validation", "measure"])
    assert run.info.training["batch_size"] == 8
    assert run.info.training["best_epoch"] == 1


def test_predictions_are_label_maps_of_the_pictures_own_size(study: Study, run: Run) -> None:
    store = run.label_maps()
    assert store is not None
    assert store.count() == len(study.labels)
    for row in range(len(study.labels)):
        stored, truth = store.get(row), study.label_map(row)
        assert stored is not None
        assert stored.label_map.shape == truth.shape
        assert stored.counts is not None
        assert stored.counts[:, 2].sum() == (truth != IGNORE).sum()
    assert predict(run, load_classifier(run, device="cpu"), ["test"]).new == 0


def test_the_answer_is_the_sum_over_pictures(study: Study, run: Run) -> None:
    found, store = segments(run, "all"), run.label_maps()
    assert store is not None
    matrices = [dense(counts, 3) for counts in store.counts(study.rows(None)) if counts is not None]
    np.testing.assert_array_equal(found.counts, sum(matrices))
    wrong = {row: int(m.sum() - np.trace(m)) for row, m in enumerate(matrices)}
    assert dict(found.pictures()) == wrong
    assert [pixels for _, pixels in found.pictures()] == sorted(wrong.values(), reverse=True)
    cell = (1, 0)
    assert dict(found.pictures(cell)) == {row: int(m[cell]) for row, m in enumerate(matrices) if m[cell]}
    assert "Intervals are over pictures" in " ".join(found.notes)


def test_commands_from_new_to_show(study: Study, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    xai("show", study.path, "segments", "--run", "unet", "--split", "test")
    shown = capsys.readouterr().out
    assert "Mean IoU" in shown
    assert "background" in shown
    xai("show", study.path, "overview", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["run"]["n"] == len(study.rows("test"))
    assert {each["name"] for each in told["run"]["classes"]} == set(study.class_names)


def test_the_pictures_of_a_cell_by_command(study: Study, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = study.class_names[1], study.class_names[0]
    xai("show", study.path, "segments", "--run", "unet", "--split", "all", "--cell", f"{first}:{second}", "--json")
    told = json.loads(capsys.readouterr().out)["cell"]
    found = segments(run, "all")
    assert [(one["row"], one["pixels"]) for one in told["pictures"]] == found.pictures((1, 0))
    assert all(one["sample"] == study.samples["id"].iat[one["row"]] for one in told["pictures"])
    assert told["sentence"] == found.cell_words((1, 0))[1]
    xai("show", study.path, "segments", "--run", "unet", "--split", "all", "--true", "0", "--predicted", "0")
    assert "pixels" in capsys.readouterr().out
    empty = next(zip(*np.nonzero(found.counts == 0), strict=True), None)
    assert empty is None or found.cell_words((int(empty[0]), int(empty[1])))[1] == "No pixel."


def test_two_runs_are_compared_picture_by_picture(study: Study, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    other = train_run(study, "other", TrainConfig(**{**vars(CONFIG), "seed": 1}), QUICK)
    predict(other, load_classifier(other, device="cpu"), ["test"])
    found = segments_change(run, other, "test")
    before, after = segments(run, "test"), segments(other, "test")
    wrong = [dict(one.pictures()) for one in (before, after)]
    assert dict(found.most) == {
        row: wrong[0][row] - wrong[1][row] for row in wrong[0] if wrong[0][row] != wrong[1][row]
    }
    np.testing.assert_allclose(
        found.found.mean_iou.value, after.found.mean_iou.value - before.found.mean_iou.value, atol=1e-12
    )
    assert segments_change(run, run, "test").verdict == "no change can be claimed"
    xai("compare", study.path, "--baseline", "unet", "--candidate", "other")
    assert found.sentence in capsys.readouterr().out
    xai("compare", study.path, "--baseline", "unet", "--candidate", "other", "--json")
    assert json.loads(capsys.readouterr().out)["segments"]["n"] == len(study.rows("test"))
    with pytest.raises(BadInput, match="both runs predicted"):
        segments_change(run, other, "validation")


def test_facts_choose_the_pictures(study: Study, run: Run, tmp_path: Path) -> None:
    import shutil

    import pyarrow as pa

    from xai_core.store import facts

    shutil.copytree(study.path, tmp_path / "copy")
    table = pa.table({"site": ["A" if row % 2 else "B" for row in range(len(study.labels))]})
    facts.write(tmp_path / "copy", table, study.info.samples_digest, len(table))
    copy = Study.open(tmp_path / "copy")
    where = (copy.facts.condition("site=A"),)
    found = segments(copy.run("unet"), "all", where=where)
    assert found.rows.tolist() == list(range(1, len(study.labels), 2))
    assert "where site = A" in found.sentence
    assert segments_change(copy.run("unet"), copy.run("unet"), "all", where).rows.tolist() == found.rows.tolist()


def test_predicting_ends_with_how_good_it_is(study: Study, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    xai("predict", study.path, "--run", "unet", "--splits", "test")
    said = capsys.readouterr().out
    assert "0 new predictions" in said
    assert "Mean IoU" in said


def test_one_picture_at_a_time_is_refused_where_it_cannot_be_learned_from(study: Study) -> None:
    config = TrainConfig(**{**vars(CONFIG), "architecture": "deeplabv3_mobilenet_v2", "batch_size": 1})
    with pytest.raises(BadParameter, match="one picture at a time"):
        train_run(study, "alone", config, QUICK)


@pytest.mark.parametrize("question", sorted(set(questions()) - {"segments", "overview", "sample", "context"}))
def test_what_is_asked_of_classifiers_is_refused_in_one_line(study: Study, run: Run, question: str) -> None:
    asked = Asked(study, run=run, cell=(0, 1), sample=0)
    with pytest.raises(NotApplicable, match="not of segmenters"):
        questions()[question].answer(asked).text()


@pytest.mark.parametrize(
    "words",
    [
        ["repair", "--method", "dfr", "--name", "again"],
        ["groups", "--by", "errors:unet"],
        ["train", "--arch", "small_unet", "--check"],
    ],
)
def test_so_are_commands(study: Study, run: Run, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    named = [] if words[0] == "groups" else ["--run", "unet"]
    assert main([words[0], str(study.path), *named, *words[1:]]) != 0
    said = capsys.readouterr().err.replace("\r", "\n").strip().splitlines()
    assert [line for line in said if line.startswith("xai: ")] == said[-1:]
    assert "xai predict" not in said[-1]


def test_a_table_of_classes_is_no_answer_of_a_segmenter(
    study: Study, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing is left behind."""
    table = tmp_path / "said.csv"
    table.write_text(f"id,predicted\n{study.samples['id'].iat[0]},red\n")
    before = study.runs()
    said = fails(capsys, "import", study.path, "--run", "said", "--predictions", table)
    assert "not of segmenters" in said
    assert study.runs() == before
    assert [each.name for each in tmp_path.iterdir()] == ["said.csv"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"architecture": "small_cnn"}, "small_cnn"),
        ({"loss": "so"}, "so"),
        ({"augmentations": {"mixup": {}}}, "mixup"),
    ],
)
def test_what_is_for_classifiers_is_not_trained_with(study: Study, changes: dict, says: str) -> None:
    config = TrainConfig(**{**vars(CONFIG), **changes})
    with pytest.raises(BadParameter, match=says):
        train_run(study, "wrong", config, QUICK)


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(study: Study, run: Run) -> None:
    from xai_core.errors import Cancelled
    from xai_core.types import CancelToken

    config, token = TrainConfig(**{**vars(CONFIG), "epochs": 2}), CancelToken()
    whole = train_run(study, "whole", config, QUICK)

    def stop(done: int, total: int, what: str) -> None:
        if what == "batches" and done == total - 1:
            token.cancel()

    with pytest.raises(Cancelled):
        train_run(study, "stopped", config, QUICK, progress=stop, cancel=token)
    again = train_run(study, "stopped", config, QUICK)
    assert again.info.fingerprint == whole.info.fingerprint


def test_logits_come_back_to_the_pictures_pixels() -> None:
    """A model that sees the middle of a picture alone says nothing of the rest."""
    logits = torch.stack([torch.zeros(4, 4), torch.full((4, 4), -1.0)])
    logits[1, :, 2:] = 1.0
    whole = label_map_of(logits, Preprocess(4, 4, 3, (0.5,) * 3, (0.5,) * 3), 8, 16)
    assert whole.shape == (8, 16)
    assert (whole[:, :7] == 0).all()
    assert (whole[:, 9:] == 1).all()
    cropped = label_map_of(logits, Preprocess(4, 4, 3, (0.5,) * 3, (0.5,) * 3, fit="crop"), 8, 16)
    assert (cropped[:, :4] == IGNORE).all()
    assert (cropped[:, 12:] == IGNORE).all()
    assert set(np.unique(cropped[:, 4:12])) == {0, 1}
    padded = label_map_of(logits, Preprocess(4, 4, 3, (0.5,) * 3, (0.5,) * 3, fit="pad"), 4, 8)
    assert padded.shape == (4, 8)
    assert IGNORE not in padded


def test_a_scene_that_is_told_by_colour_is_learned(tmp_path: Path) -> None:
    """Red squares on grey: a network that learns from its label maps at all finds them."""
    draw = np.random.default_rng(0)
    annotations = []
    for number in range(40):
        pixels = np.full((32, 32, 3), 128, np.uint8)
        x, y = draw.integers(2, 18, 2).tolist()
        pixels[y : y + 10, x : x + 10] = (220, 30, 30)
        folder = tmp_path / "data" / "images"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        corners = [x, y, x + 10, y, x + 10, y + 10, x, y + 10]
        annotations.append({"image_id": number, "category_id": 0, "segmentation": [corners]})
    images = [{"id": n, "file_name": f"{n}.png", "width": 32, "height": 32} for n in range(40)]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 0, "name": "square"}]}
    (tmp_path / "data" / "instances_default.json").write_text(json.dumps(content))
    made = make_study(tmp_path / "study", tmp_path / "data")
    config = TrainConfig(architecture="small_unet", epochs=6, augmentations={"flip": {}})
    trained = train_run(made, "unet", config, QUICK)
    predict(trained, load_classifier(trained, device="cpu"), ["test"])
    assert segments(trained, "test").found.iou.value[1] > 0.8


def test_weights_of_pixels_weigh_a_thin_object_by_the_root_of_its_share() -> None:
    from xai_core.training.data import pixel_counts, pixel_weights

    maps = np.zeros((2, 10, 10), np.uint8)
    maps[0, 0, :4], maps[1, 0, :] = 1, IGNORE
    counts = pixel_counts(maps, 3)
    assert counts.tolist() == [186, 4, 0]
    weights = pixel_weights(counts)
    assert weights[2] == 0
    assert weights[1] / weights[0] == pytest.approx((186 / 4) ** 0.5)
    assert weights[:2].mean() == pytest.approx(1)


def test_cross_entropy_of_pixels_is_torchs() -> None:
    from xai_core.training.losses.base import cross_entropy

    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, generator=generator)
    labels = torch.randint(0, 3, (2, 4, 5), generator=generator)
    labels[0, :2] = IGNORE
    weights = torch.tensor([0.5, 2.0, 0.5])
    for given in (None, weights):
        expected = nn.CrossEntropyLoss(given, ignore_index=IGNORE, label_smoothing=0.1)(logits, labels)
        assert torch.allclose(cross_entropy(logits, labels, given, smoothing=0.1), expected)
    assert cross_entropy(logits, torch.full_like(labels, IGNORE)).item() == 0
