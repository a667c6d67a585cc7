"""What a model answers to a few fixed pictures: are these logits, and is it still the model that was imported?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from xai_core.errors import BadInput
from xai_core.models.answer import Answer
from xai_core.models.classifier import Classifier
from xai_core.models.preprocess import Preprocess
from xai_core.models.user_code import MEMORY, user_code
from xai_core.models.wrappers import buffers_kept, logits_in
from xai_core.text import listed

NAMED = ("logits", "out")
"""What logits are called, by habit of transformers and of torchvision."""

SHOWN = 6
"""Of what a model returns, so many parts are told."""

PROBES, KEPT = 8, 2
"""Pictures that a model is tried with, and how many of its answers are kept."""

ALONE = 0.02
"""By how much of the largest a picture's logits may differ alone and in a batch: half precision rounds that much."""

ROUNDING = 1e-4
"""On the CPU in full precision they differ by this much of the largest, or ALONE of what pictures' answers differ by:
where all answers have one large part in common, another picture's answer would pass for this one's."""

SAME, SAME_IN_HALF = 1e-2, 1e-1
"""The same for the answers of one model on other hardware."""

SAME_SPREAD = 0.02
"""Or by how much of what the answers to different pictures differ by, where that is more."""

SUMS, SUMS_IN_HALF = 1e-4, 1e-2
"""How exactly probabilities add up to 1."""

STRETCH, SATURATED = 1e3, 1e-2
"""Pictures so much stronger drive a sigmoid to its ends, up to SATURATED; logits they drive past 0 and 1."""

WEIGHING = {"View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Select", "Slice", "Permute", "Transpose"}
WEIGHING |= {"Clone", "Alias", "ToCopy", "Expand", "Index", "IndexSelect", "Split", "Unbind", "Cat", "Stack", "Mean"}
WEIGHING |= {"T", "Sum", "Add", "Mul", "Div", "Clamp", "ClampMin"}
"""Steps of autograd after which probabilities are still probabilities, averaged, scaled or put in order."""


def probe_pictures(preprocess: Preprocess) -> Tensor:
    """`(PROBES, C, H, W)` float32, the same everywhere: fine noise and coarse patches, normalised as pictures are."""
    height, width, channels = preprocess.height, preprocess.width, preprocess.channels
    raw = np.random.PCG64(0).random_raw(PROBES * (height * width * channels // 8 + 1)).view(np.uint8)
    pixels = raw[: PROBES * height * width * channels].reshape(PROBES, height, width, channels)
    rows, columns = (np.arange(side) * 4 // side * side // 4 for side in (height, width))
    coarse = pixels[:, rows][:, :, columns]
    return torch.from_numpy(preprocess.normalise(np.where(np.arange(PROBES)[:, None, None, None] % 2, coarse, pixels)))


def check_logits(made: Classifier) -> None:
    """Raise BadInput where the model's answers are not logits, or depend on a picture's neighbours or on chance."""
    x = probe_pictures(made.preprocess).to(made.device)
    x = x[:KEPT] if made.output_size else x  # a segmenter's forward is dear, and answers at many places
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # the same verdict each time, also on a model that draws at random
        alone = torch.cat([_answers(made, one) for one in x[:, None]])
        try:
            beside = _answers(made, x)
        except BadInput as error:
            if error.remedy == MEMORY:
                raise
            remedy = "Let its code keep the first axis, as in x.flatten(1) or x.view(len(x), -1)."
            problem = f"{made.architecture} takes one picture at a time"
            raise BadInput(problem, value=error.value, remedy=remedy) from error
    if not torch.isfinite(alone).all():
        remedy = "Check the weights, --mean and --std."
        raise BadInput("the model answers noise with NaN or infinite numbers", value=made.architecture, remedy=remedy)
    if (beside - alone).abs().max() > _allowed(made, alone):
        remedy = "Use BatchNorm with running statistics, and dropout in training only."
        raise BadInput("a picture's answer depends on its batch, or on chance", value=made.architecture, remedy=remedy)
    if are_probabilities(made, x, alone):
        remedy = "Let it return logits: what goes into the softmax or sigmoid at its end. Maps explain those."
        raise BadInput("the model returns probabilities, not logits", value=made.architecture, remedy=remedy)


def answers(made: Classifier) -> list[list[float]]:
    """The logits of the first KEPT pictures, to six digits: what `check_answers` compares with later.

    Of a segmenter their means over all places.
    """
    with buffers_kept(made.module):
        found = _answers(made, probe_pictures(made.preprocess)[:KEPT].to(made.device))
    means = found.mean((2, 3)) if made.output_size else found
    return [[float(f"{logit:.6g}") for logit in row] for row in means.tolist()]


def check_answers(made: Classifier, then: Tensor) -> None:
    """Raise BadInput where `answers` were others once, `(KEPT, K)`, by more than other hardware explains."""
    now = torch.tensor(answers(made))
    rounding = SAME if made.dtype in (torch.float32, torch.float64) else SAME_IN_HALF
    allowed = max(rounding * float(then.abs().max()), SAME_SPREAD * float((then - then.mean(0)).abs().max()))
    if then.shape != now.shape or (then - now).abs().max() > allowed:
        remedy = "Something that its code uses has changed, or is drawn at random each time, as layers in a plain list "
        remedy += "are, whose weights no file holds. Put it back, or import the model under another name."
        problem = "the model does not answer as it did when this run was imported"
        raise BadInput(problem, value=made.architecture, remedy=remedy)


def _allowed(made: Classifier, found: Tensor) -> float:
    """By how much answers `(N, K)` may differ with the pictures beside them."""
    most = ALONE * float(found.abs().max())
    if made.device.type != "cpu" or made.dtype not in (torch.float32, torch.float64):
        return most
    spread = float((found - found.mean(0)).abs().max())
    return min(most, max(ALONE * spread, ROUNDING * float(found.abs().max())))


def are_probabilities(made: Classifier, x: Tensor, found: Tensor) -> bool:
    """Whether answers `(N, *output)` to `x` come out of a softmax or a sigmoid; those of a log-softmax are logits.

    Those of a softmax lie above 0 and add up to 1 (or 100) for every picture, scaled ones to whatever they are scaled
    by: there the pictures' answers must differ, as constant ones prove nothing. Those of sigmoids only lie between 0
    and 1, as small logits may: there the steps that led to them tell, or whether much stronger pictures leave them so.
    """
    found = found.movedim(1, -1).flatten(0, -2)  # a segmenter answers at every place
    if found.shape[1] < 2 or found.min() < 0:
        return False
    exact = SUMS if made.dtype in (torch.float32, torch.float64) else SUMS_IN_HALF
    sums, whole = found.sum(1), 1.0 if found.max() <= 1 else 100.0
    if ((sums - whole).abs() <= exact * whole).all():
        return True
    same_sum = (sums - sums[0]).abs().max() <= exact * sums[0]
    if same_sum and (found - found[0]).abs().max() > 10 * exact * sums[0]:
        return True
    return bool(found.max() <= 1) and (_ends_in_probabilities(made, x[:1]) or _saturates(made, x))


def _ends_in_probabilities(made: Classifier, x: Tensor) -> bool:
    with user_code(made.architecture), torch.inference_mode(False), torch.enable_grad():
        out = made.logits(x.clone().requires_grad_().clone())
    return out.grad_fn is not None and set(_sources(out.grad_fn)) <= {"Softmax", "Sigmoid", "Hardsigmoid"}


def _sources(step: torch.autograd.graph.Node) -> list[str]:
    """Names of the steps that a result is put together from by no more than WEIGHING."""
    name = step.name().partition("Backward")[0]
    before = [earlier for earlier, _ in step.next_functions if earlier is not None]
    return list(chain.from_iterable(map(_sources, before))) if name in WEIGHING and before else [name]


def _saturates(made: Classifier, x: Tensor) -> bool:
    found = torch.cat([_answers(made, x * STRETCH), _answers(made, x * -STRETCH)])
    low, high = found < SATURATED, (found > 1 - SATURATED) & (found <= 1)
    return bool((low | high).all() and low.any() and high.any() and found.min() >= 0)


def located(made: Classifier, answer: Answer) -> tuple[Answer, list[str]]:
    """Where a model's logits lie in what it returns, and at which size they come, with a sentence on each that is odd.

    The place is looked for where `answer` does not tell it: they are what is called `logits` or `out`, else what alone
    has the shape of logits; of a tuple the first that has it. A segmenter's may come at any resolution.

    Raises BadInput where nothing of what it returns has that shape, or several have.
    """
    out, notes = _returned(made, probe_pictures(made.preprocess)[:1].to(made.device)), []
    if answer.logits is None and not isinstance(out, Tensor):
        place, note = _place(made, out)
        answer, notes = replace(answer, logits=place), [note]
    logits = logits_in(out, answer.logits)
    if made.output_size and _fits(made, logits) and tuple(logits.shape[2:]) != made.output_size:
        answer = replace(answer, size=made.output_size)
        got, wanted = (" × ".join(map(str, size)) for size in (logits.shape[2:], made.output_size))
        notes.append(f"The model answers at {got} places: its logits are resized to {wanted}, bilinearly.")
    return answer, notes


def _fits(made: Classifier, part: object) -> bool:
    """Whether a part of an answer to one picture has the shape of logits; those of a segmenter in any resolution."""
    if not isinstance(part, Tensor):
        return False
    shape, wanted = tuple(part.shape), (1, *made.output_shape)
    if not made.output_size or shape == wanted:
        return shape == wanted
    return len(shape) == 4 and shape[:2] == wanted[:2] and 0 not in shape and not _classes_last(made, shape)


def _classes_last(made: Classifier, shape: tuple[int, ...]) -> bool:
    """Whether a segmenter's answer is `(N, h, w, K)`."""
    classes = made.output_shape[0]
    last = len(shape) == 4 and shape[3] == classes
    return last and (shape[1] != classes or shape[1:3] == made.output_size != shape[2:])


def _place(made: Classifier, out: object) -> tuple[int | str, str]:
    parts, kind, wanted = _parts(out), type(out).__name__, _written(made)
    fitting = [name for name, part in parts.items() if _fits(made, part)]
    named = next((name for name in NAMED if name in fitting), None)
    place = named if named is not None else next(iter(fitting), None)
    if place is None or (named is None and len(fitting) > 1 and not isinstance(out, tuple | list)):
        several = f"several of shape {wanted} and none called logits" if fitting else f"nothing of shape {wanted}"
        remedy = "Wrap it in a module that returns one tensor of logits, and name one class per logit."
        raise BadInput(f"{made.architecture} returns {several}", value=f"{kind} of {_shapes(parts)}", remedy=remedy)
    first = f", the first of {len(fitting)} of this shape" if named is None and len(fitting) > 1 else ""
    taken = "its logits are taken" if place == "logits" else f"part {place} is taken for the logits"
    return place, f"The model returns a {kind} ({_shapes(parts)}): {taken}{first}."


def _written(made: Classifier) -> str:
    """The shape of logits, of one picture."""
    classes = made.output_shape[0]
    return f"(1, {classes}, height, width)" if made.output_size else f"(1, {classes})"


def _parts(out: object) -> Mapping[int | str, object]:
    """What a model returned, by name where its parts have names, else by place."""
    names = getattr(out, "_fields", None)  # of a named tuple
    if isinstance(out, tuple | list):
        return dict(zip(names or range(len(out)), out, strict=True))
    found = out if isinstance(out, Mapping) else getattr(out, "__dict__", {})
    return {name: part for name, part in found.items() if isinstance(name, str) and part is not None}


def _shapes(parts: Mapping[int | str, object]) -> str:
    shown = [
        f"{name}: {tuple(part.shape) if isinstance(part, Tensor) else type(part).__name__}"
        for name, part in parts.items()
    ]
    return listed(shown, SHOWN) or "nothing"


def _returned(made: Classifier, x: Tensor) -> object:
    """What the model gives. Raises BadInput where it fails."""
    remedy = "Check --size and the number of channels (as many as --mean has numbers)."
    with user_code(made.architecture, "does not take this input", remedy), torch.no_grad():
        return made.logits(x)


def _answers(made: Classifier, x: Tensor) -> Tensor:
    """Logits `(N, *output)` as float32 on the CPU. Raises BadInput where the model fails, or gives something else."""
    out = _returned(made, x)
    if not isinstance(out, Tensor):
        axes = "(pictures, classes, height, width)" if made.output_size else "(pictures, classes)"
        remedy = f"Wrap it in a module that returns one tensor of logits, {axes}."
        raise BadInput(f"{made.architecture} returns no tensor", value=type(out).__name__, remedy=remedy)
    if tuple(out.shape) != (len(x), *made.output_shape):
        raise _misshapen(made, tuple(out.shape), (len(x), *made.output_shape))
    if not out.is_floating_point():
        remedy = "Return the logits themselves, as floating point numbers."
        raise BadInput(f"the output is {str(out.dtype).removeprefix('torch.')}", value=made.architecture, remedy=remedy)
    return out.float().cpu()


def _misshapen(made: Classifier, got: tuple[int, ...], wanted: tuple[int, ...]) -> BadInput:
    """The error for an output of another shape, by what it probably is."""
    problem = f"the output has shape {got} instead of {wanted}"
    remedy = "The model must give one logit per class, and --classes one name per logit."
    if made.output_size and len(got) == 2:
        problem = f"the study is for segmentation, and the model tells the class of whole pictures: {got}"
        remedy = "Give one that returns (pictures, classes, height, width), or a study for classification."
    elif made.output_size and _classes_last(made, got):
        problem = f"the classes come last in the output: {got} instead of {wanted}"
        remedy = "Let the model end in .permute(0, 3, 1, 2)."
    elif not made.output_size and len(got) == 4 and got[2] * got[3] > 1:
        problem = f"the study is for classification, and the model tells the class of each place: {got}"
        remedy = "Give one that returns (pictures, classes), or a study for segmentation."
    return BadInput(problem, value=made.architecture, remedy=remedy)
