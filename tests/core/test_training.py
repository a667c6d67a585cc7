"""The training loop: it learns, repeats, resumes to the very same weights, and keeps the best checkpoint."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors
import safetensors.torch
import torch
from PIL import Image
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from xai_core.errors import BadInput, BadParameter, Cancelled, NotFound, XaiError
from xai_core.models.architectures import ARCHITECTURES
from xai_core.models.build import classifier
from xai_core.models.preprocess import Preprocess
from xai_core.models.weights import read_weights, save_weights
from xai_core.params import digest
from xai_core.training import loop
from xai_core.training.config import TrainConfig
from xai_core.training.data import (
    PictureArrays,
    TrainingData,
    batches,
    class_weights,
    load_pictures,
    normaliser,
    on_random_labels,
    scaled,
)
from xai_core.training.history import by_epoch, values
from xai_core.training.loop import TrainResult, starting_module, train
from xai_core.training.schedule import one_cycle, stages
from xai_core.types import CancelToken

NAMES = ("bright on the left", "bright on the right", "bright in the middle")
GREY = Preprocess(28, 28, 1, (0.3,), (0.3,))
CONFIG = TrainConfig(architecture="small_cnn", epochs=3, batch_size=16, learning_rate=3e-3, seed=5, augmentations={})
ROUGH = {"affine": {}, "random_erasing": {}, "color_jitter": {}}


def pictures(count: int, seed: int, noise: int = 40) -> PictureArrays:
    """Noise with a bright stripe; where it is, is the class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    pixels = rng.integers(0, noise, (count, 28, 28, 1)).astype(np.uint8)
    for picture, label in zip(pixels, labels, strict=True):
        start = {0: 2, 1: 20, 2: 11}[int(label)]
        picture[4:24, start : start + 6] += 150
    return PictureArrays(pixels, labels)


TRAINING, VALIDATION = pictures(64, 1), pictures(32, 2)
DATA = TrainingData(TRAINING, VALIDATION, NAMES, GREY)


def run(folder: Path, config: TrainConfig = CONFIG, **options: object) -> tuple[nn.Module, TrainResult]:
    module, _ = starting_module(config, 3, GREY)
    return module, train(module, DATA, config, folder=folder, **options)


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def cancel_after(batch: int) -> dict:
    """Options that stop a training at this batch."""
    token = CancelToken()
    return {"cancel": token, "progress": lambda done, total, what: token.cancel() if done >= batch else None}


def untimed(history: pd.DataFrame) -> pd.DataFrame:
    return history[history["measure"] != "seconds"]


def test_it_learns_and_reports(tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    module, result = run(tmp_path, replace(CONFIG, epochs=5), progress=lambda *report: seen.append(report))
    assert result.best_accuracy > 0.9
    assert list(result.history.columns) == ["epoch", "split", "measure", "value"]
    assert set(result.history["measure"]) == {"loss", "accuracy", "seconds", "learning_rate"}
    assert len(result.history) == 5 * 2 * 4
    losses = values(result.history, "validation", "loss")
    assert losses.index.tolist() == [1, 2, 3, 4, 5]
    assert losses[5] < losses[1]
    assert by_epoch(result.history)[-1]["loss"] == losses[5]
    assert seen == [(n, 20, "batches") for n in range(1, 21)]
    assert not module.training
    assert all(p.grad is None for p in module.parameters())


def test_the_checkpoint_is_the_best_validation_epoch(tmp_path: Path) -> None:
    module, result = run(tmp_path, replace(CONFIG, epochs=6))
    checked = values(result.history, "validation", "accuracy")
    assert result.best_epoch == checked.idxmax()
    assert result.best_accuracy == checked.max()
    again = classifier("small_cnn", NAMES, GREY, read_weights(tmp_path / "weights.safetensors"))
    x = torch.from_numpy(GREY.normalise(VALIDATION.pixels))
    with torch.no_grad():
        accuracy = (again.logits(x).argmax(1).numpy() == VALIDATION.labels).mean()
    assert accuracy == pytest.approx(result.best_accuracy)
    assert same(again.module, module)


def test_a_seed_repeats_and_another_differs(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=1, augmentations=ROUGH)
    before = torch.random.get_rng_state()
    (one, first), (two, second) = run(tmp_path / "a", config), run(tmp_path / "b", config)
    three, _ = run(tmp_path / "c", replace(config, seed=6))
    assert same(one, two)
    assert not same(one, three)
    pd.testing.assert_frame_equal(untimed(first.history), untimed(second.history))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("batch", [1, 4, 6, 8])
def test_a_cancelled_training_resumes_to_the_very_same_weights(tmp_path: Path, batch: int) -> None:
    config = replace(CONFIG, augmentations=ROUGH)
    whole, expected = run(tmp_path / "whole", config)
    with pytest.raises(Cancelled):
        run(tmp_path / "cut", config, **cancel_after(batch))
    assert (tmp_path / "cut" / "resume.safetensors").exists() == (batch >= 4)
    reports: list[int] = []
    resumed, result = run(tmp_path / "cut", config, progress=lambda done, total, what: reports.append(done))
    assert reports[0] == batch // 4 * 4 + 1
    assert same(whole, resumed)
    pd.testing.assert_frame_equal(untimed(result.history), untimed(expected.history))
    assert (result.best_epoch, result.best_accuracy) == (expected.best_epoch, expected.best_accuracy)
    assert result.seconds == pytest.approx(values(result.history, "train", "seconds").sum())


def test_a_training_killed_between_its_two_files_still_ends_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_weights", killed)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "cut")
    assert [p.name for p in (tmp_path / "cut").iterdir()] == ["resume.safetensors"]
    assert same(run(tmp_path / "cut")[0], run(tmp_path / "whole")[0])


def test_a_finished_training_has_nothing_left_to_do(tmp_path: Path) -> None:
    run(tmp_path / "cut")  # killed before its weights became a run
    reports: list[int] = []
    module, result = run(tmp_path / "cut", progress=lambda done, total, what: reports.append(done))
    assert reports == []
    assert len(result.history) == 3 * 2 * 4
    assert same(module, run(tmp_path / "whole")[0])


def test_another_unfinished_training_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        run(tmp_path, **cancel_after(5))
    with pytest.raises(BadInput, match="another training lies here unfinished"):
        run(tmp_path, replace(CONFIG, learning_rate=1e-3))
    (tmp_path / "resume.safetensors").write_bytes(b"half a file")
    with pytest.raises(BadInput, match="damaged"):
        run(tmp_path)


def test_a_training_that_an_earlier_version_left_unfinished_goes_on(tmp_path: Path) -> None:
    whole, expected = run(tmp_path / "whole")
    with pytest.raises(Cancelled):
        run(tmp_path / "cut", **cancel_after(8))
    path = tmp_path / "cut" / "resume.safetensors"
    with safetensors.safe_open(path, framework="pt") as file:
        standing = json.loads(file.metadata()["standing"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
    config = CONFIG.resolved().as_dict()
    for later in ("head_learning_rate", "annotations", "tiles_of"):
        del config[later]
    about = {"config": config, "classes": list(NAMES), "preprocess": GREY.as_dict()}
    splits = [([len(part), 28, 28, 1], digest(part.labels.tolist())) for part in (TRAINING, VALIDATION)]
    standing["identity"] = digest(about | {"data": splits})
    standing["history"] = by_epoch(pd.DataFrame(standing["history"]))
    safetensors.torch.save_file(tensors, path, metadata={"standing": json.dumps(standing)})
    resumed, result = run(tmp_path / "cut")
    assert same(whole, resumed)
    pd.testing.assert_frame_equal(untimed(result.history), untimed(expected.history))


def test_fine_tuning_trains_the_head_first(tmp_path: Path) -> None:
    two_classes, _ = starting_module(CONFIG, 2, GREY)
    save_weights(two_classes, tmp_path / "init.safetensors")
    config = replace(CONFIG, init=str(tmp_path / "init.safetensors"), head_epochs=2, epochs=2)
    module, notes = starting_module(config, 3, GREY)
    assert notes == ["Layer head starts fresh: the file has 2 classes, the data 3."]
    module.features[0].weight.requires_grad_(False)
    head = module.head.weight.clone()
    train(module, DATA, config, folder=tmp_path / "run")
    body = {n: t for n, t in module.state_dict().items() if n.startswith("features.")}
    assert all(torch.equal(t, two_classes.state_dict()[n]) for n, t in body.items()), "batch norm counts as well"
    assert not torch.equal(module.head.weight, head)
    flags = {n: p.requires_grad for n, p in module.named_parameters()}
    assert [n for n, flag in flags.items() if not flag] == ["features.0.weight"]
    moved: list[bool] = []

    def watch(done: int, total: int, what: str) -> None:
        moved.append(not torch.equal(module.features[4].weight, two_classes.features[4].weight))

    later = replace(config, epochs=3)
    train(module, DATA, later, folder=tmp_path / "later", progress=watch)
    assert moved == [False] * 8 + [True] * 4


def test_fine_tuning_resumes_after_its_head_stage(tmp_path: Path) -> None:
    save_weights(starting_module(CONFIG, 2, GREY)[0], tmp_path / "init.safetensors")
    config = replace(CONFIG, init=str(tmp_path / "init.safetensors"))
    with pytest.raises(Cancelled):
        run(tmp_path / "cut", config, **cancel_after(5))
    assert same(run(tmp_path / "cut", config)[0], run(tmp_path / "whole", config)[0])


def test_divergence_is_told_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, _ = starting_module(CONFIG, 3, GREY)
    with torch.no_grad():
        module.head.weight.fill_(float("inf"))
    with pytest.raises(XaiError, match=r"diverged.*epoch 1\. Lower the learning rate \(now 0.003\)"):
        train(module, DATA, CONFIG, folder=tmp_path)


def test_empty_splits_and_unnamed_labels_are_told(tmp_path: Path) -> None:
    module, _ = starting_module(CONFIG, 3, GREY)
    empty = PictureArrays(np.zeros((0, 28, 28, 1), np.uint8), np.zeros(0, np.int64))
    with pytest.raises(BadInput, match="validation split is empty"):
        train(module, replace(DATA, validation=empty), CONFIG, folder=tmp_path)
    with pytest.raises(BadInput, match="no class name"):
        train(module, replace(DATA, class_names=NAMES[:2]), CONFIG, folder=tmp_path)


def test_bfloat16_learns_too(tmp_path: Path) -> None:
    assert run(tmp_path, replace(CONFIG, precision="bfloat16", epochs=4))[1].best_accuracy > 0.8


def test_configurations_are_json_and_resolve_their_defaults() -> None:
    config = TrainConfig(architecture="resnet18", augmentations={"flip": {}, "affine": {"degrees": 5}})
    assert TrainConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config
    scratch, tuned = config.resolved(), replace(config, init="w.pth").resolved()
    assert (scratch.batch_size, scratch.learning_rate, scratch.head_epochs) == (128, 6e-3, 0)
    assert (tuned.batch_size, tuned.learning_rate, tuned.head_epochs) == (32, 3e-4, 1)
    assert scratch.resolved() == scratch
    transformer = replace(config, architecture="small_vit")
    assert transformer.resolved().learning_rate == 1e-3
    assert replace(transformer, learning_rate=6e-3).resolved().learning_rate == 6e-3
    assert replace(transformer, init="w.pth").resolved().learning_rate == 3e-4
    assert scratch.augmentations["affine"]["degrees"] == 5.0
    assert scratch.loss_params == {"label_smoothing": 0.0}
    json.dumps(scratch.as_dict())


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"architecture": "resnet19"}, NotFound, "resnet18"),
        ({"loss": "cross-entropy"}, NotFound, "cross_entropy"),
        ({"loss_params": {"smoothing": 1}}, NotFound, "label_smoothing"),
        ({"augmentations": {"flop": {}}}, NotFound, "flip"),
        ({"epochs": 0}, BadParameter, "epochs"),
        ({"precision": "float16"}, BadParameter, "bfloat16"),
        ({"init": "w.pth", "head_epochs": 9}, BadParameter, "head epochs"),
    ],
)
def test_wrong_configurations_are_told(changes: dict, error: type[XaiError], says: str) -> None:
    with pytest.raises(error, match=says):
        replace(CONFIG, **changes).resolved()
    with pytest.raises(NotFound, match="epochs"):
        TrainConfig.from_dict({"epoch": 3})


@pytest.mark.parametrize("steps", [2, 7, 10, 100])
def test_the_one_cycle_is_torchs(steps: int) -> None:
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    oracle = OneCycleLR(optimiser, 0.1, total_steps=steps, cycle_momentum=False, final_div_factor=1e4)
    expected = []
    for _ in range(steps):
        expected.append(oracle.get_last_lr()[0])
        optimiser.step()
        if len(expected) < steps:
            oracle.step()
    if steps > 3:  # torch starts its fall before step 0 otherwise
        assert [one_cycle(s, steps, 0.1) for s in range(steps)] == pytest.approx(expected, rel=1e-6)
    assert one_cycle(steps - 1, steps, 0.1) == pytest.approx(0.1 / 250_000)


def test_stages_cover_every_epoch_once() -> None:
    config = replace(CONFIG, init="x", epochs=5, head_epochs=2)
    assert [(s.first, s.epochs, s.head_only) for s in stages(config.resolved())] == [(1, 2, True), (3, 3, False)]
    assert [(s.first, s.epochs) for s in stages(CONFIG.resolved())] == [(1, 3)]
    assert [s.peak for s in stages(config.resolved())] == pytest.approx([3e-2, 3e-3])
    paper = replace(config, head_learning_rate=1e-3, learning_rate=3e-4)
    assert [s.peak for s in stages(paper.resolved())] == [1e-3, 3e-4]


def test_pictures_are_loaded_in_order() -> None:
    reports: list[int] = []
    loaded = load_pictures(
        lambda row: Image.new("L", (40, 30), row), [3, 1, 2], GREY, lambda d, t, w: reports.append(d)
    )
    assert loaded.shape == (3, 28, 28, 1)
    assert loaded[:, 0, 0, 0].tolist() == [3, 1, 2]
    assert reports == [1, 2, 3]

    def unreadable(row: int) -> Image.Image:
        raise BadInput("not a picture", value=row, remedy="Leave it out.")

    with pytest.raises(BadInput, match="not a picture"):
        load_pictures(unreadable, [1, 2], GREY)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        load_pictures(lambda row: Image.new("L", (40, 30)), [1, 2], GREY, cancel=token)


def test_training_sees_what_prediction_sees() -> None:
    ours = normaliser(GREY, torch.device("cpu"))(scaled(TRAINING.pixels, np.arange(5), torch.device("cpu")))
    torch.testing.assert_close(ours, torch.from_numpy(GREY.normalise(TRAINING.pixels[:5])), rtol=0, atol=1e-6)


def test_class_weights_and_batches() -> None:
    weights = class_weights(np.array([0, 0, 0, 1]), 3)
    assert weights.tolist() == pytest.approx([0.5, 1.5, 0.0])
    order = np.arange(9)
    assert [len(b) for b in batches(order, 4)] == [4, 4, 1]
    assert [len(b) for b in batches(order, 4, training=True)] == [4, 4]
    assert [len(b) for b in batches(order[:1], 4, training=True)] == [1]


def test_every_architecture_has_the_head_that_training_freezes_around() -> None:
    assert all(member.head for member in ARCHITECTURES)


def test_shuffled_labels_keep_their_numbers_and_choose_the_epoch_by_what_is_memorised() -> None:
    pixels, labels = np.zeros((40, 8, 8, 3), np.uint8), np.repeat(np.arange(4), 10)
    prepared = Preprocess(8, 8, 3, (0.5,) * 3, (0.25,) * 3)
    data = TrainingData(PictureArrays(pixels, labels), PictureArrays(pixels[:4], labels[:4]), tuple("abcd"), prepared)
    shuffled = on_random_labels(data, 3)
    assert sorted(shuffled.training.labels) == sorted(labels)
    assert not (shuffled.training.labels == labels).all()
    np.testing.assert_array_equal(shuffled.validation.labels, shuffled.training.labels)
    np.testing.assert_array_equal(on_random_labels(data, 3).training.labels, shuffled.training.labels)
    assert (data.training.labels == labels).all()
