"""Weights in and out. Nothing in a file is ever run: safetensors, or pickles under torch's `weights_only` rule."""

from __future__ import annotations

import hashlib
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from xai_core.errors import BadInput, NotFound, UnsafeFile
from xai_core.files import write_atomic
from xai_core.models.preprocess import Preprocess
from xai_core.params import digest

State = dict[str, Tensor]

WRAPPERS = ("module.", "model.", "_orig_mod.")
"""Prefixes that DataParallel, Lightning and torch.compile put before every name."""

OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(?=\d)")
"""torchvision's own DenseNet files keep names from before modules might not have a dot in theirs."""

NESTED = ("state_dict", "model_state_dict", "model")
"""Where training checkpoints keep the state dict."""


def read_weights(path: Path) -> State:
    """The tensors of a weights file by name, on the CPU; floating point ones as float32.

    Accepts safetensors, and what `torch.save` made of a state dict or of a dict that holds one under
    `state_dict`, `model_state_dict` or `model`. The content decides, not the file's ending.

    Raises:
        NotFound: no such file.
        UnsafeFile: reading it would run code; nothing of it was run.
        BadInput: not a weights file, damaged, or with numbers that are not finite.
    """
    if not path.is_file():
        raise NotFound("no weights file there", value=path, remedy="Check the path.")
    state = _state_of(_read_torch(path) if _looks_pickled(path) else _read_safetensors(path), path)
    return {name: _plain(name, tensor, path) for name, tensor in state.items()}


def load_into(
    module: nn.Module, state: Mapping[str, Tensor], head: str = "", *, allow_new_head: bool = False
) -> list[str]:
    """Copy weights into a module, name by name; prefixes that wrappers put before every name are dropped.

    Args:
        head: dotted name of the class-specific layer.
        allow_new_head: where the file's head is missing or has another shape, the module keeps its fresh one.

    Returns:
        What a person should know, one sentence each.

    Raises:
        BadInput: a layer is missing, unknown or of another shape; names and both shapes are told.
    """
    wanted, notes = module.state_dict(), []
    given = _unwrapped(state, wanted)
    ours = {name for name in wanted if head and name.startswith(f"{head}.")}
    if allow_new_head and any(n not in given or given[n].shape != wanted[n].shape for n in ours):
        notes.append(_new_head_note(head, given, wanted))
        given = {n: t for n, t in given.items() if not n.startswith(f"{head}.")} | {n: wanted[n] for n in ours}
    # Files from before PyTorch 0.4.1 lack this counter, which nothing reads in eval mode.
    counters = {n: wanted[n] for n in wanted if n.endswith("num_batches_tracked") and n not in given}
    given = {**given, **counters}
    _check_names(given, wanted)
    _check_shapes(given, wanted)
    module.load_state_dict(given)
    return notes


def save_weights(module: nn.Module, path: Path) -> None:
    """Write all parameters and buffers as safetensors; the file is either whole or not there.

    Raises StorageFull or BadInput where it cannot be written.
    """
    write_atomic(path, safetensors.torch.save(owned(module.state_dict())))


def owned(tensors: Mapping[str, Tensor]) -> State:
    """Copies on the CPU that share no memory, as safetensors asks."""
    return {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}


def fingerprint(module: nn.Module, architecture: str, preprocess: Preprocess) -> str:
    """sha256 over architecture, preprocessing and every parameter and buffer (name, type, shape, bytes)."""
    total = hashlib.sha256(digest({"architecture": architecture, "preprocess": preprocess.as_dict()}).encode())
    for name, tensor in sorted(module.state_dict().items()):
        flat = tensor.detach().cpu().contiguous()
        total.update(f"{name}|{flat.dtype}|{tuple(flat.shape)}|".encode())
        total.update(flat.reshape(-1).view(torch.uint8).numpy())
    return total.hexdigest()


def _looks_pickled(path: Path) -> bool:
    """Zip archives and bare pickles; a safetensors file starts with the length of its JSON header, then `{`."""
    with path.open("rb") as file:
        start = file.read(9)
    return start[8:] != b"{" and start.startswith((b"PK\x03\x04", b"\x80"))


def _read_safetensors(path: Path) -> State:
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError, KeyError) as error:
        remedy = f"Give safetensors or a state dict saved with torch.save; this one cannot be read ({error})."
        raise BadInput("not a weights file, or damaged", value=path, remedy=remedy) from None


def _read_torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of unusual pickles before it refuses them
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _unsafe(path, str(error)) from None
    except Exception as error:  # a damaged archive can raise anything: ValueError, KeyError, RuntimeError, …
        remedy = f"It looks damaged ({type(error).__name__}); copy or download it again."
        raise BadInput("not a weights file, or damaged", value=path, remedy=remedy) from None


def _unsafe(path: Path, message: str) -> UnsafeFile:
    found = re.search(r"GLOBAL (\S+)", message)
    name = found[1] if found else "instructions that weights do not need"
    if name.startswith(("torch.nn.", "torchvision.")):
        remedy = "Load it where it was made and save model.state_dict() instead."
        return UnsafeFile(f"the file holds a whole pickled model ({name}), not its weights", value=path, remedy=remedy)
    remedy = "Nothing of it was run. If the file is your own, save model.state_dict() instead."
    return UnsafeFile(f"reading this file would run code ({name})", value=path, remedy=remedy)


def _state_of(loaded: Any, path: Path) -> State:
    """The state dict itself, also from inside a training checkpoint."""
    candidates = [loaded]
    if isinstance(loaded, Mapping):
        candidates += [loaded[key] for key in NESTED if key in loaded]
    for candidate in candidates:
        if isinstance(candidate, Mapping) and candidate and all(map(_is_entry, candidate.items())):
            return dict(candidate)
    found = ", ".join(map(str, loaded)) if isinstance(loaded, Mapping) else type(loaded).__name__
    remedy = "Save model.state_dict(), bare or under the key state_dict."
    raise BadInput(f"no state dict in {path.name}; it holds", value=found or "nothing", remedy=remedy)


def _is_entry(entry: tuple[Any, Any]) -> bool:
    return isinstance(entry[0], str) and isinstance(entry[1], Tensor)


def _plain(name: str, tensor: Tensor, path: Path) -> Tensor:
    """An ordinary dense tensor, float32 where it is floating point."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        remedy = "Convert the model to ordinary float32 weights before saving."
        raise BadInput(f"{path.name} holds sparse, quantised or empty tensors", value=name, remedy=remedy)
    plain = tensor.detach().float() if tensor.is_floating_point() else tensor.detach()
    if not torch.isfinite(plain).all():
        remedy = "The training it came from diverged, or the file is damaged."
        raise BadInput(f"{path.name} holds NaN or infinite numbers", value=name, remedy=remedy)
    return plain


def _unwrapped(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> State:
    """By today's names: without the prefixes of wrappers, unless the model's own names have them."""
    names = dict(state)
    for prefix in WRAPPERS * 2:  # twice, for a wrapper inside a wrapper
        if all(n.startswith(prefix) for n in names) and not any(n.startswith(prefix) for n in wanted):
            names = {name.removeprefix(prefix): tensor for name, tensor in names.items()}
    return {name if name in wanted else OLD_DENSENET.sub(r"\1", name): tensor for name, tensor in names.items()}


def _new_head_note(head: str, given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    name = f"{head}.weight"
    if name not in given or name not in wanted:
        return f"Layer {head} starts fresh: the file has none."
    return f"Layer {head} starts fresh: the file has {len(given[name])} classes, the data {len(wanted[name])}."


def _check_names(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    for problem, names in (
        ("the weights lack layers of this model", [n for n in wanted if n not in given]),
        ("the weights hold layers that this model lacks", [n for n in given if n not in wanted]),
    ):
        if names:
            remedy = "Are they of another architecture? Choose the one they were trained with."
            raise BadInput(problem, value=_some(names), remedy=remedy)


def _check_shapes(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    wrong = [
        f"{name} is {tuple(given[name].shape)} in the file, {tuple(tensor.shape)} in the model"
        for name, tensor in wanted.items()
        if given[name].shape != tensor.shape
    ]
    if wrong:
        remedy = "Check the architecture, the input size and the number of classes."
        raise BadInput("layers have other shapes", value=_some(wrong, "; "), remedy=remedy)


def _some(names: list[str], joint: str = ", ") -> str:
    more = f"{joint}and {len(names) - 3} more" if len(names) > 3 else ""
    return joint.join(names[:3]) + more
