"""Weights files: what loads, what is refused, and that nothing in a file runs."""

from __future__ import annotations

import errno
import io
import os
import pickle
import re
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from xai_core.errors import BadInput, NotFound, StorageFull, UnsafeFile, XaiError
from xai_core.models.build import fresh_module
from xai_core.models.preprocess import Preprocess
from xai_core.models.weights import fingerprint, load_into, read_weights, save_weights

GREY = Preprocess(28, 28, 1, (0.5,), (0.5,))


def small(classes: int = 3, seed: int = 0) -> nn.Module:
    return fresh_module("small_cnn", classes, GREY, seed=seed)


class Payload:
    """Unpickled the ordinary way, this makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.mark),)


def test_saved_weights_come_back(tmp_path: Path) -> None:
    module = small(seed=1)
    save_weights(module, tmp_path / "w.safetensors")
    other = small(seed=2)
    assert load_into(other, read_weights(tmp_path / "w.safetensors")) == []
    assert fingerprint(other, "small_cnn", GREY) == fingerprint(module, "small_cnn", GREY)
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("key", [None, "state_dict", "model", "model_state_dict"])
def test_torch_files_and_checkpoints_load_in_its_precision(tmp_path: Path, legacy: bool, key: str | None) -> None:
    state = small().half().state_dict()
    saved = state if key is None else {"epoch": 3, key: state}
    torch.save(saved, tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    read, module = read_weights(tmp_path / "w.pth"), small()
    assert load_into(module, read) == []
    assert module.head.weight.dtype == torch.float32
    assert torch.equal(module.head.weight.half(), read["head.weight"])


@pytest.mark.parametrize("how", ["zip", "legacy", "pickle2", "pickle5"])
def test_a_malicious_pickle_is_refused_and_does_not_run(tmp_path: Path, how: str) -> None:
    mark, file = tmp_path / "ran", tmp_path / "w.pth"
    payload = {"head.weight": Payload(mark)}
    if how.startswith("pickle"):
        file.write_bytes(pickle.dumps(payload, protocol=int(how[-1])))
    else:
        torch.save(payload, file, _use_new_zipfile_serialization=how == "zip")
    with pytest.raises(UnsafeFile, match="would run code"):
        read_weights(file)
    assert not mark.exists()


def test_the_payload_of_that_test_would_run(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "ran")))  # noqa: S301
    assert (tmp_path / "ran").exists()


def test_a_whole_pickled_module_is_refused_with_the_remedy(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "w.pth")
    with pytest.raises(UnsafeFile, match=r"whole pickled model.*save model.state_dict\(\)"):
        read_weights(tmp_path / "w.pth")


def damaged_files() -> dict[str, bytes]:
    import io

    buffer = io.BytesIO()
    torch.save(small().state_dict(), buffer)
    tensors = safetensors.torch.save({"w": torch.zeros(1000)})
    return {
        "empty": b"",
        "text": b"epoch,loss\n1,0.3\n",
        "truncated safetensors": tensors[:-5],
        "cut in its header": tensors[:20],
        "truncated zip": buffer.getvalue()[:3000],
        "zip signature": b"PK\x03\x04" + bytes(100),
        "png": b"\x89PNG\r\n\x1a\n" + bytes(50),
    }


@pytest.mark.parametrize("name", list(damaged_files()))
def test_what_is_no_weights_file_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "w").write_bytes(damaged_files()[name])
    with pytest.raises(BadInput, match="not a weights file") as caught:
        read_weights(tmp_path / "w")
    assert "\n" not in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(start=st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", b"\x10\0\0\0\0\0\0\0{"]), rest=st.binary(max_size=200))
def test_no_bytes_make_the_reader_crash(tmp_path_factory: pytest.TempPathFactory, start: bytes, rest: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "w"
    file.write_bytes(start + rest)
    with pytest.raises(XaiError):
        read_weights(file)


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            zipped(**{"m/data.pkl": b"", "m/constants.pkl": b"", "m/code/a.py": b""}),
            "but TorchScript.*state_dict",
        ),
        (zipped(**{"model.weights.h5": b"", "config.json": b""}), "but Keras"),
        (zipped(**{"m/saved_model.pb": b""}), "but TensorFlow"),
        (zipped(**{"notes.txt": b""}), r"zip archive of something else \(notes.txt\)"),
        (zipped(**{"m/data.pkl": b"", "m/data/0": bytes(10**6)}), "claims to hold more than it does"),
        (b"\x08\x07\x12\x07pytorch", "but ONNX"),
        (b"\x89HDF\r\n\x1a\n", "but HDF5"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer.*git lfs pull"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html>", "but a web page"),
        (b"\x1f\x8b\x08\x00", "gzip archive.*Unpack"),
        (b"", "an empty file"),
        (b"a,b\n1,2\n", "but text"),
        (b"\x1c\x00\x00\x00TFL3", "but TensorFlow Lite"),
    ],
)
def test_a_file_of_another_kind_is_called_by_its_name(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(BadInput, match=says):
        read_weights(tmp_path / "w")


def test_a_path_that_cannot_be_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="File name too long"):
        read_weights(tmp_path / ("a" * 300))


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(NotFound, match="no weights file"):
            read_weights(path)


@pytest.mark.parametrize(("saved", "says"), [([torch.zeros(2)], "list"), ({"a": 1}, "it holds: a"), ({}, "nothing")])
def test_a_file_without_a_state_dict_says_what_it_holds(tmp_path: Path, saved: object, says: str) -> None:
    torch.save(saved, tmp_path / "w.pth")
    with pytest.raises(BadInput, match=says):
        read_weights(tmp_path / "w.pth")


def test_weights_of_a_diverged_training_are_refused(tmp_path: Path) -> None:
    target = nn.Linear(1, 2)
    for value in (float("nan"), 1e300):
        bad = {"weight": torch.tensor([[1.0], [value]], dtype=torch.float64), "bias": torch.zeros(2)}
        torch.save(bad, tmp_path / "w.pth")
        with pytest.raises(BadInput, match="NaN or infinite numbers: weight"):
            load_into(target, read_weights(tmp_path / "w.pth"))


@pytest.mark.parametrize("prefix", ["module.", "model.", "module.model.", "_orig_mod.module."])
def test_prefixes_of_wrappers_are_dropped(prefix: str) -> None:
    source, target = small(seed=1), small(seed=2)
    load_into(target, {prefix + name: tensor for name, tensor in source.state_dict().items()})
    assert torch.equal(source.head.weight, target.head.weight)


def test_a_prefix_that_the_model_has_itself_stays() -> None:
    source, target = (nn.ModuleDict({"model": nn.Linear(2, 2)}) for _ in range(2))
    load_into(target, source.state_dict())
    assert torch.equal(source["model"].weight, target["model"].weight)


def held(prefix: str, seed: int = 1) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in small(seed=seed).state_dict().items()}


@pytest.mark.parametrize(
    ("saved", "note"),
    [
        ({**held("model."), "criterion.weight": torch.ones(3)}, "Left aside, not part of the model: criterion."),
        ({**held("module."), "n_averaged": torch.tensor(3)}, "not part of the model: n_averaged."),
        ({**held(""), "loss_fn.weight": torch.ones(3), "head.total_ops": torch.ones(1)}, "model: loss_fn, head."),
        (
            {**held("ema_model.", 2), **held("model.")},
            "The file holds the model several times: model. is taken, not ema_model.",
        ),
        (
            {"state_dict": held("net."), "state_dict_ema": held("net.", 2)},
            ".net. is taken, not state_dict_ema.net",
        ),
        ({"epoch": 3, "net": held(""), "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}}, "model: optimizer."),
        ({"ema": {"module": held("")}, "step": torch.tensor(7)}, "not part of the model: step."),
        ({"backbone.body": held("x."), "aux": held("y.", 2)}, "backbone.body.x. is taken, not aux.y."),
    ],
)
def test_the_names_that_cover_the_model_are_taken_and_the_rest_is_told(tmp_path: Path, saved: dict, note: str) -> None:
    torch.save(saved, tmp_path / "w.pth")
    target = small(seed=3)
    notes = load_into(target, read_weights(tmp_path / "w.pth"))
    assert any(note in each for each in notes), notes
    assert torch.equal(target.head.weight, small(seed=1).head.weight)


def test_layers_of_a_larger_model_are_not_taken_for_names_beside_it() -> None:
    with pytest.raises(BadInput, match=r"hold layers that this model lacks: features.99.weight"):
        load_into(small(), {**small().state_dict(), "features.99.weight": torch.zeros(1)})


@pytest.mark.parametrize("prefix", ["", "module.", "net."])
def test_a_wrapped_model_takes_weights_with_and_without_its_wrappers_names(prefix: str) -> None:
    target = nn.DataParallel(small(seed=2))
    load_into(target, held(prefix))
    assert torch.equal(target.module.head.weight.cpu(), small(seed=1).head.weight)


def test_versions_of_layers_are_kept_for_loaders_that_ask(tmp_path: Path) -> None:
    class Versioned(nn.Linear):
        _version = 2

        def _load_from_state_dict(self, state, prefix, local_metadata, *rest) -> None:  # type: ignore[no-untyped-def]
            if local_metadata.get("version") not in (1, 2):
                raise ValueError("version should be set to 1 or 2")
            self.seen = local_metadata["version"]
            super()._load_from_state_dict(state, prefix, local_metadata, *rest)

    source, target = (nn.ModuleDict({"part": Versioned(2, 2)}) for _ in range(2))
    save_weights(source, tmp_path / "w")
    load_into(target, read_weights(tmp_path / "w"))
    assert target["part"].seen == 2, "a file that tells none is of today's version"
    state = nn.ModuleDict({"module": source}).state_dict()
    state._metadata["module.part"]["version"] = 1
    torch.save({"state_dict": state}, tmp_path / "w")
    load_into(target, read_weights(tmp_path / "w"))
    assert target["part"].seen == 1, "the file's own word counts, under whatever name it lies"


@pytest.mark.parametrize("kind", ["stride 0", "meta", "sparse", "complex", "quantised"])
@pytest.mark.filterwarnings("ignore")
def test_numbers_that_are_none_are_refused_before_they_take_memory(tmp_path: Path, kind: str) -> None:
    plain = torch.zeros(2, 2)
    tensor = {
        "stride 0": lambda: torch.zeros(1).expand(10**7, 10**6),
        "meta": lambda: plain.to("meta"),
        "sparse": plain.to_sparse,
        "complex": lambda: plain.to(torch.complex64),
        "quantised": lambda: torch.quantize_per_tensor(plain, 1.0, 0, torch.qint8),
    }[kind]()
    torch.save({"weight": tensor, "bias": torch.zeros(2)}, tmp_path / "w.pth")
    with pytest.raises(BadInput, match=r"other shapes|sparse, quantised, complex or missing"):
        load_into(nn.Linear(2, 2), read_weights(tmp_path / "w.pth"))


def test_other_classes_keep_a_fresh_head_only_where_allowed() -> None:
    target = small(5)
    fresh = target.head.weight.clone()
    notes = load_into(target, small(3).state_dict(), ("head",))
    assert notes == ["Layer head starts fresh: the file has 3 classes, the data 5."]
    assert torch.equal(target.head.weight, fresh)
    with pytest.raises(BadInput, match=r"head.weight is \(3, 128\) in the file, \(5, 128\) in the model"):
        load_into(target, small(3).state_dict())


def test_layers_that_do_not_belong_are_named() -> None:
    state = small().state_dict()
    with pytest.raises(BadInput, match=r"lack layers.*features.0.weight"):
        load_into(small(), {n: t for n, t in state.items() if n != "features.0.weight"})
    with pytest.raises(BadInput, match=r"hold layers that this model lacks: extra"):
        load_into(small(), {**state, "extra": torch.zeros(1)})
    with pytest.raises(BadInput, match=r"features.0.weight is \(32, 3, 3, 3\) in the file"):
        load_into(small(), {**state, "features.0.weight": torch.zeros(32, 3, 3, 3)})


@pytest.mark.parametrize("wrapper", ["module", "_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module"])
@pytest.mark.parametrize("prefix", ["", "model.module."])
def test_a_part_may_have_been_wrapped(prefix: str, wrapper: str) -> None:
    state = small(seed=1).state_dict()
    first = next(iter(state)).partition(".")[0]
    wrapped = {f"{prefix}{re.sub(f'^{first}[.]', f'{first}.{wrapper}.', n)}": t for n, t in state.items()}
    target = small(seed=2)
    assert load_into(target, wrapped) == []
    assert all(torch.equal(tensor, state[name]) for name, tensor in target.state_dict().items())
    twice = {f"{first}.{wrapper}.{n.partition('.')[2]}": t + 1 for n, t in state.items() if n.startswith(f"{first}.")}
    with pytest.raises(BadInput, match="layers that this model lacks"):
        load_into(target, {**state, **twice})


def test_torchvisions_densenet_files_load_by_their_old_names() -> None:
    rgb = Preprocess(32, 32, 3, (0.5,) * 3, (0.5,) * 3)
    state = fresh_module("densenet121", 3, rgb, seed=1).state_dict()
    old = {re.sub(r"(denselayer\d+\.(norm|conv))(\d)", r"\1.\3", name): tensor for name, tensor in state.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    target = fresh_module("densenet121", 3, rgb, seed=2)
    assert load_into(target, old) == []
    assert all(torch.equal(tensor, state[name]) for name, tensor in target.state_dict().items())


def test_a_refused_load_leaves_the_model_as_it_was() -> None:
    target = small(seed=4)
    before = fingerprint(target, "", GREY)
    with pytest.raises(BadInput):
        load_into(target, {**small(seed=5).state_dict(), "head.weight": torch.zeros(9, 9)})
    assert fingerprint(target, "", GREY) == before


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "w.safetensors"
    save_weights(small(seed=1), file)
    before = file.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull):
        save_weights(small(seed=2), file)
    assert file.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [file.name]


@pytest.mark.data
@pytest.mark.parametrize("key", ["squeezenet1_1", "mobilenet_v2"])
def test_real_half_precision_weights_load(data_dir: Path, key: str) -> None:
    state = read_weights(data_dir / "weights" / f"{key}_imagenet_fp16.pth")
    rgb = Preprocess(64, 64, 3, (0.5,) * 3, (0.5,) * 3)
    assert load_into(fresh_module(key, 1000, rgb), state) == []
    notes = load_into(fresh_module(key, 5, rgb), state, ("classifier.1",))
    assert notes == ["Layer classifier.1 starts fresh: the file has 1000 classes, the data 5."]
