"""The contract of a recipe: a list of named steps on studies, and a report that is read from what they stored.

Modules of this package import what they work with (pandas, torch, `recipes.making`) inside functions only: recipes are
listed by `xai --help`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_core.params import NoParams, param
from xai_core.registry import Registry
from xai_core.types import Card

if TYPE_CHECKING:
    from xai_core.jobs.operations import Work
    from xai_core.recipes.making.report import Report


VALIDATION = 0.1
"""Share of all pictures where the test is drawn anew."""


def test_share() -> Any:
    """The parameter of recipes that can draw the test of the data anew."""
    said = f"share of all pictures drawn anew for the test, and {VALIDATION} for validation; 0 keeps the data's"
    return param(0.0, help=said, high=0.8)


@dataclass(frozen=True)
class Asked:
    """What a person says of a recipe.

    Attributes:
        data: the folder of the data, or a table.
        into: the study's folder.
        params: an instance of the recipe's params type.
        device: where models run; it changes nothing that is stored.
    """

    data: Path
    into: Path
    params: Any
    device: str = "auto"


@dataclass(frozen=True)
class Step:
    """One step, which may be killed at any moment and asked again.

    Attributes:
        name: of the step, unique within its recipe.
        title: what it does, for people.
        done: whether all that it stores is there. It reads the store alone, and says no where there is no study yet.
        run: does what is missing; returns a small JSON-able table of what came of it. Raises XaiError; Cancelled where
            it was stopped.
    """

    name: str
    title: str
    done: Callable[[], bool]
    run: Callable[[Work], dict[str, Any]]


@dataclass(frozen=True)
class Recipe:
    """A registered recipe.

    Attributes:
        card: its key, title, paper and what it does not show.
        steps: what is to be done, in order. Nothing is looked up or read before a step is asked.
        report: the tables of the finished study, from what is stored.
        data: what `--data` has to be, one clause.
        takes: about how long it takes on which machine, one clause.
        params: dataclass of its options.
    """

    card: Card
    steps: Callable[[Asked], Sequence[Step]]
    report: Callable[[Asked], Report]
    data: str
    takes: str
    params: type = NoParams


RECIPES: Registry[Recipe] = Registry("recipe", "xai_core.recipes")
