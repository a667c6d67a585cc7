"""A model as one module from pictures to tensors, and what torch can write down of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException

from xai_core.errors import NotApplicable
from xai_core.models.classifier import Classifier
from xai_core.models.wrappers import hides_layers


class Asked(nn.Module):
    """`x (N, C, H, W) float32 -> (logits (N, *output_shape) float32,)`, whatever precision the weights have."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier, self.module, self.dtype = classifier, classifier.module, classifier.dtype

    def logits(self, x: Tensor) -> Tensor:
        """The model's answer to a copy: its code may work in place."""
        return self.module(x.to(self.dtype, copy=True)).float()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The logits."""
        return (self.logits(x),)


def program(module: nn.Module, x: Tensor, any_batch: bool) -> torch.export.ExportedProgram:
    """The module as a graph that holds for one picture, or for any number of them.

    Raises whatever torch.export does where the model's code decides by values, or calls what has no graph.
    """
    batch = {0: torch.export.Dim.DYNAMIC} if any_batch else {}
    x = torch.cat([x, x])[:2] if any_batch else x[:1]  # one alone would be taken for a fixed size
    with torch.no_grad():
        return torch.export.export(module, (x,), dynamic_shapes=(batch,))


def check_no_choices(module: nn.Module, x: Tensor) -> None:
    """Raise NotApplicable where the model's code decides by values: a trace would only hold the way it took once.

    Found with tensors that have shapes and no values (https://docs.pytorch.org/docs/stable/torch.compiler_fake_tensor).
    TorchScript within keeps its own decisions.
    """
    if any(hides_layers(part) for part in module.children()):
        return
    try:
        with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True) as fake:
            module(fake.from_tensor(x))
    except (DataDependentOutputException, DynamicOutputShapeException) as error:
        remedy = "Rewrite that part with torch.where, or leave it to the program around the model."
        raise NotApplicable("the model's code decides by values", value=error, remedy=remedy) from None
    except Exception:  # what else fails without values may well be traced with them
        return
