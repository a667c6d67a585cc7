"""Which layers of a model can hold a class activation map, also of a model that we know nothing of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from xai_core.errors import NotApplicable, NotFound

if TYPE_CHECKING:
    from xai_core.models.classifier import Classifier

Candidate = tuple[str, tuple[int, int, int]]
"""Name of a layer, and `(C, h, w)`."""

SHOWN = 8
"""At most as many candidates as fit into a message."""


def as_grid(classifier: Classifier, output: Tensor, *, declared: bool = False) -> Tensor | None:
    """A layer's output `(N, C, h, w)`, restored where it is tokens; None where it is no grid over the picture.

    Channels that come last, as in Swin and inside ConvNeXt's blocks, are told by a grid of another aspect than the
    picture's: taking a mean over its sides would take it over channels.

    Args:
        classifier: whose layer it is.
        output: of the layer, one tensor.
        declared: the layer is the one that the classifier declares.
    """
    if classifier.restore_grid is not None and (declared or output.ndim == 3):
        with suppress(RuntimeError):  # tokens that make no grid
            output = classifier.restore_grid(output)
    if output.ndim != 4:
        return None
    (_, height, width), (down, across) = classifier.input_shape, output.shape[2:]
    # The same aspect, up to two places lost or won at the border of each side.
    fits = down <= height and across <= width and abs(down * width - across * height) <= 2 * (height + width)
    return output if fits else None


def grid_at(classifier: Classifier, output: Tensor, layer: str) -> Tensor:
    """The same of the layer of this name ("" for the declared one); raises NotApplicable where it is no grid."""
    grid = as_grid(classifier, output, declared=layer in ("", classifier.cam_layer))
    if grid is None:
        shown = f"{layer or classifier.cam_layer} gives {tuple(output.shape)}"
        raise unfit_layer(classifier, shown, "this layer's output is not a grid of channels")
    return grid


def layer_candidates(classifier: Classifier) -> list[Candidate]:
    """Layers that a class activation map can be made at, in the order in which they run.

    Those are the ones that give a grid of more than one place, and whose grid a logit depends on. Of nested modules
    that give the same output the outermost is named; a module that runs several times is left out. Found by one
    forward and one backward with noise; the model is left as it was. Empty where the model does not take its input.
    """
    found: list[Candidate] = []
    outputs = _Outputs(classifier.module)
    # Any code of the user's may run here, and this function only makes another error's message better.
    with suppress(Exception), torch.inference_mode(False), torch.enable_grad(), outputs.recording():
        noise = torch.randn(1, *classifier.input_shape, generator=torch.Generator().manual_seed(0))
        # A clone: a leaf that requires its gradient could not be changed in place.
        logits = classifier.logits(noise.to(classifier.device).requires_grad_().clone())
        used = [(name, output) for name, output, _ in outputs.seen.values() if output.requires_grad]
        tensors = [output for _, output in used]
        gradients = torch.autograd.grad(logits.max(), tensors, allow_unused=True, materialize_grads=True)
        for (name, _), gradient in zip(used, gradients, strict=True):
            grid = as_grid(classifier, gradient, declared=name == classifier.cam_layer)
            if grid is not None and grid[0, 0].numel() > 1 and grid.any():
                found.append((name, (grid.shape[1], grid.shape[2], grid.shape[3])))
    return found


def other_layer(classifier: Classifier) -> str:
    """What to do about a layer that does not serve: candidates and their shapes, late ones first, few of the nested."""
    candidates = layer_candidates(classifier)
    if not candidates:
        return "Choose a convolutional layer before the classifier's head."
    order = range(len(candidates))
    shallow = sorted(order, key=lambda index: (candidates[index][0].count("."), -index))
    shown = sorted({order[-1], *shallow[: SHOWN - 1]}, reverse=True)
    described = (f"{candidates[index][0]} ({'×'.join(map(str, candidates[index][1]))})" for index in shown)
    return f"Layers with a map: {', '.join(described)}."


def unfit_layer(classifier: Classifier, layer: str, problem: str) -> NotApplicable:
    """The error for a layer ("" for the declared one) that no map can be made at."""
    return NotApplicable(problem, value=layer or classifier.cam_layer, remedy=other_layer(classifier))


def unknown_layer(classifier: Classifier, name: str) -> NotFound:
    """The error for a name that no layer has, or for none where the classifier declares none."""
    if not name:
        remedy = f"Give the method a layer. {other_layer(classifier)}"
        return NotFound("this model declares no layer for class activation maps", remedy=remedy)
    names = [known for known, _ in classifier.module.named_modules() if known]
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    question = f"Did you mean {' or '.join(near)}? " if near else ""
    return NotFound("no layer of this name", value=name, remedy=question + other_layer(classifier))


class _Outputs:
    """What every module gives in one forward, under the output's identity: of nested modules the outermost is last."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.seen: dict[int, tuple[str, Tensor, int]] = {}
        self.ran: set[str] = set()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Within: eval mode, and hooks on all modules."""
        modes = [(part, part.training) for part in self.module.modules()]
        with ExitStack() as stack:
            for name, part in self.module.named_modules():
                if name:
                    stack.enter_context(part.register_forward_hook(partial(self._record, name)))
            try:
                self.module.eval()
                yield
            finally:
                for part, training in modes:
                    part.training = training

    def _record(self, name: str, _: nn.Module, inputs: Sequence[Any], output: Any) -> None:
        again = name in self.ran
        self.ran.add(name)
        if again:
            self.seen = {key: entry for key, entry in self.seen.items() if entry[0] != name}
        elif isinstance(output, Tensor) and not self._handed_on(inputs, output):
            self.seen.pop(id(output), None)
            self.seen[id(output)] = name, output, output._version

    def _handed_on(self, inputs: Sequence[Any], output: Tensor) -> bool:
        """Idle modules give their input itself, other than those that change it in place."""
        before = self.seen.get(id(output))
        return before is not None and before[2] == output._version and any(output is given for given in inputs)
