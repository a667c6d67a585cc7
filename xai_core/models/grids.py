"""How a layer's output lies over the picture: found by changing corners of a picture, for any model.

Shapes do not tell. Channels may come first or last, with as many channels as places; windows and mirrored views are
folded into the batch; attention is a square too, of tokens by tokens. What changes with a corner does.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xai_core.models.architectures import ARCHITECTURES
from xai_core.models.tokens import Tokens, arranged, corner_boxes
from xai_core.models.wrappers import evaluating, layer_named

if TYPE_CHECKING:
    from xai_core.models.classifier import Classifier
    from xai_core.models.preprocess import Preprocess

MOVES = 0.15
"""How far, as a share of an axis, the change moves along it from corner to corner, where it is a side of the picture.
In torchvision's nets it is 0.1 to 0.6 at 224 px; along channels it stays below 0.06."""

STAYS, WIDE = 0.05, 8
"""Grids of so many places a side are never so deep that a corner shows all over them: there the change moves."""

ALIKE = 0.02
"""By how much of its peak a picture's row may differ alone and in a batch: half precision rounds that much."""

UNUSED = "the model does not use this layer"
SEVERAL = "this layer has several outputs"
NO_GRID = "this layer's output is not a grid of channels"
MIXED = "what this layer gives for a picture depends on the pictures beside it, or on chance"
CONSTANT = "this layer gives the same for every picture"
ATTENTION = "this layer gives attention of tokens to tokens (its rows add up to 1), not a grid over the picture"
ELSEWHERE = "this layer's grid does not lie over the picture: a corner of the picture changes other places of it"
EITHER = "it cannot be told which axis of this layer's output are the channels"
ANYWHERE = "it cannot be told where this layer's tokens lie on the picture"


class Layout(NamedTuple):
    """How a layer's output lies over the picture.

    Attributes:
        channels: the axis of channels, 1 or 3, of the output `(N, …)` with four axes.
        problem: why the layer holds no map, one clause; "" where it does.
        tokens: of an output with three axes, how its tokens make a grid; None where the architecture says so.
    """

    channels: int = 1
    problem: str = ""
    tokens: Tokens | None = None


_known: WeakKeyDictionary[nn.Module, dict[tuple[object, ...], Layout]] = WeakKeyDictionary()


def layout_of(classifier: Classifier, layer: str) -> Layout:
    """The layout of the layer of this name ("" for the declared one); raises NotFound where there is none."""
    name = layer or classifier.cam_layer
    classifier.layer(name)
    return layouts(classifier, [name])[name]


def layouts(classifier: Classifier, names: Sequence[str]) -> dict[str, Layout]:
    """The layouts of several layers, from one pass. Kept per model: it is its code that decides, not its weights.

    Two forwards without gradients, of four pictures and of one; the model is left as it was. What its code raises
    comes out.
    """
    kept = _known.setdefault(classifier.module, {})
    if classifier.architecture in ARCHITECTURES:  # its author says so; no pass is spent on it
        member = ARCHITECTURES[classifier.architecture]
        for declared in (member.cam_layer, *member.named_layers):
            kept.setdefault((declared, classifier.input_shape, _restores(classifier, declared)), Layout())
    keys = {name: (name, classifier.input_shape, _restores(classifier, name)) for name in names}
    missing = [name for name in names if keys[name] not in kept]
    if missing:
        kept.update((keys[name], layout) for name, layout in _found(classifier, missing).items())
    return {name: kept[keys[name]] for name in names}


def restored(classifier: Classifier, output: Tensor, name: str) -> Tensor:
    """Tokens of a layer brought to their grid by the architecture's own rule; other outputs as they are."""
    restore = classifier.restore_grid
    if restore is None or not (_restores(classifier, name) or output.ndim == 3):
        return output
    try:
        return restore(output)
    except RuntimeError:  # tokens that make no grid
        return output


def laid_out(classifier: Classifier, output: Tensor, name: str, layout: Layout) -> Tensor:
    """A layer's output as `(N, C, h, w)`, a grid over the picture."""
    grid = restored(classifier, output, name) if layout.tokens is None else layout.tokens(output)
    return grid.movedim(layout.channels, 1)


def _restores(classifier: Classifier, name: str) -> bool:
    return classifier.restore_grid is not None and name in ("", classifier.cam_layer)


def _found(classifier: Classifier, names: Sequence[str]) -> dict[str, Layout]:
    corners = _corners(classifier.preprocess).to(classifier.device)
    together = _outputs(classifier, names, corners)
    alone = _outputs(classifier, names, corners[-1:])
    return {name: _layout(classifier, name, together.get(name), alone.get(name)) for name in names}


def _corners(preprocess: Preprocess) -> Tensor:
    """`(4, C, H, W)`: smooth noise, and the same with another upper left, upper right and lower left corner.

    As input of real pictures would be: some models refuse what is out of its range.
    """
    generator = torch.Generator().manual_seed(0)
    channels, sides = preprocess.channels, (preprocess.height, preprocess.width)
    coarse = [min(8, side) for side in sides]
    mean, std = (torch.tensor(values)[:, None, None] for values in (preprocess.mean, preprocess.std))

    def noise() -> Tensor:
        smooth = F.interpolate(torch.randn(1, channels, *coarse, generator=generator), sides, mode="bilinear")
        rough = smooth + torch.randn(1, channels, *sides, generator=generator) / 2
        return ((1.5 * rough).sigmoid() - mean) / std

    picture, other = noise(), noise()
    pictures = picture.repeat(4, 1, 1, 1)
    for row, (rows, columns) in enumerate(corner_boxes(*sides), 1):
        pictures[row, :, rows, columns] = other[0, :, rows, columns]
    return pictures


def _outputs(classifier: Classifier, names: Sequence[str], x: Tensor) -> dict[str, Any]:
    """What the layers give when they are last called; those that are not called are missing."""
    seen: dict[str, Any] = {}

    def keep(name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        # A copy: the next layer may work in place.
        seen[name] = output.detach().float().clone() if isinstance(output, Tensor) else output

    with ExitStack() as stack:
        for manager in (torch.inference_mode(False), torch.no_grad(), torch.random.fork_rng(devices=[])):
            stack.enter_context(manager)
        stack.enter_context(evaluating(classifier.module))
        torch.manual_seed(0)
        for name in names:
            if (layer := layer_named(classifier.module, name)) is not None:
                stack.enter_context(layer.register_forward_hook(partial(keep, name)))
        classifier.logits(x)
    return seen


def _layout(classifier: Classifier, name: str, together: Any, alone: Any) -> Layout:
    """Of outputs for the four pictures, and for the last of them."""
    problem = _no_rows(together, alone)
    if problem:
        return Layout(problem=problem)
    grid = restored(classifier, together, name)
    if grid.ndim == 3 and grid.numel():
        return _of_tokens(grid, classifier.input_shape)
    if grid.ndim != 4 or not grid.numel():
        return Layout(problem=NO_GRID)
    if _restores(classifier, name):
        return Layout()
    if grid is not together and _adds_up(together):
        return Layout(problem=ATTENTION)
    return _of_grid(grid, classifier.input_shape)


def _no_rows(together: Any, alone: Any) -> str:
    """Why an output's rows are not those of the four pictures; "" where they are."""
    if together is None or alone is None:
        return UNUSED
    if not isinstance(together, Tensor) or not isinstance(alone, Tensor):
        return SEVERAL
    if together.ndim < 2:
        return NO_GRID
    if len(together) != 4 or len(alone) != 1:
        return f"this layer's rows are not the pictures: it gives {len(together)} for 4 of them"
    last, row = together[3:].nan_to_num(), alone.nan_to_num()
    if last.shape != row.shape or (last - row).abs().max() > ALIKE * row.abs().max():
        return MIXED
    together = together.nan_to_num()
    return CONSTANT if together.any() and (together == together[:1]).all() else ""


def _of_tokens(output: Tensor, shape: tuple[int, int, int]) -> Layout:
    if _adds_up(output):
        return Layout(problem=ATTENTION)
    found = arranged(output, *shape[1:])
    if len(found) == 1:
        return Layout(tokens=found[0])
    return Layout(problem=ANYWHERE if found else NO_GRID)


def _of_grid(grid: Tensor, shape: tuple[int, int, int]) -> Layout:
    first, last = (_Fit(grid, shape, *axes) for axes in ((1, 2, 3), (3, 1, 2)))
    if last.shown:
        return Layout(3)
    if _adds_up(grid):
        return Layout(problem=ATTENTION)
    if first.shown:
        return Layout(1)
    possible = [fit for fit in (first, last) if fit.possible]
    if not possible:
        return Layout(problem=ELSEWHERE if first.elsewhere else NO_GRID)
    # No evidence: the nearer aspect; of two alike PyTorch's habit, unless the layer answers and still does not tell.
    nearest = min(possible, key=lambda fit: fit.stretch)
    if len(possible) == 2 and first.stretch == last.stretch and first.alive:
        return Layout(problem=EITHER)
    return Layout(nearest.channels)


class _Fit:
    """Whether a grid `(4, …)` has its channels along one axis, and the picture's height and width along others."""

    def __init__(self, grid: Tensor, shape: tuple[int, int, int], channels: int, down: int, across: int) -> None:
        self.channels = channels
        changes = (grid[1:] - grid[:1]).double().nan_to_num().abs()
        sizes = grid.shape[down], grid.shape[across]
        # Of a picture's side, or of the grid's, that is one pixel long, no change can be seen.
        seen = [size > 1 and side > 1 for size, side in zip(sizes, shape[1:], strict=True)]
        self.alive = any(seen) and bool((changes.flatten(1).sum(1) > 0).all())
        downs, acrosses = _moves(changes, 2), _moves(changes, 1)
        along = [move for move, shows in zip((downs[down], acrosses[across]), seen, strict=True) if shows]
        most = max(map(abs, (downs[across], acrosses[down], downs[channels], acrosses[channels])))
        least = min(along, default=0.0)
        # Of one side alone, as of pooled channels, a move may be chance.
        whole = all(shows or side == 1 for shows, side in zip(seen, shape[1:], strict=True))
        self.shown = self.alive and whole and least >= MOVES and most < least / 2
        stays = min(sizes) >= WIDE and least < STAYS
        self.elsewhere = self.alive and (stays or least <= -MOVES or most >= MOVES)
        self.stretch = abs(sizes[0] * shape[2] - sizes[1] * shape[1])
        # The picture's aspect, up to two places lost or won at the border of each side.
        self.possible = not self.elsewhere and self.stretch <= 2 * (shape[1] + shape[2])


def _moves(changes: Tensor, corner: int) -> dict[int, float]:
    """How far the change's centre moves along each axis from the upper left corner to another, from −1 to 1."""
    found = {}
    for axis in (1, 2, 3):
        profile = changes.sum([other for other in (1, 2, 3) if other != axis])
        places = (torch.arange(profile.shape[1], device=profile.device) + 0.5) / profile.shape[1]
        centres = (profile * places).sum(1) / profile.sum(1).clamp(min=torch.finfo(profile.dtype).tiny)
        found[axis] = float(centres[corner] - centres[0])
    return found


def _adds_up(output: Tensor) -> bool:
    """Whether the last axis holds shares of 1."""
    return output.shape[-1] > 1 and bool((output >= 0).all()) and bool(((output.sum(-1) - 1).abs() < 1e-3).all())
