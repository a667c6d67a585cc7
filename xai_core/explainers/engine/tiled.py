"""Explanations of what was answered tile by tile: each tile's map for its part of the score, added up at its place.

The score of a region is Σ_p r(p) Σ_t a_t(p) · logit_t(p): r is what a place counts in the target, a_t how much a tile
counts there in the prediction. Each summand is a function of one tile alone, so its map is that of an ordinary picture,
with r · a_t as its region, and a map of the sum is the sum of maps. Exactly so for all that is linear in the score:
gradients, what they are multiplied by or averaged over, relevance, what covering a patch or a channel costs, HiResCAM.
Class activation maps pool gradients tile by tile. With one tile all are the maps of an untiled model.

Only tiles that count somewhere in the region are asked: no other can have an influence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from xai_core.errors import NotApplicable
from xai_core.explainers.base import EXPLAINERS, ExplainerInput
from xai_core.explainers.engine.baseline import baseline
from xai_core.explainers.engine.cams import NO_GRADIENT
from xai_core.models.tiles import Tile, surrounded, tiles_over
from xai_core.types import Array, Explanation

if TYPE_CHECKING:
    from xai_core.explainers.engine.plan import Method
    from xai_core.models.classifier import Classifier

AT_ONCE = 64
"""Tiles, at most, whose maps are in memory together."""

COMBINED: Mapping[str, Callable[[Array], float]] = {
    "conservation": lambda of: float(of[np.argmax(np.where(np.isnan(of), np.inf, np.abs(of - 1)))]),
    "completeness_gap": lambda of: float(np.max(of)),
    "sum": lambda of: float(np.sum(of)),
    "expected_difference": lambda of: float(np.sum(of)),
    "sum_error": lambda of: float(np.sqrt(np.sum(of**2))),
}
"""What diagnostics of several tiles come to: sums are of all, of a quality the worst is told."""


@dataclass(frozen=True)
class Piece:
    """A tile's part in one target: the target's number, the tile, and what each of its places counts."""

    target: int
    tile: Tile
    region: Tensor


@dataclass
class Sum:
    """A method's maps of n targets, growing tile by tile.

    Attributes:
        maps: `(n, h, w)` over the picture and what surrounds it.
        told: of each target its tiles' diagnostics, by name.
        refused: of each target why a tile has no map, "" where it has one.
    """

    maps: NDArray[np.float64]
    told: list[dict[str, list[float]]]
    refused: list[list[str]]

    def add(self, piece: Piece, made: Explanation, at: int) -> None:
        """One tile's map, brought to its pixels."""
        self.refused[piece.target].append(made.refusals[at] or "")
        for name, values in made.diagnostics.items():
            self.told[piece.target].setdefault(name, []).append(float(values[at]))
        if made.refusals[at] is None:
            height, width = piece.tile.share.shape
            top, left = piece.tile.top, piece.tile.left
            self.maps[piece.target, top : top + height, left : left + width] += _sized(made.maps[at], height, width)

    def whole(self, size: tuple[int, int], grid: tuple[int, int]) -> Explanation:
        """The picture's maps `(n, *grid)`, `size` of it being the picture, the grid laid over all of that."""
        maps = np.stack([_sized(each[: size[0], : size[1]], *grid) for each in self.maps]).astype(np.float32)
        names = sorted({name for told in self.told for name in told} & set(COMBINED))
        told = {
            name: np.array(
                [COMBINED[name](np.array(of[name])) if name in of else np.nan for of in self.told], np.float32
            )
            for name in names
        }
        return Explanation(maps, told, tuple(map(_refusal, self.refused)))


def explain_in_tiles(given: ExplainerInput, rows: NDArray[np.int64], methods: Sequence[Method]) -> list[Explanation]:
    """As `plan.explain` of a model that sees tiles; maps `(N, S, S)` on the grid of its `Preprocess.whole`.

    Args:
        given: checked. Its `x`, regions and masks are on the model's `Preprocess.canvas`, in which each picture lies
            as `inside` says.
        rows: `(N,)` which picture each target belongs to.
        methods: none whose card needs `whole`.

    Raises:
        NotApplicable: a method that cannot be used with this model, or with none of the pictures.
    """
    made: dict[int, list[Explanation]] = {}
    problems: dict[int, NotApplicable] = {}
    for picture in np.unique(rows).tolist():
        try:
            made[picture] = _of_picture(given, picture, np.flatnonzero(rows == picture), methods)
        except NotApplicable as error:
            problems[picture] = error
    if not made:
        raise next(iter(problems.values()))
    grid = (given.classifier.preprocess.whole.height, given.classifier.preprocess.whole.width)
    for picture, problem in problems.items():
        count = int((rows == picture).sum())
        none = Explanation(np.full((count, *grid), np.nan, np.float32), refusals=(str(problem),) * count)
        made[picture] = [none] * len(methods)
    order = np.argsort(np.argsort(rows, kind="stable"))
    return [_joined([made[picture][at] for picture in sorted(made)], order) for at in range(len(methods))]


def _of_picture(
    given: ExplainerInput, picture: int, here: NDArray[np.int64], methods: Sequence[Method]
) -> list[Explanation]:
    """Of the targets `here`, which all are of one picture."""
    classifier = given.classifier
    left, top, right, bottom = given.inside[picture].tolist() if given.inside is not None else (0, 0, None, None)
    cut = (slice(top, bottom), slice(left, right))
    x = given.x[picture][:, *cut]
    few = replace(
        given,
        x=x[None].expand(len(here), *x.shape),
        targets=[given.targets[at] for at in here],
        seeds=given.seeds[here],
        regions=x.new_ones(len(here), *x.shape[1:]) if given.regions is None else given.regions[here][:, *cut],
        masks=None if given.masks is None else given.masks[here][:, *cut],
        inside=None,
    )
    grid = (classifier.preprocess.whole.height, classifier.preprocess.whole.width)
    sums = _sums(few, x, [method for method in methods if not EXPLAINERS[method[0]].card.control])
    found = {key: total.whole((x.shape[1], x.shape[2]), grid) for key, total in sums.items()}
    return [found[_id(method)] if _id(method) in found else _control(few, method, grid) for method in methods]


def _sums(few: ExplainerInput, x: Tensor, methods: Sequence[Method]) -> dict[str, Sum]:
    """What tiles give by each method, all of them added up. Raises what the last raises where none gives anything."""
    pieces, whole = _pieces(few, x)
    count = len(few.targets)
    sums = {
        _id(method): Sum(np.zeros((count, *whole.shape[1:])), [{} for _ in range(count)], [[] for _ in range(count)])
        for method in methods
    }
    if not methods:
        return sums
    problem: NotApplicable | None = None
    some = False
    for part in (pieces[start : start + AT_ONCE] for start in range(0, len(pieces), AT_ONCE)):
        try:
            found = _explained(few, whole, part, methods)
            some = True
        except NotApplicable as error:  # such as no gradient in these few tiles; in others there may be one
            problem = error
            continue
        for method, made in zip(methods, found, strict=True):
            for at, piece in enumerate(part):
                sums[_id(method)].add(piece, made, at)
    if problem is not None and not some:
        raise problem
    return sums


def _pieces(few: ExplainerInput, x: Tensor) -> tuple[list[Piece], Tensor]:
    """The tiles that count somewhere in a region, tile by tile; and the picture, no smaller than a tile."""
    assert few.regions is not None
    _, high, wide = few.classifier.input_shape
    black = baseline(few.classifier, x[None, :, :1, :1], "black")[0]
    nothing = few.regions.new_zeros(1, 1, 1)
    pieces = []
    for tile in tiles_over(x.shape[1], x.shape[2], high, wide):
        share = tile.share.to(x.device)
        for number, region in enumerate(few.regions):
            part = tile.of(surrounded(region[None], high, wide, nothing))[0] * share
            if part.any():
                pieces.append(Piece(number, tile, part))
    return pieces, surrounded(x, high, wide, black)


def _explained(
    few: ExplainerInput, whole: Tensor, part: Sequence[Piece], methods: Sequence[Method]
) -> list[Explanation]:
    """Maps of these pieces, as of pictures of their own. Targets of one tile share its pass."""
    from xai_core.explainers.engine.plan import explain

    begins = list(dict.fromkeys((piece.tile.top, piece.tile.left) for piece in part))
    tiles = {(piece.tile.top, piece.tile.left): piece.tile for piece in part}
    numbers = np.array([begins.index((piece.tile.top, piece.tile.left)) for piece in part])
    one = ExplainerInput(
        one_tile_of(few.classifier),
        torch.stack([tiles[begin].of(whole) for begin in begins]),
        [few.targets[piece.target] for piece in part],
        np.array([few.seeds[piece.target] for piece in part], np.int64),
        regions=torch.stack([piece.region for piece in part]),
        background=few.background,
    )
    return explain(one, methods, numbers)


def one_tile_of(classifier: Classifier) -> Classifier:
    """The same model as one of pictures that are as large as a tile."""
    return replace(classifier, preprocess=replace(classifier.preprocess, fit="squash", resize=None))


def _control(few: ExplainerInput, method: Method, grid: tuple[int, int]) -> Explanation:
    """A map that never asks the model, of the whole picture."""
    member = EXPLAINERS[method[0]]
    assert member.run is not None, "a control"
    made = member.run(few, method[1] or member.params())
    return replace(made, maps=np.stack([_sized(each, *grid) for each in made.maps]).astype(np.float32))


def _id(method: Method) -> str:
    return repr(method)


def _refusal(of_tiles: Sequence[str]) -> str | None:
    """Why a target has no map: what is wrong in a tile, or nothing reaches any of them."""
    wrong = [reason for reason in of_tiles if reason and reason != NO_GRADIENT]
    if wrong:
        return f"in {len(wrong)} of {len(of_tiles)} tiles: {wrong[0]}"
    return NO_GRADIENT if all(of_tiles) else None


def _joined(parts: Sequence[Explanation], order: NDArray[np.int64]) -> Explanation:
    """Explanations of picture after picture, in the order of their targets."""
    names = {name for part in parts for name in part.diagnostics}
    told = {name: np.concatenate([_told(part, name) for part in parts])[order] for name in sorted(names)}
    refusals = [reason for part in parts for reason in part.refusals]
    return Explanation(
        np.concatenate([part.maps for part in parts])[order], told, tuple(refusals[place] for place in order.tolist())
    )


def _told(part: Explanation, name: str) -> Array:
    return part.diagnostics.get(name, np.full(len(part.maps), np.nan, np.float32))


def _sized(one: NDArray[Any], height: int, width: int) -> NDArray[np.float64]:
    """`(h, w)` on another grid, bilinear; to a smaller one, the mean of what each place covers."""
    if one.shape == (height, width):
        return np.asarray(one, np.float64)
    plane = torch.from_numpy(np.ascontiguousarray(one, np.float64))[None, None]
    sized = F.interpolate(plane, (height, width), mode="bilinear", align_corners=False, antialias=True)
    return np.asarray(sized[0, 0].numpy())
