"""The state of an unfinished training: one file, replaced as a whole after each epoch, read without pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from xai_core.errors import BadInput
from xai_core.files import open_plain, write_atomic
from xai_core.models.weights import owned
from xai_core.training.history import long
from xai_core.training.standing import FILE, Standing


def save(folder: Path, standing: Standing, module: nn.Module, optimiser: Optimizer) -> None:
    """Keep the state after an epoch. Raises StorageFull or BadInput where it cannot be written."""
    tensors = {f"model.{name}": t for name, t in module.state_dict().items()}
    for number, slots in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{slot}": t for slot, t in slots.items()}
    metadata = {"standing": json.dumps(vars(standing))}
    write_atomic(folder / FILE, safetensors.torch.save(owned(tensors), metadata=metadata))


def restore(folder: Path, identity: str, former: str, module: nn.Module, optimiser: Optimizer) -> Standing:
    """Bring module and optimiser to the last finished epoch; a new standing where there is none.

    `former` is what earlier versions called the same training, and is followed by `identity`.

    Raises BadInput when the unfinished training is another one, or its file is damaged.
    """
    path = folder / FILE
    if not os.path.lexists(path):
        return Standing(identity)
    try:
        open_plain(path).close()
        with safetensors.safe_open(path, framework="pt") as file:
            standing = Standing(**json.loads(file.metadata()["standing"]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
        if standing.identity in (identity, former):
            _put_back(tensors, module, optimiser)
            return replace(standing, identity=identity, history=long(standing.history))
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        remedy = f"Delete it to start anew ({type(error).__name__})."
        raise BadInput("the state of the unfinished training is damaged", value=path, remedy=remedy) from None
    remedy = "Start it with the same settings and data to go on, give this run another name, or delete that file."
    raise BadInput("another training lies here unfinished", value=path, remedy=remedy)


def _put_back(tensors: Mapping[str, Tensor], module: nn.Module, optimiser: Optimizer) -> None:
    module.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
    state: dict[int, dict[str, Tensor]] = {}
    for number, parameter in enumerate(p for group in optimiser.param_groups for p in group["params"]):
        prefix = f"optimiser.{number}."
        found = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        if found:  # layers that were frozen so far have none
            state[number] = {slot: _laid_out_as(parameter, tensor) for slot, tensor in found.items()}
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def _laid_out_as(parameter: Tensor, tensor: Tensor) -> Tensor:
    """In the parameter's memory format: arithmetic in another one may differ in the last bit."""
    return torch.empty_like(parameter).copy_(tensor) if tensor.shape == parameter.shape else tensor
