"""Proposes the layer that class activation maps are made at, for a model of which nobody says so."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from xai_core.models.layers import LayerOutput, Step, outputs_and_gradients, with_grids

if TYPE_CHECKING:
    from xai_core.models.classifier import Classifier

ENOUGH = 4
"""So many places a side show where something is; a proposed layer has them if one does."""

NONE = "no layer of this model holds a map"


def proposed_layer(classifier: Classifier) -> tuple[str, str]:
    """The layer that class activation maps are best made at, and why, one clause; "" and why there is none.

    It is the last, in the order in which layers run, that the whole answer passes through, with ENOUGH places a side:
    side branches are passed over. So is what only pools a layer before it, and class scores that are averaged over
    places: of their channels all but one say nothing of the class. Where paths part before the first grid, it is the
    last grid. The model is left as it was.
    """
    # Any code of the user's may run here; what fails is told where the model is asked.
    with suppress(Exception, SystemExit):
        used, last = outputs_and_gradients(classifier)
        whole = _whole_steps(last)
        through = [name for name, seen in used.items() if seen.step in whole and not _pools(seen)]
        return (
            _last(classifier, used, through, " that the whole answer passes through")
            or _last(classifier, used, [name for name in used if name not in through], "")
            or ("", NONE)
        )
    return "", NONE


def _last(classifier: Classifier, used: dict[str, LayerOutput], names: list[str], which: str) -> tuple[str, str] | None:
    found = [
        (name, shape)
        for (name, shape), gradient in with_grids(classifier, used, names)
        if int((gradient[0].flatten(1) != 0).any(1).sum()) != 1 or shape[0] == 1
    ]
    if not found:
        return None
    best = max(range(len(found)), key=lambda at: (min(ENOUGH, *found[at][1][1:]), at))
    name, (channels, height, width) = found[best]
    fine = f" and that has {ENOUGH} places a side" if best < len(found) - 1 else ""
    return (
        name,
        f"the last layer{which}{fine}; it holds {height} × {width} places over the picture, {channels} channels",
    )


def _pools(seen: LayerOutput) -> bool:
    return seen.step is not None and "Pool" in seen.step.name()


def _whole_steps(last: Step | None) -> set[Step]:
    """The steps of autograd that every path from the answer back to the picture takes.

    Backwards through the graph, a step after all that read it: where nothing else waits at that time, all paths meet.
    """
    if last is None:
        return set()
    readers, reached, waiting = Counter[Step](), {last}, [last]
    while waiting:
        for before in _before(waiting.pop()):
            readers[before] += 1
            if before not in reached:
                reached.add(before)
                waiting.append(before)
    found, ready, begun = set[Step](), [last], set[Step]()
    while ready:
        step = ready.pop()
        begun.discard(step)
        if not ready and not begun:
            found.add(step)
        for before in _before(step):
            readers[before] -= 1
            begun.add(before)
            if not readers[before]:
                begun.discard(before)
                ready.append(before)
    return found


def _before(step: Step) -> list[Step]:
    return [earlier for earlier, _ in step.next_functions if earlier is not None]
