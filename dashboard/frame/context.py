"""What the pages work on: the studies this server was started with, the worker, and the view that is open.

The page script runs in a namespace of its own on every rerun, the server's module in another; what lives as long as
the process therefore lives here, in a module that both import.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dashboard.drawing.tiles import Tiles
from dashboard.frame.interest import Interest
from dashboard.frame.state import Selection
from dashboard.frame.uploads import Uploads
from xai_core.answers.scope import NOBODY, Members, Scope, best_split
from xai_core.errors import BadInput, NotFound, XaiError
from xai_core.explainers import EXPLAINERS
from xai_core.params import assignments, build
from xai_core.settings import ON_REQUEST, load
from xai_core.store.facts import Condition
from xai_core.store.predictions import Predictions
from xai_core.store.readable import Readable, newest_run, readable_runs
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.task import SEGMENTATION
from xai_core.types import TARGET_SPECS, Target
from xai_core.worker.client import Worker, WorkerClient

STUDIES_VARIABLE = "XAI_STUDIES"


class Studies:
    """The served studies by name. Opened when first asked for, so that a broken one hides no other."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders: dict[str, Path] = {}
        self._open: dict[str, Study] = {}
        self._runs: dict[tuple[str, str], Run] = {}
        for folder in folders:
            self._folders[self._free_name(folder.name)] = folder

    @classmethod
    def from_environment(cls) -> Studies:
        """Those that the variable XAI_STUDIES lists, a JSON list of absolute folders.

        Raises:
            BadInput: the variable holds something else.
        """
        text = os.environ.get(STUDIES_VARIABLE, "[]")
        try:
            return cls([Path(str(folder)) for folder in json.loads(text)])
        except (ValueError, TypeError):
            remedy = "Start the dashboard with `xai serve STUDY`, which sets it."
            raise BadInput(f"{STUDIES_VARIABLE} is not a JSON list of folders", value=text, remedy=remedy) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._folders)

    def __len__(self) -> int:
        return len(self._folders)

    def __getitem__(self, name: str) -> Study:
        if name not in self._folders:
            raise NotFound.among("study", name, self._folders)
        if name not in self._open:
            self._open[name] = Study.open(self._folders[name])
        return self._open[name]

    def run(self, study: Study, name: str) -> Run:
        """A run of a study, kept open: what it has read once is not read again on the next click.

        Raises:
            NotFound: the study has no such run (any more).
            BadInput: its `run.json` is damaged.
        """
        key = (str(study.path), name)
        if key not in self._runs or not self._runs[key].path.is_dir():
            self._runs[key] = study.run(name)
        _ = self._runs[key].info
        return self._runs[key]

    def _free_name(self, name: str) -> str:
        taken, number = name, 2
        while taken in self._folders:
            taken, number = f"{name} ({number})", number + 1
        return taken


@dataclass
class Services:
    """What lives as long as the server. `on_request`: missing maps are computed only when somebody asks for them."""

    studies: Studies
    worker: Worker
    on_request: bool = False
    tiles: Tiles = field(default_factory=Tiles)
    interest: Interest = field(default_factory=Interest)
    uploads: Uploads = field(default_factory=Uploads)


_lock = threading.Lock()
_services: Services | None = None


def services() -> Services:
    """The process's services, made when first asked for."""
    global _services
    with _lock:
        if _services is None:
            settings = load()
            worker = WorkerClient(device=settings.device, threads=settings.threads)
            _services = Services(Studies.from_environment(), worker, settings.compute == ON_REQUEST)
        return _services


def use_services(replacement: Services | None) -> None:
    """Put other services in place; None makes fresh ones from the environment when next asked for."""
    global _services
    with _lock:
        _services = replacement


class View(Protocol):
    """A module under `views/`. One that is not about classifiers says in `TASKS` whose studies it is about."""

    TITLE: str
    QUESTION: str
    ICON: str
    URL: str
    ORDER: int

    def render(self, context: Context) -> None:
        """Draw the page."""
        ...


@dataclass(frozen=True)
class Context:
    """The open view with everything looked up.

    Attributes:
        selection: with study, run and split filled in.
        run: the chosen run; None where the study has none.
        other: the run to compare with; None unless chosen.
    """

    services: Services
    selection: Selection
    study: Study
    run: Run | None
    other: Run | None

    @cached_property
    def scope(self) -> Scope:
        """The run and the split that the page's answers are about.

        Raises:
            NotFound: the study has no run.
        """
        if self.run is None:
            raise NotFound("the study has no run yet", value=self.study.name, remedy="xai train makes one.")
        return Scope(self.run, self.selection.split, self.where)

    @cached_property
    def where(self) -> tuple[Condition, ...]:
        """What must hold of the samples. The selection is within the study's facts, see `resolve`."""
        return tuple(map(self.study.facts.condition, self.selection.where))

    @cached_property
    def readable(self) -> Readable:
        """The study's runs, kept open."""
        return readable_runs(self.study, partial(self.services.studies.run, self.study))

    @property
    def members(self) -> Members:
        """The samples of the split that the run predicted; none without a run."""
        return self.scope.members if self.run else NOBODY

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Row numbers of the split of which the run said something, whatever its task; none without a run."""
        return self.scope.predicted if self.run else np.empty(0, np.int64)

    @property
    def predictions(self) -> Predictions | None:
        """Of the chosen run; None where there are none."""
        return self.run.predictions if self.run else None

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Row numbers of the split."""
        return self.study.rows(wanted(self.selection.split))


def wanted(split: str) -> str | None:
    """The split as the study knows it; None for all samples."""
    return None if split == "all" else split


def resolve(selection: Selection, services: Services) -> tuple[Context, tuple[str, ...]]:
    """The context that a selection means, and one sentence for each name in it that does not exist.

    Raises:
        XaiError: the study cannot be opened.
    """
    notes: list[str] = []
    names = list(services.studies)
    if not selection.study:
        selection = replace(selection, study=names[0])
    elif selection.study not in names:
        notes.append(f"There is no study “{selection.study}” here; showing “{names[0]}”.")
        selection = selection.changed(study=names[0])
    study = services.studies[selection.study]
    run = _run(services.studies, study, selection.run, notes, newest=True)
    other = _run(services.studies, study, selection.other, notes, newest=False)
    selection = replace(selection, run=run.name if run else "", other=other.name if other else "")
    selection = replace(selection, split=selection.split or best_split(study, run))
    return Context(services, _within(selection, study, notes), study, run, other), tuple(notes)


def _run(studies: Studies, study: Study, name: str, notes: list[str], *, newest: bool) -> Run | None:
    known = study.runs()
    if name and name not in known:
        notes.append(f"The study has no run “{name}”.")
    if name in known:
        try:
            return studies.run(study, name)
        except BadInput as error:
            notes.append(str(error))
    if not newest:
        return None
    run, damaged = newest_run(study, partial(studies.run, study))
    notes += [each for each in map(str, damaged) if each not in notes]
    return run


def _within(selection: Selection, study: Study, notes: list[str]) -> Selection:
    """Without a cell, sample or target class that the study does not have."""
    classes = len(study.class_names)
    if selection.cell and max(selection.cell) >= classes:
        notes.append(f"The study has {classes} classes; the cell of the link lies outside.")
        selection = replace(selection, true=None, predicted=None)
    if selection.sample is not None and selection.sample >= len(study.samples):
        notes.append("The study has no such sample.")
        selection = replace(selection, sample=None)
    bad = [entry for entry in selection.settings if not _usable(entry)]
    if bad:
        notes.append(f"Settings that no method accepts were left out: {', '.join(bad)}.")
        selection = replace(selection, settings=tuple(entry for entry in selection.settings if entry not in bad))
    selection = _with_facts(selection, study, notes)
    if selection.target not in TARGET_SPECS and not _fits(Target.parse(selection.target), study):
        notes.append("The study has no such class to explain.")
        selection = replace(selection, target="predicted")
    return selection


def _fits(target: Target, study: Study) -> bool:
    """Whether a study has these classes, and places where its models answer if the target is about some."""
    places = bool(target.region) or target.negative is not None
    known = max(target.positive, target.negative or 0) < len(study.class_names)
    return known and (not places or study.info.task == SEGMENTATION)


def _with_facts(selection: Selection, study: Study, notes: list[str]) -> Selection:
    """Without conditions that the study's facts cannot meet."""
    kept = []
    for text in selection.where:
        try:
            study.facts.condition(text)
            kept.append(text)
        except XaiError as error:
            notes.append(f"The link asks for samples by a fact that cannot be used. {error}")
    return replace(selection, where=tuple(kept))


def _usable(setting: str) -> bool:
    (key, values), *_ = assignments([setting]).items()
    try:
        build(EXPLAINERS[key].params, values)
    except XaiError:
        return False
    return True
