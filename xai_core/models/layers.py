"""Which layers of a model can hold a class activation map, also of a model that we know nothing of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from xai_core.errors import NotApplicable, NotFound
from xai_core.models.grids import laid_out, layout_of, layouts
from xai_core.models.wrappers import asked, evaluating, is_scripted, unwrapped

if TYPE_CHECKING:
    from xai_core.models.classifier import Classifier

Candidate = tuple[str, tuple[int, int, int]]
"""Name of a layer, and `(C, h, w)`."""

SHOWN = 8
"""At most as many candidates as fit into a message."""

Step = torch.autograd.graph.Node


class LayerOutput(NamedTuple):
    """What a layer gave for a picture, the gradient of a logit there, and the step of autograd that it came from."""

    output: Tensor
    gradient: Tensor
    step: Step | None


def grid_at(classifier: Classifier, output: Tensor, layer: str) -> Tensor:
    """The output of the layer of this name ("" for the declared one) as `(N, C, h, w)`, a grid over the picture.

    Tokens are restored where the architecture says how; channels that come last, as in Swin, are brought forward.

    Raises:
        NotApplicable: it is no grid, its rows are not the pictures, or its places are not the picture's.
    """
    layout = layout_of(classifier, layer)
    if layout.problem:
        shown = f"{layer or classifier.cam_layer} gives {tuple(output.shape)}"
        raise unfit_layer(classifier, shown, layout.problem)
    return laid_out(classifier, output, layer, layout)


def layer_candidates(classifier: Classifier) -> list[Candidate]:
    """Layers that a class activation map can be made at, in the order in which they run.

    Those are the ones that give a grid of more than one place over the picture, and whose grid a logit depends on
    (where no gradient passes through the model, as far as can be seen). Of nested modules that give the same output
    the outermost is named; a module that runs several times is left out. Found by few forwards and one backward with
    noise; the model is left as it was. Empty where the model does not take its input.
    """
    return _candidates(classifier) or []


def _candidates(classifier: Classifier) -> list[Candidate] | None:
    """The same; None where the model does not take its input."""
    # Any code of the user's may run here, and this function only makes another error's message better.
    with suppress(Exception, SystemExit):
        used, _ = outputs_and_gradients(classifier)
        return [found for found, _ in with_grids(classifier, used, list(used))]
    return None


def with_grids(
    classifier: Classifier, used: Mapping[str, LayerOutput], names: Sequence[str]
) -> list[tuple[Candidate, Tensor]]:
    """Those of the layers that hold a map, each with the gradient `(1, C, h, w)` there."""
    found = list[tuple[Candidate, Tensor]]()
    passes = any(seen.gradient.any() for seen in used.values())
    for name, layout in layouts(classifier, names).items():
        if layout.problem:
            continue
        output, gradient = (laid_out(classifier, part, name, layout) for part in used[name][:2])
        if output[0, 0].numel() > 1 and (gradient.any() or not passes):
            found.append(((name, (output.shape[1], output.shape[2], output.shape[3])), gradient))
    return found


def outputs_and_gradients(classifier: Classifier) -> tuple[dict[str, LayerOutput], Step | None]:
    """Of one picture of noise, by layer, with the gradient of the largest logit (0 where none passes); and the last
    step of that logit."""
    outputs = _Outputs(asked(classifier.module))
    with torch.inference_mode(False), torch.enable_grad(), _frozen(classifier.module), outputs.recording():
        noise = torch.randn(1, *classifier.input_shape, generator=torch.Generator().manual_seed(0))
        # A clone: a leaf that requires its gradient could not be changed in place.
        logit = classifier.logits(noise.to(classifier.device).requires_grad_().clone()).max()
        used = {name: (output, step) for name, output, _, step in outputs.seen.values()}
        names, gradients = [name for name in used if used[name][0].requires_grad], dict[str, Tensor]()
        with suppress(RuntimeError):  # code that cuts gradients off
            found = torch.autograd.grad(logit, [used[name][0] for name in names], allow_unused=True)
            gradients = {name: gradient for name, gradient in zip(names, found, strict=True) if gradient is not None}
    return {
        name: LayerOutput(output.detach(), gradients.get(name, torch.zeros_like(output)), step)
        for name, (output, step) in used.items()
    }, logit.grad_fn


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Within, parameters need no gradient, so that what needs one depends on the picture."""
    held = [parameter for parameter in module.parameters() if parameter.requires_grad]
    try:
        for parameter in held:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in held:
            parameter.requires_grad_(True)


def other_layer(classifier: Classifier) -> str:
    """What to do about a layer that does not serve: candidates and their shapes, late ones first, few of the nested."""
    candidates = _candidates(classifier)
    if candidates == []:
        return "No layer of this model holds a map: use methods that need none, such as integrated gradients."
    if candidates is None:
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
    names = [known for known, _ in unwrapped(classifier.module).named_modules() if known]
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    question = f"Did you mean {' or '.join(near)}? " if near else ""
    return NotFound("no layer of this name", value=name, remedy=question + other_layer(classifier))


def hidden_layers(classifier: Classifier) -> NotApplicable:
    """The error for layers that no hook reaches."""
    return NotApplicable(
        "the layers of a TorchScript or exported model cannot be looked into",
        value=type(unwrapped(classifier.module)).__name__,
        remedy="Use methods that need no layer, or import the model's Python code with these weights.",
    )


class _Outputs:
    """What every module gives in one forward, under the output's identity: of nested modules the outermost is last."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.seen: dict[int, tuple[str, Tensor, int, Step | None]] = {}
        self.ran: set[str] = set()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Within: eval mode, and hooks on all modules."""
        with ExitStack() as stack:
            for name, part in self.module.named_modules():
                if name and not is_scripted(part):
                    stack.enter_context(part.register_forward_hook(partial(self._record, name)))
            stack.enter_context(evaluating(self.module))
            yield

    def _record(self, name: str, _: nn.Module, inputs: Sequence[Any], output: Any) -> None:
        again = name in self.ran
        self.ran.add(name)
        if again:
            self.seen = {key: entry for key, entry in self.seen.items() if entry[0] != name}
        elif isinstance(output, Tensor) and not self._handed_on(inputs, output):
            self.seen.pop(id(output), None)
            self.seen[id(output)] = name, output, output._version, output.grad_fn

    def _handed_on(self, inputs: Sequence[Any], output: Tensor) -> bool:
        """Idle modules give their input itself, other than those that change it in place."""
        before = self.seen.get(id(output))
        return before is not None and before[2] == output._version and any(output is given for given in inputs)
