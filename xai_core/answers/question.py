"""What may be asked of a study, and the form of every answer. A module of this room answers one question."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from xai_core import answers
from xai_core.answers.maps import Column, columns
from xai_core.answers.methods import DEFAULT_METHODS
from xai_core.answers.scope import Scope, best_split
from xai_core.errors import BadParameter, NotFound
from xai_core.store.facts import Condition
from xai_core.store.readable import newest_run
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.triage.confusion import Cell
from xai_core.triage.looks import Look
from xai_core.triage.normalise import Scaling

Choice = Literal[
    "run", "split", "where", "cell", "sample", "methods", "target", "scale", "look", "sort", "page", "rates", "other"
]
"""What a question may be narrowed by; a command has a flag for each, a page a widget."""


class Answer(Protocol):
    """A frozen record that can be read in two ways. What it says is the same on a page."""

    def as_json(self) -> dict[str, Any]:
        """As JSON: numbers as they are, NaN where there is none."""
        ...

    def text(self) -> str:
        """For people, in lines."""
        ...


@dataclass(frozen=True)
class Asked:
    """A question with all that it is narrowed by.

    Attributes:
        study: the study.
        run: the run it is about; None for the newest with predictions.
        split: one of ALL_SPLITS; "" for the best one that has predictions.
        where: facts that must hold of its samples.
        cell: (true class, predicted class).
        sample: row number.
        other: the run that it is compared with.
        methods: explainers, by key; `settings` are their parameters that are not at their defaults.
        layer: for class activation maps; "" for the one the architecture declares.
        target: what maps explain: one of TARGET_SPECS or a class index as text.
        scale: `per image`: each map by its own maximum, or `shared` by all of a method.
        look: as what maps are drawn, one of LOOKS: the scale is that of what is seen.
        sort: one of SORTS, or `disagreement`.
        page: of the samples of a cell, from 1.
        rates: cells show the `count`, shares per `true` class or per `predicted` class; of segmentation shares of
            pixels, or in how many `pictures` there is one.
    """

    study: Study
    run: Run | None = None
    split: str = ""
    where: tuple[Condition, ...] = ()
    cell: Cell | None = None
    sample: int | None = None
    other: Run | None = None
    methods: tuple[str, ...] = DEFAULT_METHODS
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    layer: str = ""
    target: str = "predicted"
    scale: Scaling = "per image"
    look: Look = "heat"
    sort: str = "confidence"
    page: int = 1
    rates: Literal["count", "true", "predicted", "pictures"] = "count"

    def scope(self) -> Scope:
        """The run and the split that the question is about.

        Raises:
            NotFound: the study has no run.
            BadInput: none of its runs can be read.
        """
        run, damaged = (self.run, []) if self.run else newest_run(self.study)
        if run is None:
            none = NotFound("the study has no run yet", value=self.study.name, remedy="xai train makes one.")
            raise damaged[0] if damaged else none
        return Scope(run, self.split or best_split(self.study, run), self.where)

    def columns(self, run: Run) -> list[Column]:
        """The methods that can be used on the run."""
        return columns(run, self.methods, self.settings, layer=self.layer)

    def needed_cell(self) -> Cell:
        """The cell. Raises BadParameter where none is named."""
        if self.cell is None:
            raise BadParameter("which cell?", remedy="Name one: --cell TRUE:PREDICTED, or --true and --predicted.")
        return self.cell


@dataclass(frozen=True)
class Question:
    """One question of the room.

    Attributes:
        name: as it is asked for.
        help: the question in words.
        choices: what it is narrowed by.
        answer: reads the answer from the store. Raises XaiError.
    """

    name: str
    help: str
    choices: tuple[Choice, ...]
    answer: Callable[[Asked], Answer]


def questions() -> dict[str, Question]:
    """Every question by its name: each module of the room with a `QUESTION`."""
    names = sorted(module.name for module in pkgutil.iter_modules(answers.__path__))
    modules = [importlib.import_module(f"{answers.__name__}.{name}") for name in names]
    found = [module.QUESTION for module in modules if hasattr(module, "QUESTION")]
    return {question.name: question for question in found}
