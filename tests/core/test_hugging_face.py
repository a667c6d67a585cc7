"""Folders of transformers: built offline, small and random, and imported with nothing but their path."""

from __future__ import annotations

import builtins
import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tiny_study import fails, write_pictures, xai, xai_json
from xai_core.errors import BadParameter
from xai_core.models import hugging_face
from xai_core.models.build import make_preprocess
from xai_core.models.weights import read_weights
from xai_core.pipeline.load import load_classifier
from xai_core.store.study import Study

Capture = pytest.CaptureFixture[str]
INSTALLED = importlib.util.find_spec("transformers") is not None
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not INSTALLED, reason="transformers is not installed")]
LABELS = ("purple", "red", "dark blue, navy", "green")
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
BLOCKS = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
KINDS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "vit": (
        {**BLOCKS, "image_size": 32, "patch_size": 8},
        "ViTImageProcessor",
        {"size": {"height": 32, "width": 32}, **HALF},
    ),
    "deit": (
        {**BLOCKS, "image_size": 32, "patch_size": 8},
        "DeiTImageProcessor",
        {"size": {"height": 40, "width": 40}, "crop_size": {"height": 32, "width": 32}},
    ),
    "swin": (
        {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4},
        "ViTImageProcessor",
        {"size": {"height": 32, "width": 32}, "resample": 3},
    ),
    "resnet": (
        {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"},
        "ConvNextImageProcessor",
        {"size": {"shortest_edge": 28}, "crop_pct": 0.875},
    ),
    "convnext": (
        {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2},
        "BitImageProcessor",
        {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}},
    ),
    "mobilenet_v2": (
        {"image_size": 32, "depth_multiplier": 0.35},
        "EfficientNetImageProcessor",
        {"size": {"height": 32, "width": 32}, "resample": 2, "rescale_offset": True, "rescale_factor": 1 / 127.5},
    ),
}


def write_folder(folder: Path, kind: str) -> Any:
    """A folder as `save_pretrained` writes it; gives the model that it is of."""
    import transformers

    values, processor, prepared = KINDS[kind]
    named = {"id2label": dict(enumerate(LABELS)), "label2id": {name: at for at, name in enumerate(LABELS)}}
    config = transformers.AutoConfig.for_model(kind, **values, **named)
    config.architectures = []
    torch.manual_seed(3)
    model = transformers.AutoModelForImageClassification.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # as after training: no two inputs are answered alike
            parameter.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(folder)
    getattr(transformers, processor)(**prepared).save_pretrained(folder)
    return model


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hf")
    xai("new", folder / "s", "--dataset", "image-folder", "--data", write_pictures(folder / "p", per_class=3))
    return folder / "s"


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_answers_as_transformers_does(kind: str, tmp_path: Path) -> None:
    from transformers import AutoImageProcessor

    model = write_folder(tmp_path / kind, kind)
    config = hugging_face.read_config(tmp_path / kind)
    assert hugging_face.class_names(config) == LABELS
    made = hugging_face.module(hugging_face.kept(config), len(LABELS))
    weights = read_weights(hugging_face.weights_in(tmp_path / kind))
    assert hugging_face.load(made, weights, kind) == []
    values, _ = hugging_face.preprocess(tmp_path / kind)
    preprocess = make_preprocess(values.pop("size"), values.pop("mean"), values.pop("std"), **values)
    # Sides that leave an even number of pixels around what is cut out: of an odd one transformers rounds down.
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 3)).astype(np.uint8)
    picture = Image.fromarray(pixels).resize((80, 60), Image.Resampling.BICUBIC)
    theirs = AutoImageProcessor.from_pretrained(tmp_path / kind)(picture, return_tensors="pt")["pixel_values"]
    ours = torch.from_numpy(preprocess.normalise(preprocess.pixels(picture)[None]))
    step = float(1 / (255 * min(preprocess.std)))
    assert (ours - theirs).abs().max() <= 1.5 * step  # torch's resampling rounds otherwise than Pillow's
    assert (ours - theirs).abs().mean() <= 0.25 * step
    with torch.no_grad():
        torch.testing.assert_close(made.eval()(theirs).logits, model(theirs).logits)
        found, expected = made(ours).logits, model(theirs).logits
    assert (found - expected).abs().max() <= 0.02 * expected.abs().max()


def test_a_folder_alone_is_enough_and_may_be_gone_later(study: Path, tmp_path: Path, capsys: Capture) -> None:
    model = write_folder(tmp_path / "theirs", "vit")
    result = xai_json(capsys, "import", study, "--run", "vit", "--arch", f"hf:{tmp_path / 'theirs'}")
    assert result["architecture"] == "hf:ViTForImageClassification"
    notes = " ".join(result["notes"])
    assert "as of preprocessor_config.json." in notes
    assert "3 classes are picked out of the model's 4 by name" in notes
    assert "its logits are taken" in notes
    shutil.rmtree(tmp_path / "theirs")
    run = Study.open(study).run("vit")
    assert run.info.answer == {"outputs": 4, "picked": [2, 3, 1], "logits": "logits"}
    assert "id2label" not in run.info.config
    made = load_classifier(run, device="cpu")
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(made.logits(x), model(x).logits[:, [2, 3, 1]])
    xai("predict", study, "--run", "vit")
    explained = xai_json(capsys, "explain", study, "--run", "vit", "--methods", "gradcam,ig", "--limit", "1")
    assert all(state == {"stored": 1, "refused": 0} for state in explained["methods"].values())


def test_a_folder_whose_weights_have_changed_is_another_model(study: Path, tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "vit"
    model = write_folder(folder, "vit")
    words = ["open", study, "--run", "again", "--arch", f"hf:{folder}", "--try-on", "0", "--limit", "1", "--no-serve"]
    xai(*words)
    xai(*words)  # the same, and so opened
    with torch.no_grad():
        next(model.parameters()).add_(1)
    model.save_pretrained(folder)
    assert "was imported from another file" in fails(capsys, *words)


def test_another_configuration_is_another_model(study: Path, tmp_path: Path) -> None:
    write_folder(tmp_path / "a", "vit")
    fingerprints = set()
    for run, eps in (("eps1", 1e-12), ("eps2", 1e-3)):
        config = json.loads((tmp_path / "a" / "config.json").read_text()) | {"layer_norm_eps": eps}
        (tmp_path / "a" / "config.json").write_text(json.dumps(config))
        xai("import", study, "--run", run, "--arch", f"hf:{tmp_path / 'a'}", "--cam-layer", "none")
        fingerprints.add(Study.open(study).run(run).info.fingerprint)
    assert len(fingerprints) == 2


def test_a_pickled_state_dict_is_read_without_running_anything(tmp_path: Path) -> None:
    model = write_folder(tmp_path / "a", "resnet")
    (tmp_path / "a" / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "a" / "pytorch_model.bin")
    made = hugging_face.module(hugging_face.kept(hugging_face.read_config(tmp_path / "a")), 4)
    hugging_face.load(made, read_weights(hugging_face.weights_in(tmp_path / "a")), "resnet")
    torch.testing.assert_close(made.state_dict(), model.state_dict())


@pytest.mark.parametrize(
    ("file", "changes", "says"),
    [
        ("config.json", {"model_type": None}, "config.json names no model_type"),
        ("config.json", {"model_type": "bert"}, "hf:bert is no image classifier that transformers can build"),
        ("config.json", {"model_type": "no-such"}, "is no image classifier that transformers can build"),
        ("config.json", {"quantization_config": {"bits": 4}}, "this model is quantised: vit"),
        ("config.json", {"id2label": {"0": "red", "2": "green"}}, "does not number its classes"),
        ("config.json", {"id2label": {"0": "LABEL_0"}}, "this model also needs --classes"),
        ("config.json", {"hidden_size": 32}, "the weights lack layers of this model, or have them in other shapes: "),
        ("config.json", {"num_hidden_layers": 3}, "the weights lack layers of this model, or have"),
        ("preprocessor_config.json", {"do_resize": False}, "does not bring all pictures to one size"),
        ("preprocessor_config.json", {"image_processor_type": "Own"}, "that transformers cannot read"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(
    study: Path, tmp_path: Path, capsys: Capture, file: str, changes: dict[str, Any], says: str
) -> None:
    write_folder(tmp_path / "a", "vit")
    path = tmp_path / "a" / file
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    assert says in fails(capsys, "import", study, "--run", "x", "--arch", f"hf:{tmp_path / 'a'}")
    assert "x" not in Study.open(study).runs()


def test_a_folder_that_is_none(study: Path, tmp_path: Path, capsys: Capture) -> None:
    words = ["import", study, "--run", "x", "--arch", f"hf:{tmp_path}"]
    assert "no config.json in this folder" in fails(capsys, *words)
    (tmp_path / "config.json").write_text("{")
    assert "config.json is damaged" in fails(capsys, *words)
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    assert "no model.safetensors or pytorch_model.bin in this folder" in fails(capsys, *words)


def test_without_transformers_one_line_tells_what_to_install(
    study: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path / "a", "vit")
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "transformers":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    line = fails(capsys, "import", study, "--run", "x", "--arch", f"hf:{tmp_path / 'a'}")
    assert "transformers is not installed" in line
    assert "pip install 'second-look[hf]'" in line


def test_colours_in_another_order_have_no_words(tmp_path: Path) -> None:
    import transformers

    transformers.MobileViTImageProcessor().save_pretrained(tmp_path)
    with pytest.raises(BadParameter, match="turns RGB into BGR"):
        hugging_face.preprocess(tmp_path)
