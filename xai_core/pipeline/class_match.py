"""A model's outputs and a study's classes, brought together by their names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from xai_core.errors import BadParameter
from xai_core.models.answer import Answer
from xai_core.store.study import Study
from xai_core.text import counted, listed, plain_name

ClassName = str | tuple[str, ...]
"""What an output stands for: a name, or all that it goes by, such as an id and a name."""

_APART = re.compile(r"[\s_-]+")


def answer_for(study: Study, classes: Sequence[ClassName]) -> tuple[Answer, list[str]]:
    """Which outputs of a model are the study's classes, and what a person should know of that, one sentence each.

    Each class is looked for by its name and its id among the outputs' names: as it is written; then without regard to
    case, and to `_` and `-` for blanks; then as one of several names parted by commas, as in `tench, Tinca tinca`.

    Args:
        classes: by output, in the order of the outputs.

    Raises BadParameter where a class has no output, several, or one with another class; they are named.
    """
    ids = study.class_ids or study.class_names
    ours = [(name, id_) for name, id_ in zip(study.class_names, ids, strict=True)]
    found, loosely = _found(ours, [(name,) if isinstance(name, str) else tuple(name) for name in classes])
    _check(study, found, classes)
    picked = tuple(places[0] for places in found)
    if picked == tuple(range(len(classes))):
        return Answer(len(classes)), _notes_on(study, classes, picked, loosely)
    return Answer(len(classes), picked), [
        _picked_note(len(picked), len(classes)),
        *_notes_on(study, classes, picked, loosely),
    ]


def _found(ours: Sequence[tuple[str, ...]], theirs: Sequence[tuple[str, ...]]) -> tuple[list[list[int]], list[int]]:
    """By class of ours the outputs that it may be, by the strictest way that finds one; and which are found loosely."""
    found: list[list[int]] = [[] for _ in ours]
    loosely = []
    for strict, way in ((True, _written), (False, _loose), (False, _one_of_several)):
        places = defaultdict[str, list[int]](list)
        for place, names in enumerate(theirs):
            for key in _keys(names, way):
                places[key].append(place)
        for at, names in enumerate(ours):
            if not found[at]:
                found[at] = sorted({place for key in _keys(names, way) for place in places.get(key, ())})
                if found[at] and not strict:
                    loosely.append(at)
    return found, loosely


def _keys(names: Iterable[str], way: Callable[[str], Iterable[str]]) -> set[str]:
    return {key for name in names for key in way(name) if key}


def _written(name: str) -> tuple[str, ...]:
    return (plain_name(name),)


def _loose(name: str) -> tuple[str, ...]:
    return (_APART.sub(" ", plain_name(name)).strip().casefold(),)


def _one_of_several(name: str) -> tuple[str, ...]:
    return tuple(key for part in name.split(",") for key in _loose(part))


def _check(study: Study, found: Sequence[Sequence[int]], classes: Sequence[ClassName]) -> None:
    missing = [name for name, places in zip(study.class_names, found, strict=True) if not places]
    if missing:
        has = f"{counted(len(classes), 'output')}: {listed([shown(name) for name in classes], 5)}"
        problem = f"the model's classes lack {counted(len(missing), 'class', 'classes')} of the study"
        remedy = f"Give all names of its outputs in their order, as the study has them; given are {has}."
        raise BadParameter(problem, value=listed(missing, 5), remedy=remedy)
    for name, places in zip(study.class_names, found, strict=True):
        if len(places) > 1:
            where = " and ".join(f"{place} ({shown(classes[place])})" for place in places[:3])
            remedy = "Give names that tell them apart, or ids, as of --classes-file."
            raise BadParameter(f"several outputs of the model are called {name}", value=where, remedy=remedy)
    taken: dict[int, str] = {}
    for name, (place,) in zip(study.class_names, found, strict=True):
        if place in taken:
            problem = f"one output of the model is two classes, {taken[place]} and {name}"
            remedy = "Give each output a name of its own."
            raise BadParameter(problem, value=f"{place} ({shown(classes[place])})", remedy=remedy)
        taken[place] = name


def shown(name: ClassName) -> str:
    """An output's name for people."""
    return name if isinstance(name, str) else ", ".join(dict.fromkeys(name))


def _picked_note(classes: int, outputs: int) -> str:
    if classes == outputs:
        return "The model's outputs are put into the study's order of classes, by name."
    return (
        f"The study's {counted(classes, 'class', 'classes')} are picked out of the model's {outputs:,} by name; its "
        "probabilities are a softmax over these alone, so that it cannot err outside of them."
    )


def _notes_on(study: Study, classes: Sequence[ClassName], picked: Sequence[int], loosely: Sequence[int]) -> list[str]:
    if not loosely:
        return []
    at = loosely[0]
    pair = f"{shown(classes[picked[at]])} for {study.class_names[at]}"
    return [f"{counted(len(loosely), 'name')} of the model written otherwise than the study's, such as {pair}."]
