"""`docs/import.md`: every line of its tables is run, on files made as the line says."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file
from torch import nn

import xai_core as xai
from tests.conftest import ROOT
from tests.core.test_datasets_contract import SMALL
from tests.core.test_hugging_face import write_folder
from tests.tiny_study import fails
from xai_core.cli.main import main
from xai_core.models.build import fresh_module
from xai_core.models.preprocess import Preprocess
from xai_core.models.zoo import zoo_module
from xai_core.pipeline.load import load_classifier
from xai_core.store.run import Run
from xai_core.store.study import Study

PAGE = (ROOT / "docs" / "import.md").read_text(encoding="utf-8")
CLASSES = ("cat", "dog")
KNOWN = "--size 32 --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5 --classes cat,dog"
INPUT = Preprocess(32, 32, 3, (0.5,) * 3, (0.5,) * 3)


def lines_of(section: str, title: str = "what you have | what you say") -> dict[str, str]:
    """A table of the page: what stands in the second column by what stands in the first."""
    table = PAGE.split(f"## {section}\n", 1)[1].split(f"| {title} |", 1)[1].split("\n\n", 1)[0]
    cells = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    assert all(len(pair) == 2 for pair in cells)
    return dict(cells)


def line(lines: Mapping[str, str], about: str) -> str:
    """The code of the one line that is about this."""
    (found,) = [second for first, second in lines.items() if about in first]
    return re.sub(r"\bknown$", KNOWN, found.strip("`"))


def covered(lines: Mapping[str, str], cases: Mapping[str, Any]) -> None:
    """Each line has exactly one case, and each case exactly one line."""
    assert sorted(sum(about in first for first in lines) for about in cases) == [1] * len(cases)
    assert len(lines) == len(cases)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder of a person."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield tmp_path
    sys.modules.pop("nets", None)


# Pictures and their labels


def picture(number: int, side: int = 40) -> Image.Image:
    """Noise of its own, as no two pictures are the same, around a dark (even) or bright (odd) middle."""
    pixels = np.random.default_rng(number).integers(0, 255, (side, side, 3)).astype(np.uint8)
    pixels[side // 4 : -side // 4, side // 4 : -side // 4] = 200 if number % 2 else 30
    return Image.fromarray(pixels)


def put(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(number).save(path)


def folders(root: Path, *, each: int = 8, names: tuple[str, str] = CLASSES) -> None:
    for number in range(2 * each):
        put(root / names[number % 2] / f"{number // 2}.png", number)


def splits(root: Path) -> None:
    for start, split in enumerate(("Train", "val", "TEST")):
        for number in range(6):
            put(root / split / CLASSES[number % 2] / f"{number}.png", 100 * start + number)


def kaggle(root: Path) -> None:
    for start, split in enumerate(("training_set", "test_set")):
        for number in range(12):
            name = CLASSES[number % 2]
            put(root / split / split / f"{name}s" / f"{name}.{number}.jpg", 100 * start + number)


def sites(root: Path) -> None:
    for start, site in enumerate(("site-a", "site-b")):
        for number in range(8):
            put(root / site / CLASSES[number % 2] / f"{number}.png", 100 * start + number)


def by_id(root: Path) -> None:
    folders(root / "photos", names=("n02121808", "n02084071"))
    (root / "names.txt").write_text("n02121808 cat\nn02084071 dog\n")


def beside(root: Path) -> None:
    folders(root)
    for file, corner in (("1_mask.png", 0), ("1_mask_2.png", 20)):
        mask = Image.new("L", (40, 40))
        ImageDraw.Draw(mask).rectangle((corner, corner, corner + 9, corner + 9), fill=255)
        mask.save(root / "cat" / file)


def apart(root: Path) -> None:
    folders(root / "photos")
    (root / "masks" / "cat").mkdir(parents=True)
    Image.new("1", (40, 40), 1).save(root / "masks" / "cat" / "1.png")


def table(root: Path, path: str = "path", label: str = "label", names: tuple[Any, Any] = CLASSES) -> pd.DataFrame:
    lines = []
    for number in range(16):
        put(root / f"{number}.png", number)
        lines.append({path: f"{number}.png", label: names[number % 2], "camera": "AB"[number // 8]})
    return pd.DataFrame(lines)


def csv(root: Path, *names: Any) -> None:
    table(root, *names).to_csv(root / "labels.csv", index=False)


def excel(root: Path) -> None:
    lines = table(root / "pictures" / "day 1")
    lines["path"] = "day 1\\" + lines["path"]
    lines.to_csv(root / "labels.csv", index=False, sep=";", encoding="utf-16")


DATA: dict[str, Callable[[Path], object]] = {
    "a folder for each class": lambda root: folders(root / "photos"),
    "folders of splits": lambda root: splits(root / "photos"),
    "Kaggle": lambda root: kaggle(root / "archive"),
    "deeper down": lambda root: sites(root / "photos"),
    "test alone": lambda root: folders(root / "photos", each=1),
    "called by ids": by_id,
    "beside their pictures": lambda root: beside(root / "photos"),
    "masks in a folder": apart,
    "CSV file of paths": csv,
    "Excel": excel,
    "as Parquet": lambda root: table(root).to_parquet(root / "labels.parquet"),
    "table beside them": lambda root: csv(root / "photos"),
    "nobody could guess": lambda root: csv(root, "where", "what"),
    "labels that are numbers": lambda root: csv(root, "path", "label", (0, 1)),
    "Fashion-MNIST": lambda root: SMALL["fashion-mnist"](root / "fashion"),
    "data frame": table,
    "torch `Dataset`": lambda root: [(picture(number), number % 2) for number in range(16)],
}
EXPECTED: dict[str, dict[str, int]] = {
    "folders of splits": {"train": 6, "validation": 6, "test": 6},
    "test alone": {"train": 0, "validation": 0, "test": 2},
}
DATA_LINES = lines_of("Pictures and their labels")


def test_each_way_to_bring_pictures_is_tried() -> None:
    covered(DATA_LINES, DATA)


@pytest.mark.parametrize("about", DATA)
def test_pictures_and_labels_come_in(about: str, here: Path) -> None:
    (here / "fashion").mkdir()
    given = DATA[about](here)
    said = line(DATA_LINES, about)
    if said.startswith("xai "):
        said += " --set fashion-mnist.validation=20" if "fashion" in said else ""
        assert main(shlex.split(said)[1:]) == 0
    else:
        exec(said, {"xai": xai, "frame": given, "pairs": given})
    study = Study.open(here / "mine")
    names = {"Kaggle": ("cats", "dogs")}.get(about, CLASSES)
    assert len(study.class_names) == 10 if about == "Fashion-MNIST" else set(study.class_names) == set(names)
    counts = study.samples["split"].value_counts().to_dict()
    assert EXPECTED.get(about, {}).items() <= ({"train": 0, "validation": 0} | counts).items()
    assert study.samples["has_mask"].sum() == (about in ("beside their pictures", "masks in a folder"))
    if about in ("CSV file of paths", "as Parquet", "data frame"):
        assert study.facts.names == ("camera",)


# Kinds of pictures


def _sixteen(path: Path) -> None:
    Image.fromarray((np.arange(1600).reshape(40, 40) * 40).astype(np.uint16)).save(path)


def _turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(3).resize((40, 20)).save(path, exif=exif)


def _transparent(path: Path) -> None:
    Image.new("RGBA", (40, 40), (10, 200, 10, 0)).save(path)


SAVED: dict[str, Callable[[Path], object]] = {
    "turned.jpg": _turned,
    "cmyk.jpg": lambda path: picture(5).convert("CMYK").save(path),
    "palette.png": lambda path: picture(7).convert("P", palette=Image.Palette.ADAPTIVE).save(path),
    "transparent.png": _transparent,
    "grey.png": lambda path: picture(9).convert("L").save(path),
    "sixteen.png": _sixteen,
    "noname": lambda path: picture(11).save(path, format="PNG"),
    "broken.jpg": lambda path: path.write_bytes(b"\xff\xd8\xff\xe0 no more"),
    "notes.pdf": lambda path: path.write_bytes(b"%PDF-1.4"),
    ".DS_Store": lambda path: path.write_bytes(b"\0"),
}
"""How a file of this name is made; any other is saved by its suffix."""


def test_every_kind_of_picture_is_read_as_the_page_says(here: Path) -> None:
    folders(here / "photos")
    kinds = lines_of("Pictures and their labels", "pictures | what is read")
    names = [name for first in kinds for name in re.findall(r"`(\S+)`", first)]
    assert set(SAVED) < set(names)
    for number, name in enumerate(names, 200):
        SAVED.get(name, picture(number).save)(here / "photos" / "cat" / name)
    assert main(["new", "mine", "--data", "photos"]) == 0
    study = Study.open(here / "mine")
    rows = {Path(path).name: row for row, path in enumerate(study.samples["path"])}
    left_out = {"broken.jpg", "notes.pdf", ".DS_Store"}
    assert {name for name in names if name not in rows} == left_out
    assert [path for path, _ in study.info.unreadable] == ["cat/broken.jpg"]
    assert study.picture(rows["turned.jpg"]).size == (20, 40)
    assert study.picture(rows["transparent.png"]).getpixel((0, 0)) == (255, 255, 255)
    assert {name: study.picture(rows[name]).mode for name in ("grey.png", "sixteen.png", "cmyk.jpg")} == {
        "grey.png": "L", "sixteen.png": "L", "cmyk.jpg": "RGB",
    }  # fmt: skip
    notes = " ".join(study.info.notes)
    assert "16 bits" in notes or "65535" in notes or "grey" in notes


# Models

CODE = """
import torch
from torch import nn

class build(nn.Sequential):
    def __init__(self, num_classes):
        torch.manual_seed(3)
        super().__init__(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.append(nn.Linear(4, num_classes))

net = build(2)

def trained():
    return build(2)

class Parts(build):
    def forward(self, x):
        return {"doubled": [super().forward(x)], "logits": super().forward(x)}
"""


class Logits(nn.Module):
    """What a model of transformers calls so."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(x).logits
        return logits


class Picked(nn.Module):
    """Some outputs of a model."""

    def __init__(self, model: nn.Module, places: list[int]) -> None:
        super().__init__()
        self.model, self.places = model, places

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(x)
        return logits[:, self.places]


def own_net(root: Path, code: str = CODE) -> nn.Module:
    (root / "nets.py").write_text(code)
    module: nn.Module = importlib.import_module("nets").net
    return module


def theirs() -> nn.Module:
    return fresh_module("small_resnet", 2, INPUT, seed=4)


def begun(prefix: str) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": value for name, value in theirs().state_dict().items()}


def training(root: Path) -> nn.Module:
    momentum = {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    torch.save({"epoch": 3, "optimizer": momentum, "model": begun("module.")}, root / "checkpoint.pt")
    return theirs()


def lightning(root: Path) -> nn.Module:
    saved = {"epoch": 3, "pytorch-lightning_version": "2.4", "hyper_parameters": {"lr": 0.1}}
    torch.save(saved | {"state_dict": begun("model."), "optimizer_states": []}, root / "last.ckpt")
    return theirs()


def saved(module: nn.Module, path: Path) -> nn.Module:
    torch.save(module.state_dict(), path)
    return module


def half(root: Path) -> nn.Module:
    module = saved(theirs().half(), root / "half.pth")
    return module.float()


def safe(root: Path) -> nn.Module:
    save_file(dict(theirs().state_dict()), root / "net.safetensors")
    return theirs()


def of_library(spec: str, path: Path) -> nn.Module:
    torch.manual_seed(5)
    return saved(zoo_module(spec, 2, Preprocess(64, 64, 3, (0.5,) * 3, (0.5,) * 3)), path)


def whole(root: Path) -> None:
    own_net(root)
    torch.save(nn.Linear(3, 2), root / "whole.pt")


def hugging_face(root: Path) -> nn.Module:
    """Of more classes, by the names in its configuration."""
    model = write_folder(root / "folder", "vit")
    config = json.loads((root / "folder" / "config.json").read_text())
    config["id2label"] = dict(enumerate(("bird", "dog", "fish", "cat")))
    (root / "folder" / "config.json").write_text(json.dumps(config))
    return Picked(Logits(model), [3, 1])


def wide(root: Path) -> nn.Module:
    own_net(root)
    return Picked(saved(importlib.import_module("nets").build(4), root / "wide.pth"), [3, 1])


MODELS: dict[str, Callable[[Path], nn.Module | None]] = {
    "a state dict of one": lambda root: saved(theirs(), root / "net.pth"),
    "same as safetensors": safe,
    "training checkpoint": training,
    "Lightning": lightning,
    "half precision": half,
    "model of torchvision": lambda root: of_library("torchvision:shufflenet_v2_x0_5", root / "shuffle.pth"),
    "model of timm": lambda root: of_library("timm:resnet10t", root / "timm.pth"),
    "Hugging Face": hugging_face,
    "function or class": lambda root: saved(own_net(root), root / "own.pth"),
    "there ready": lambda root: saved(own_net(root), root / "own.pth"),
    "returns a trained": own_net,
    "dictionary or a tuple": lambda root: saved(own_net(root), root / "parts.pth"),
    "another order": lambda root: Picked(saved(own_net(root), root / "own.pth"), [1, 0]),
    "more classes": wide,
    "live module": own_net,
    "whole pickled": whole,
}
"""Write the files that a line names; returns the model as its owner has it."""
MODEL_LINES = lines_of("Models")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of two classes, which no test changes."""
    folder = tmp_path_factory.mktemp("drawn") / "photos"
    folders(folder, each=4)
    return folder


@pytest.fixture
def mine(here: Path, drawn: Path) -> Study:
    """A study to bring models to."""
    assert main(["new", "mine", "--data", str(drawn)]) == 0
    return Study.open(here / "mine")


def test_each_way_to_bring_a_model_is_tried() -> None:
    covered(MODEL_LINES, MODELS)


@pytest.mark.parametrize("about", [about for about in MODELS if about != "whole pickled"])
def test_a_model_comes_in_and_answers_as_its_owner_has_it(about: str, here: Path, mine: Study) -> None:
    model = MODELS[about](here)
    assert model is not None
    said = line(MODEL_LINES, about)
    if said.startswith("xai "):
        assert main(shlex.split(said)[1:]) == 0
    else:
        exec(said, {"study": xai.open_study("mine"), "net": model})
    made = load_classifier(mine.run("theirs"))
    x = torch.rand(2, *made.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = model.eval()(x)
        torch.testing.assert_close(made.logits(x.to(made.device)).cpu(), wanted, rtol=1e-4, atol=1e-5)
    assert main(["predict", "mine", "--run", "theirs", "--limit", "2"]) == 0


def test_what_would_run_code_is_refused_and_says_how_to_save_it(
    here: Path, mine: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    MODELS["whole pickled"](here)
    words = ["--arch", "nets:build", "--weights", "whole.pt", *KNOWN.split()]
    assert "model.state_dict()" in fails(capsys, "import", "mine", "--run", "theirs", *words)


INPUTS = lines_of("Models", "it was trained with | add")


@pytest.mark.parametrize("trained", INPUTS)
def test_a_model_is_asked_as_it_was_trained(trained: str, here: Path, mine: Study) -> None:
    """What each flag does is compared with torchvision's in `test_preprocess.py`; here, that a line can be copied."""
    added = shlex.split(INPUTS[trained].strip("`"))
    grey = added[added.index("--mean") + 1].count(",") == 0 if "--mean" in added else False
    words = ["--arch", "nets:build", "--classes", "cat,dog", "--try-on", "0", "--cam-layer", "0", *added]
    words += [] if "--mean" in added else ["--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5"]
    saved(own_net(here, CODE.replace("Conv2d(3", "Conv2d(1") if grey else CODE), here / "own.pth")
    assert main(["import", "mine", "--run", "theirs", "--weights", "own.pth", *words]) == 0
    assert main(["predict", "mine", "--run", "theirs", "--limit", "1"]) == 0


# Predictions alone


def answers(path: Path, mine: Study, *, names: Callable[[str], str] = str, key: str = "id", digits: int = 6) -> Path:
    """Surer and surer that it is a cat."""
    ids = mine.samples["id"]
    cat = np.linspace(0.3, 0.9, len(ids)).round(digits)
    values = {key: ids.map(names), "cat": cat, "dog": (1 - cat).round(digits)}
    pd.DataFrame(values).to_csv(path, index=False)
    return path


def logits(path: Path, mine: Study) -> Path:
    ids = mine.samples["id"]
    odds = np.log(np.linspace(0.3, 0.9, len(ids)) / np.linspace(0.7, 0.1, len(ids)))
    pd.DataFrame({"id": ids, "cat": odds + 1, "dog": 1}).to_csv(path, index=False)
    return path


def labels(path: Path, mine: Study, **more: float) -> Path:
    values = {"id": mine.samples["id"], "predicted": ["cat", "dog"] * (len(mine.samples) // 2)}
    pd.DataFrame(values | more).to_csv(path, index=False)
    return path


PREDICTIONS: dict[str, Callable[[Path, Study], Path]] = {
    "a probability for each class": lambda root, mine: answers(root / "answers.csv", mine),
    "names of files": lambda root, mine: answers(
        root / "rounded.csv", mine, names=lambda text: f"/data/{text}", digits=2
    ),
    "by another name": lambda root, mine: answers(root / "named.csv", mine, key="key"),
    "logits": lambda root, mine: logits(root / "logits.csv", mine),
    "class alone": lambda root, mine: labels(root / "labels.csv", mine),
    "class and its": lambda root, mine: labels(root / "sure.csv", mine, confidence=0.75),
}
PREDICTION_LINES = lines_of("Predictions alone")


def test_each_way_to_bring_predictions_is_tried() -> None:
    covered(PREDICTION_LINES, PREDICTIONS)


@pytest.mark.parametrize("about", PREDICTIONS)
def test_predictions_come_in(about: str, here: Path, mine: Study) -> None:
    PREDICTIONS[about](here, mine)
    assert main(shlex.split(line(PREDICTION_LINES, about))[1:]) == 0
    run: Run = mine.run("theirs")
    assert run.predictions is not None
    if "class a" in about:
        assert run.predictions.predicted.tolist() == [0, 1] * 4
    else:
        np.testing.assert_allclose(run.predictions.probabilities[:, 0], np.linspace(0.3, 0.9, 8), atol=0.006)
