"""A cell of the confusion matrix in recipes: by the names of its classes, its samples, and what they resemble."""

from __future__ import annotations

from xai_core.answers.aggregate import aggregate
from xai_core.answers.groups import LIMIT
from xai_core.answers.scope import Scope
from xai_core.errors import NotFound
from xai_core.recipes.making.parts import column_of
from xai_core.recipes.making.report import Part
from xai_core.store.study import Study
from xai_core.triage.confusion import Cell
from xai_core.triage.groups import confusion_groups


def cell_of(study: Study, true: str, predicted: str) -> Cell:
    """The cell by the names of its classes. Raises NotFound."""
    names = list(study.class_names)
    for name in (true, predicted):
        if name not in names:
            raise NotFound.among("class", name, names)
    return names.index(true), names.index(predicted)


def shown(scope: Scope, cell: Cell) -> list[int]:
    """Rows of the paper's figures: the confusion, its classes recognised, and one of each class recognised."""
    among = scope.members
    seed = scope.study.info.seed
    groups = confusion_groups(among.rows, among.labels, among.predicted, cell, limit=LIMIT, seed=seed)
    rows = {row for some in groups.values() for row in some.tolist()}
    return sorted(rows | set(one_of_each(scope)))


def one_of_each(scope: Scope) -> list[int]:
    """The first recognised sample of each class that has one."""
    cells = (scope.members.cell(number, number) for number in range(len(scope.names)))
    return [int(rows[0]) for rows in cells if len(rows)]


def resemblance_part(scope: Scope, cell: Cell, method: str) -> Part:
    """Where the evidence of the three groups lies, and which class the confused look like."""
    found = aggregate(scope, cell, column_of(scope.run, (method, {})))
    rows = tuple((title, down, right, str(n)) for title, down, right, n in found.centres)
    heads = ("group", "evidence lies, from the top", "from the left", "n")
    return Part("What the confused look like", heads, rows, tuple(found.sentences), found.as_json())
