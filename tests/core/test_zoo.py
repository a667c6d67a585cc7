"""Models of torchvision and timm by name: built offline, with their preprocessing, a layer for maps, and told."""

from __future__ import annotations

import builtins
import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny_study import fails, write_pictures, xai, xai_json
from xai_core.errors import NotFound, XaiError
from xai_core.models.build import make_preprocess
from xai_core.models.preprocess import Preprocess
from xai_core.models.tokens import Tokens
from xai_core.models.zoo import in_zoo, is_own_code, token_layer, zoo_classes, zoo_module, zoo_preprocess
from xai_core.pipeline.class_match import answer_for
from xai_core.pipeline.imports import Model
from xai_core.pipeline.library import as_the_library_says
from xai_core.pipeline.load import load_classifier
from xai_core.store.study import Study

Capture = pytest.CaptureFixture[str]
TIMM = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed")
CLASSES = "dark blue,green,red"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zoo")
    xai("new", folder / "colours", "--dataset", "image-folder", "--data", write_pictures(folder / "p", per_class=3))
    return folder / "colours"


def _prep(size: int) -> Preprocess:
    return Preprocess(size, size, 3, (0.5,) * 3, (0.5,) * 3)


def _imported(study: Path, capsys: Capture, spec: str, run: str, size: int, *more: str) -> dict[str, Any]:
    torch.manual_seed(0)
    weights = study.parent / f"{run}.pt"
    torch.save(zoo_module(spec, 3, _prep(size)).state_dict(), weights)
    words = ["--arch", spec, "--weights", weights, "--classes", CLASSES, *more]
    return xai_json(capsys, "import", study, "--run", run, *words)


@pytest.mark.parametrize("spec", ["torchvision:shufflenet_v2_x0_5", pytest.param("timm:resnet10t", marks=TIMM)])
def test_a_librarys_model_is_imported_with_its_own_preprocessing_predicted_and_explained(
    study: Path, capsys: Capture, spec: str
) -> None:
    name = spec.replace(":", "-")
    result = _imported(study, capsys, spec, name, 64, "--size", "64")
    assert any("mean, std" in note and " as of " in note for note in result["notes"])
    assert any("the last layer that the whole answer passes through" in note for note in result["notes"])
    run = Study.open(study).run(name)
    assert run.info.preprocess is not None
    assert run.info.preprocess["mean"] == pytest.approx([0.485, 0.456, 0.406])
    xai("predict", study, "--run", name)
    explained = xai_json(capsys, "explain", study, "--run", name, "--methods", "gradcam,saliency", "--limit", "1")
    assert all(state == {"stored": 1, "refused": 0} for state in explained["methods"].values())
    assert load_classifier(run).fingerprint == run.info.fingerprint  # no code of anybody's: no trust is asked for


@pytest.mark.parametrize(
    ("spec", "size", "prefix"),
    [
        ("torchvision:vit_b_32", 64, 1),
        pytest.param("timm:vit_tiny_patch16_224", 64, 1, marks=TIMM),
        pytest.param("timm:deit_tiny_distilled_patch16_224", 64, 2, marks=TIMM),
    ],
)
def test_tokens_of_a_transformer_are_laid_on_the_picture(spec: str, size: int, prefix: int) -> None:
    module = zoo_module(spec, 3, _prep(size)).eval()
    layer, tokens = token_layer(module, _prep(size))
    assert isinstance(tokens, Tokens)
    assert tokens.prefix == prefix
    seen: list[torch.Tensor] = []
    module.get_submodule(layer).register_forward_hook(lambda _, __, out: seen.append(out))
    with torch.no_grad():
        module(torch.zeros(2, 3, size, size))
    grid = tokens(seen[0])
    assert grid.shape == (2, seen[0].shape[2], tokens.rows, tokens.columns)
    assert torch.equal(grid[:, :, 0, 1], seen[0][:, prefix + 1])
    assert torch.equal(tokens(grid), grid)


FAMILIES = {  # the smallest of each, and the side of a picture that it takes
    **dict.fromkeys(("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s"), 64),
    **dict.fromkeys(("googlenet", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf"), 64),
    **dict.fromkeys(("regnet_y_400mf", "resnet18", "resnext50_32x4d", "wide_resnet50_2", "shufflenet_v2_x0_5"), 64),
    **dict.fromkeys(("squeezenet1_1", "swin_t", "swin_v2_t", "vit_b_32"), 64),
    "vgg11": 32,
    "inception_v3": 96,
    "maxvit_t": 224,
}
TIMM_FAMILIES = {
    **dict.fromkeys(("vit_tiny_patch16_224", "deit_tiny_patch16_224", "mixer_s32_224"), 64),
    **dict.fromkeys(("swin_tiny_patch4_window7_224", "convnext_atto", "efficientnet_b0", "regnetx_002"), 224),
    **dict.fromkeys(("mobilenetv3_small_050", "resnet18", "resnet26d"), 75),
}
QUICK = {"squeezenet1_1", "mnasnet0_5", "resnet18", "convnext_atto"}


def _each(library: str, families: dict[str, int], *marks: pytest.MarkDecorator) -> list[Any]:
    often = {True: pytest.mark.slow, False: pytest.mark.full}
    return [
        pytest.param(f"{library}:{name}", size, marks=[often[name in QUICK], *marks]) for name, size in families.items()
    ]


@pytest.mark.parametrize(("spec", "size"), [*_each("torchvision", FAMILIES), *_each("timm", TIMM_FAMILIES, TIMM)])
def test_each_family_is_built_answers_and_is_known_by_its_library(spec: str, size: int) -> None:
    prep = _prep(size)
    module = zoo_module(spec, 3, prep).eval()
    with torch.no_grad():
        found = module(torch.zeros(2, *(prep.channels, prep.height, prep.width)))
    assert isinstance(found, torch.Tensor)
    assert found.shape == (2, 3)
    values, _ = zoo_preprocess(spec)
    assert make_preprocess(values.pop("size"), values.pop("mean"), values.pop("std"), **values).channels == 3
    assert len(zoo_classes(spec)) == 1000


@TIMM
def test_a_transformer_gets_maps_at_its_tokens(study: Path, capsys: Capture) -> None:
    result = _imported(study, capsys, "timm:vit_tiny_patch16_224", "vit", 64, "--size", "64")
    assert result["cam_layer"] == "blocks.11.norm1"
    xai("predict", study, "--run", "vit")
    explained = xai_json(capsys, "explain", study, "--run", "vit", "--methods", "gradcam", "--limit", "1")
    assert explained["methods"]["gradcam"] == {"stored": 1, "refused": 0}


def test_what_torchvision_says_of_its_weights_is_taken() -> None:
    first, _ = zoo_preprocess("torchvision:resnet50", Path("resnet50-0676ba61.pth"))
    assert (first["size"], first["resize"], first["interpolation"]) == (224, 256, "bilinear")
    newer, source = zoo_preprocess("torchvision:resnet50")
    assert (newer["resize"], source) == (232, "ResNet50_Weights.IMAGENET1K_V2")
    assert zoo_preprocess("torchvision:inception_v3")[0]["mean"] == (0.5, 0.5, 0.5)


def test_what_is_said_of_a_crop_goes_before_the_librarys(study: Path) -> None:
    look: dict[str, Any] = {"spec": "torchvision:resnet50", "weights": Path("resnet50-0676ba61.pth"), "classes": ("a",)}
    for given, size, resize, fit in (
        ({}, 224, 256, None),
        ({"resize": 300}, 224, 300, None),
        ({"crop_share": 0.5}, 224, None, None),
        ({"fit": "squash"}, 224, None, "squash"),
        ({"size": 64}, 64, None, None),
        ({"size": 64, "fit": "crop"}, 64, None, "crop"),
    ):
        model, said = as_the_library_says(Study.open(study), Model(**look, **given))
        assert (model.size, model.resize, model.fit) == (size, resize, fit)
        assert model.mean == pytest.approx((0.485, 0.456, 0.406))
        assert "mean, std" in said[0]


@pytest.mark.parametrize("spec", ["torchvision:resnet18", pytest.param("timm:resnet18", marks=TIMM)])
def test_classes_of_the_librarys_own_weights_are_known(spec: str, tmp_path: Path) -> None:
    data, folder = write_pictures(tmp_path / "p", per_class=3), tmp_path / "s"
    names = {"red": "goldfish", "green": "tailed_frog", "dark blue": "hen"}
    for each in data.glob("*/*"):
        each.rename(each.with_name(names[each.name]))
    xai("new", folder, "--dataset", "image-folder", "--data", data)
    model, said = as_the_library_says(Study.open(folder), Model(spec))
    assert model.classes is not None
    assert len(model.classes) == 1000
    assert any("1,000 classes as of" in each for each in said)
    answer, _ = answer_for(Study.open(folder), model.classes)
    assert answer.picked == (1, 8, 32)
    (data / "train" / "hen").rename(data / "train" / "no such bird")
    xai("new", tmp_path / "t", "--dataset", "image-folder", "--data", data / "train")
    assert as_the_library_says(Study.open(tmp_path / "t"), Model(spec))[0].classes is None


@TIMM
def test_what_timm_says_of_its_weights_is_taken() -> None:
    values, source = zoo_preprocess("timm:vit_tiny_patch16_224")
    assert (values["size"], values["crop_share"], values["interpolation"]) == (224, 0.9, "bicubic")
    assert values["mean"] == (0.5, 0.5, 0.5)
    assert source.startswith("timm's vit_tiny_patch16_224.")


def test_mistakes_are_told_in_one_line(study: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["import", study, "--run", "x", "--weights", "none.pt", "--classes", CLASSES, "--arch"]
    assert "no model of this name in torchvision: resnet51. Did you mean resnet" in fails(
        capsys, *words, "torchvision:resnet51"
    )
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "timm":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    line = fails(capsys, *words, "timm:resnet18")
    assert "timm is not installed: timm:resnet18. Install it: pip install 'second-look[timm]'." in line
    with pytest.raises(XaiError, match="not installed"):
        zoo_module("timm:resnet18", 3, _prep(64))


def test_a_librarys_model_is_no_code_of_a_persons_own() -> None:
    assert in_zoo("timm:resnet18")
    assert not is_own_code("torchvision:resnet18")
    assert is_own_code("torchvision.models:resnet18")
    assert not in_zoo("resnet18")
    assert not is_own_code("resnet18")
    with pytest.raises(NotFound):
        zoo_module("torchvision:../x", 3, _prep(64))
