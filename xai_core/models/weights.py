"""Weights in and out. Nothing in a file is ever run: safetensors, or pickles under torch's `weights_only` rule."""

from __future__ import annotations

import hashlib
import pickle
import re
import warnings
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from xai_core.errors import BadInput, UnsafeFile
from xai_core.files import write_atomic
from xai_core.models.file_kinds import looks_pickled, told_file
from xai_core.models.preprocess import Preprocess
from xai_core.models.user_code import user_code
from xai_core.models.wrappers import Answering, asked
from xai_core.params import digest

State = dict[str, Tensor]

BESIDE = {"n_averaged", "num_updates", "decay", "criterion", "criteria", "loss", "losses", "loss_fn", "loss_func"}
BESIDE |= {"aux_classifier"}  # of a segmenter: a second head on a middle layer, for a loss of its own
BESIDE |= {"optimizer", "optimiser", "scheduler", "metric", "metrics", "train_metrics", "val_metrics", "test_metrics"}
"""First parts of names that belong to training, and to no layer."""

COUNTED = (".total_ops", ".total_params")
"""Ends of names that profilers leave in every layer."""

AVERAGED = re.compile(r"ema|avg|average|swa|teacher|shadow|momentum|target", re.IGNORECASE)
"""A second copy of the model, smoothed over training: taken only where there is no other."""

DEEPEST = 5
"""How deep a training checkpoint may nest its state dicts."""

OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(?=\d)")
"""torchvision's own DenseNet files keep names from before modules might not have a dot in theirs."""

WRAPPED = re.compile(r"(?<=\.)(?:module|_orig_mod|_checkpoint_wrapped_module|_fsdp_wrapped_module)\.")
"""What stands within names where only a part of the model was parallel, compiled or checkpointed."""


def read_weights(path: Path) -> State:
    """The tensors of a weights file by name, on the CPU, as they lie there; `load_into` chooses and checks them.

    Accepts safetensors, and what `torch.save` made of a state dict or of a training checkpoint that holds one or
    several: these go by the names under which they lie there, as in `ema.conv1.weight`. The content decides, not the
    file's ending. As `torch` has it, `_metadata` of the result tells the versions of layers.

    Raises:
        NotFound: no such file.
        UnsafeFile: reading it would run code; nothing of it was run.
        BadInput: not a weights file, or damaged.
    """
    with told_file(path):
        pickled = looks_pickled(path)
        return _states_in(_read_torch(path), path) if pickled else OrderedDict(_read_safetensors(path))


def load_into(
    module: nn.Module,
    state: Mapping[str, Tensor],
    heads: Sequence[str] = (),
    *,
    partly: bool = False,
    name: str = "the model",
) -> list[str]:
    """Copy weights into a module, name by name.

    Names may begin with whatever wrappers and training programs put there (`module.`, `model.`, `state_dict.`, …):
    the beginning is taken under which all of the model's layers are found, and what lies elsewhere is left aside.

    Args:
        heads: dotted names of the layers that the module keeps as they are where the file's is missing or has another
            shape: its class-specific ones.
        partly: the module is a part of what the file is of: layers that only the file has are left aside.
        name: what the model is called in messages.

    Returns:
        What a person should know, one sentence each.

    Raises:
        BadInput: a layer is missing, unknown, of another shape, not of plain finite numbers; names are told.
    """
    module = _inside(asked(module))
    wanted = plain_state(module)
    prefix, notes = _beginning(state, wanted, heads, partly)
    given = _named_as_wanted(state, wanted, prefix)
    given = {n: t for n, t in given.items() if n in wanted or not partly}
    for head in heads:
        ours = {name for name in wanted if name.startswith(f"{head}.")}
        if any(n not in given or given[n].shape != wanted[n].shape for n in ours):
            notes.append(_new_head_note(head, given, wanted))
            given = {n: t for n, t in given.items() if not n.startswith(f"{head}.")} | {n: wanted[n] for n in ours}
    # Files from before PyTorch 0.4.1 lack this counter, which nothing reads in eval mode.
    given |= {n: wanted[n] for n in wanted if n.endswith("num_batches_tracked") and n not in given}
    _check_names(given, wanted)
    _check_shapes(given, wanted)
    for each, tensor in given.items():
        _check_plain(each, tensor, wanted[each].dtype)
    with user_code(name, "does not take these weights"):
        module.load_state_dict(_with_versions(given, state, prefix, wanted))
    return notes


def plain_state(module: nn.Module) -> State:
    """A module's `state_dict`, by the names of the model within an Answering.

    Raises BadInput where it holds anything but plain tensors of real numbers.
    """
    state: State = asked(module).state_dict()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            remedy = "Give the model before it was quantised or packed: a torch.nn.Module of ordinary layers."
            raise BadInput("the model keeps something else than tensors", value=name, remedy=remedy)
        _check_kind(name, value)
    return state


def save_weights(module: nn.Module, path: Path) -> None:
    """Write all parameters and buffers as safetensors; the file is either whole or not there.

    Raises StorageFull or BadInput where it cannot be written.
    """
    write_atomic(path, safetensors.torch.save(owned(plain_state(module))))


def owned(tensors: Mapping[str, Tensor]) -> State:
    """Copies on the CPU that share no memory, as safetensors asks."""
    return {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}


def fingerprint(
    module: nn.Module, architecture: str, preprocess: Preprocess, config: Mapping[str, Any] | None = None
) -> str:
    """sha256 over architecture, preprocessing and every parameter and buffer (name, type, shape, bytes).

    Of an Answering also over which logits it gives, of a network built from a configuration over that.
    """
    known: dict[str, Any] = {"architecture": architecture, "preprocess": preprocess.as_dict()}
    if isinstance(module, Answering):
        known["answer"] = module.answer.as_dict()
    if config:
        known["config"] = config
    total = hashlib.sha256(digest(known).encode())
    for name, tensor in sorted(plain_state(module).items()):
        flat = tensor.detach().cpu().contiguous()
        total.update(f"{name}|{flat.dtype}|{tuple(flat.shape)}|".encode())
        total.update(flat.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def _read_safetensors(path: Path) -> State:
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
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


def _states_in(loaded: Any, path: Path) -> State:
    """All tensors with text for a name, by the names of the tables that they lie in; of one table alone, without."""
    tables = dict(_tables(loaded, "", set()))
    if not tables:
        found = ", ".join(map(str, loaded)) if isinstance(loaded, Mapping) else type(loaded).__name__
        remedy = "Save model.state_dict(), bare or under the key state_dict."
        raise BadInput(f"no state dict in {path.name}; it holds", value=found or "nothing", remedy=remedy)
    if len(tables) == 1:
        tables = {"": next(iter(tables.values()))}
    state: State = OrderedDict()
    versions: dict[str, Any] = {}
    for where, table in tables.items():
        state |= {f"{where}{name}": value for name, value in table.items() if _is_entry(name, value)}
        kept = getattr(table, "_metadata", None)
        if isinstance(kept, Mapping):
            versions |= {f"{where}{name}".removesuffix("."): value for name, value in kept.items()}
    state._metadata = versions  # type: ignore[attr-defined]
    return state


def _tables(value: Any, where: str, seen: set[int]) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Mappings that hold tensors, with the beginning of their names."""
    if not isinstance(value, Mapping) or id(value) in seen or where.count(".") >= DEEPEST:
        return
    seen.add(id(value))
    if any(_is_entry(name, item) for name, item in value.items()):
        yield where, value
    for name, item in value.items():
        yield from _tables(item, f"{where}{name}.", seen)


def _is_entry(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, Tensor)


def _check_kind(name: str, tensor: Tensor) -> None:
    if isinstance(tensor, (UninitializedParameter, UninitializedBuffer)):
        remedy = "Give the layer its sizes, or let the function call the model once, with a picture."
        raise BadInput("a layer has no shape before it is first used", value=name, remedy=remedy)
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta or tensor.is_complex():
        remedy = "Convert the model to ordinary float32 weights before saving."
        raise BadInput("a layer's numbers are sparse, quantised, complex or missing", value=name, remedy=remedy)


def _check_plain(name: str, tensor: Tensor, dtype: torch.dtype) -> None:
    """Only once the shape is known to be the model's: a small file may claim any."""
    _check_kind(name, tensor)
    if not torch.isfinite(tensor.to(dtype)).all():
        remedy = "The training it came from diverged, or the file is damaged."
        raise BadInput("the weights hold NaN or infinite numbers", value=name, remedy=remedy)


def _inside(module: nn.Module) -> nn.Module:
    """What DataParallel or torch.compile was put around: files have its names with theirs before them, or without."""
    for wrapper in ("module", "_orig_mod"):
        names = module.state_dict().keys()
        if names and all(name.startswith(f"{wrapper}.") for name in names):
            return _inside(module.get_submodule(wrapper))
    return module


def _beginning(
    state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], new: Sequence[str], partly: bool
) -> tuple[str, list[str]]:
    """The beginning of names under which most of the model's layers lie, and what a person should know of the choice.

    Of several with as many, the one whose shapes fit is taken, then one that is not an average, then the first.
    """

    def left(name: str) -> bool:
        return _beside(name, wanted) or (partly and not _wanted_name(name, wanted))

    beginnings = tuple(f"{head}." for head in new)
    fitting: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for name, tensor in state.items():
        for prefix, rest in _splits(name):
            if (ours := _wanted_name(rest, wanted)) and not ours.startswith(beginnings):
                found[prefix] += 1
                fitting[prefix] += tensor.shape == wanted[ours].shape
    if not found:
        return "", []
    most = max(found.values())
    best = [prefix for prefix in found if found[prefix] == most]
    chosen = max(best, key=lambda prefix: (fitting[prefix], not AVERAGED.search(prefix)))
    others = [prefix for prefix in best if prefix != chosen and fitting[prefix] == fitting[chosen]]
    aside = [name for name in state if not name.startswith(chosen) or left(name.removeprefix(chosen))]
    notes = []
    if others:
        copies = " and ".join(prefix or "names without a beginning" for prefix in others)
        notes.append(f"The file holds the model several times: {chosen or 'the bare names'} is taken, not {copies}.")
    if aside:
        parts = Counter(_part(name, chosen) for name in aside)
        described = ", ".join(f"{part} ({count})" if count > 1 else part for part, count in parts.items())
        notes.append(f"Left aside, not part of the model: {described}.")
    return chosen, notes


def _part(name: str, prefix: str) -> str:
    """What a name lies in, for people: the parts that it shares with the beginning, and the next one."""
    parts = name.split(".")
    shared = 0
    for ours, theirs in zip(parts[:-1], prefix.split(".")[:-1], strict=False):
        if ours != theirs:
            break
        shared += 1
    return ".".join(parts[: shared + 1])


def names_any(state: Mapping[str, Tensor], wanted: Sequence[str]) -> bool:
    """Whether a file has one of these layers, whatever its names begin with."""
    known = frozenset(wanted)
    return any(rest in known for name in state for _, rest in _splits(name))


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """A name cut before each of its parts: ("", "a.b"), ("a.", "b")."""
    at = 0
    while at <= len(name):
        yield name[:at], name[at:]
        at = name.find(".", at) + 1 or len(name) + 1


def _wanted_name(name: str, wanted: Mapping[str, Tensor]) -> str:
    """The model's own name for it; "" where it has none."""
    today = name if name in wanted else WRAPPED.sub("", OLD_DENSENET.sub(r"\1", name))
    return today if today in wanted else ""


def _beside(name: str, wanted: Mapping[str, Tensor]) -> bool:
    """Whether what a file holds among the layers is known not to be one."""
    first = name.partition(".")[0]
    known = first in BESIDE and not any(other.partition(".")[0] == first for other in wanted)
    return name not in wanted and (known or f".{name}".endswith(COUNTED))


def _named_as_wanted(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], prefix: str) -> State:
    names = {name: name.removeprefix(prefix) for name in state if name.startswith(prefix)}
    exact = set(names.values())  # one that is there already is not replaced by another that only resembles it
    made: State = {}
    for name, ours in names.items():
        if not _beside(ours, wanted):
            today = _wanted_name(ours, wanted)
            made[ours if not today or today in exact else today] = state[name]
    return made


def _with_versions(given: State, state: Mapping[str, Tensor], prefix: str, wanted: State) -> State:
    """The same with the versions of layers as the file tells them; as this torch has them where it tells none."""
    told = getattr(state, "_metadata", None) or {}
    ours = {name.removeprefix(prefix): v for name, v in told.items() if f"{name}.".startswith(prefix)}
    if prefix:
        ours |= {"": told[prefix[:-1]]} if prefix[:-1] in told else {}
    made: State = OrderedDict(given)
    made._metadata = {**wanted._metadata, **ours}  # type: ignore[attr-defined]
    return made


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
