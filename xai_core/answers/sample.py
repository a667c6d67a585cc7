"""Why this one? A sample: its place among others, what the model said of it, what each map says for each class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from xai_core.answers import picture
from xai_core.answers.explained import Explained, evidence_words, how_to_make, maps_of, on_mask, said_of_maps
from xai_core.answers.lines import paragraphs, table
from xai_core.answers.maps import MapFacts, explain_line, scale_note
from xai_core.answers.provenance import Provenance, provenance
from xai_core.answers.question import Asked, Choice, Question
from xai_core.answers.scope import Scope
from xai_core.answers.series import Series, series
from xai_core.errors import BadInput, NotFound
from xai_core.store.facts import Value, said
from xai_core.task import SEGMENTATION
from xai_core.types import Array, Target
from xai_core.words import cell_name, percent

LISTED = 5
"""Classes whose probabilities are shown."""


@dataclass(frozen=True)
class Sample:
    """A sample with what the model said of it.

    Attributes:
        row: its number.
        label, predicted: class indices.
        probabilities: `(K,)`.
    """

    row: int
    label: int
    predicted: int
    probabilities: Array

    @property
    def correct(self) -> bool:
        """Whether the model was right."""
        return self.label == self.predicted


@dataclass(frozen=True)
class Chance:
    """The probability of one class; `role` says whether it is predicted, true or both."""

    name: str
    share: float
    predicted: bool
    true: bool

    @property
    def role(self) -> str:
        """`predicted`, `true`, `predicted and true`, or ""."""
        return " and ".join(word for word, marked in (("predicted", self.predicted), ("true", self.true)) if marked)


def sample_of(scope: Scope, row: int) -> Sample | None:
    """The sample; None where the run has no prediction for it."""
    predictions = scope.run.predictions
    if predictions is None or not predictions.have(np.array([row])).all():
        return None
    said = predictions.at([row])
    return Sample(row, int(scope.study.labels[row]), int(said.predicted[0]), said.probabilities[0])


def title(scope: Scope, sample: Sample) -> str:
    """What became of the sample."""
    return cell_name(scope.names[sample.label], scope.names[sample.predicted])


def facts(scope: Scope, row: int) -> str:
    """Which picture it is."""
    table = scope.study.samples
    size = f"{table['width'].iat[row]} × {table['height'].iat[row]} pixels"
    return f"{table['id'].iat[row]} · {table['split'].iat[row]} · {size}"


def metadata(scope: Scope, row: int) -> list[tuple[str, str]]:
    """What else the study's table says of the sample: fact and value in words."""
    return [(name, said(value)) for name, value in scope.study.facts.of(row).items()]


def chances(scope: Scope, sample: Sample, k: int = LISTED) -> list[Chance]:
    """The k largest probabilities, the largest first; the true class is always among them."""
    order = np.argsort(-np.asarray(sample.probabilities, float), kind="stable")  # NaN comes last
    shown = [i for i in order[:k].tolist() if np.isfinite(sample.probabilities[i])]
    known = bool(shown) and bool(np.isfinite(sample.probabilities[sample.label]))
    shown += [sample.label] if known and sample.label not in shown else []
    return [
        Chance(scope.names[i], float(sample.probabilities[i]), predicted=i == sample.predicted, true=i == sample.label)
        for i in shown
    ]


def specs(sample: Sample, chosen: str) -> list[str]:
    """What is explained: the predicted class; where it is wrong also the true one and the difference of both.

    A class that was chosen by its index comes last.
    """
    asked = ["predicted"] if sample.correct else ["predicted", "true", "difference"]
    other = chosen.isdigit() and int(chosen) not in (sample.label, sample.predicted)
    return [*asked, chosen] if other else asked


def explained(scope: Scope, sample: Sample, chosen: str) -> list[Explained]:
    """All that maps explain of this sample, with the words for it."""
    return [
        _explained(scope, sample, spec, target)
        for spec in specs(sample, chosen)
        for target in scope.run.targets([sample.row], spec)
    ]


def _explained(scope: Scope, sample: Sample, spec: str, target: Target) -> Explained:
    name = scope.names[target.positive]
    if target.negative is not None:
        parts = ("Evidence for ", name, " rather than ", scope.names[target.negative])
        return Explained(spec, target, parts, "predicted − true")
    share = "" if scope.lacks else _share(sample.probabilities, target.positive)
    role = spec if spec in ("predicted", "true") else ""
    role = "predicted and true" if sample.correct and spec == "predicted" else role
    return Explained(spec, target, ("Evidence for ", name), " · ".join(filter(None, [role, share])))


def _share(probabilities: Array, index: int) -> str:
    if np.isnan(probabilities[index]):  # of very many classes only the largest are kept
        return f"under {percent(float(np.nanmin(probabilities)))}"
    return percent(float(probabilities[index]))


@dataclass(frozen=True)
class SampleAnswer:
    """All of it.

    Attributes:
        where: its place among the samples it is looked at with.
        title, facts: what became of it, which picture it is.
        chances: the largest probabilities.
        explained: what maps explain; `maps`: for each method, by its title, what there is for each of them.
        full_colour: what full colour means in them.
        sentences: what must be known of the maps.
        lines: the commands that compute them.
        provenance: what they are computed with.
        metadata: facts of the sample by name; None where one is not known. `told` is the same in words.
    """

    run: str
    row: int
    id: str
    where: str
    title: str
    facts: str
    correct: bool
    chances: tuple[Chance, ...]
    explained: tuple[Explained, ...]
    maps: dict[str, list[MapFacts]]
    full_colour: str
    sentences: tuple[str, ...]
    lines: tuple[str, ...]
    provenance: Provenance
    metadata: Mapping[str, Value] = field(default_factory=dict)
    told: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        evidence = [
            {
                "target": one.spec,
                "title": "".join(one.title),
                "note": one.note,
                "maps": {title: of_method[place].as_json() for title, of_method in self.maps.items()},
            }
            for place, one in enumerate(self.explained)
        ]
        return {
            "run": self.run,
            "row": self.row,
            "id": self.id,
            "where": self.where,
            "title": self.title,
            "facts": self.facts,
            "metadata": dict(self.metadata),
            "correct": self.correct,
            "probabilities": [asdict(chance) for chance in self.chances],
            "evidence": evidence,
            "full_colour": self.full_colour,
            "sentences": list(self.sentences),
            "commands": list(self.lines),
            "provenance": self.provenance.as_json(),
        }

    def text(self) -> str:
        """For people."""
        shown = [(percent(one.share), one.name, one.role) for one in self.chances]
        parts = [f"{self.title}\n{self.facts}\n{self.where}", table(self.told), table(shown, right=(0,))]
        evidence = evidence_words(self.explained, self.maps)
        said = [*([self.full_colour] if self.full_colour else []), *self.sentences]
        return paragraphs(*parts, *evidence, "\n".join(said), how_to_make(self.maps, self.lines))


def answer(asked: Asked) -> SampleAnswer | picture.PictureAnswer:
    """The sample that is asked for, else the first of the series; of a segmenter a picture.

    Raises:
        NotFound: no such sample.
        BadInput: the run has no prediction for it.
    """
    scope = asked.scope()
    among = series(scope, asked.cell, asked.sort)
    row = _row(scope, asked, among)
    if scope.study.info.task == SEGMENTATION:
        return picture.answer(asked, facts(scope, row), row, among.where(row))
    sample = sample_of(scope, row)
    if sample is None:
        id_ = scope.study.samples["id"].iat[row]
        raise BadInput("no prediction for this sample", value=id_, remedy="xai predict asks again, and says why.")
    columns, wanted = asked.columns(scope.run), explained(scope, sample, asked.target)
    facts_ = on_mask(scope.run, columns, row, wanted, maps_of(columns, row, wanted, asked.scale, asked.look))
    lines = [explain_line(str(scope.study.path), scope.run, columns, row, one.spec) for one in wanted]
    return SampleAnswer(
        run=scope.run.name,
        row=row,
        id=str(scope.study.samples["id"].iat[row]),
        where=among.where(row),
        title=title(scope, sample),
        facts=facts(scope, row),
        correct=sample.correct,
        chances=tuple(chances(scope, sample)),
        explained=tuple(wanted),
        maps={column.card.title: list(of_method) for column, of_method in zip(columns, facts_, strict=True)},
        full_colour=scale_note(chain(*facts_), asked.scale, asked.look),
        sentences=(
            *filter(None, [scope.lacks]),
            *said_of_maps(scope, columns, facts_, np.array([row]), asked.target),
        ),
        lines=tuple(lines) if columns else (),
        provenance=provenance(scope, columns, row),
        metadata=scope.study.facts.of(row),
        told=tuple(metadata(scope, row)),
    )


def _row(scope: Scope, asked: Asked, among: Series) -> int:
    if asked.sample is not None:
        return asked.sample
    if not len(among.rows):
        raise NotFound("no predictions in this split", value=scope.split, remedy="Choose another split, or predict.")
    return int(among.rows[0])


CHOICES: tuple[Choice, ...] = ("run", "split", "where", "cell", "sample", "methods", "target", "scale", "look", "sort")
QUESTION = Question("sample", "Why this one? Its probabilities, and what each map says", CHOICES, answer)
