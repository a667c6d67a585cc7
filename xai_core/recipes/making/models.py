"""Many models of one study in one table: what each says right, what it took, how it learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xai_core.answers.compare import comparison
from xai_core.answers.runs import by_split
from xai_core.answers.scope import Scope
from xai_core.recipes.making.report import Part
from xai_core.store.run import BASELINE, Run
from xai_core.store.study import Study
from xai_core.training.history import values
from xai_core.triage.confusion import Cell
from xai_core.words import NO_NUMBER, cell_name, duration, percent, percent_range


def models_part(study: Study, names: Sequence[str], paper: Mapping[str, str], remarks: Sequence[str] = ()) -> Part:
    """Accuracy of the test beside what a paper says of such a model, and what each took."""
    rows, kept = [], []
    for name in names:
        run = study.run(name)
        found = by_split(run)["test"]
        learned, predicting = _learned_from(study, run), _baseline(run).get("predict_seconds")
        interval = percent_range(found["low"], found["high"])
        took = (_seconds(run.info.seconds), _seconds(predicting))
        stated = paper.get(name, "not stated")
        rows.append((name, stated, percent(found["accuracy"]), interval, f"{found['n']:,}", f"{learned:,}", *took))
        kept.append({"run": name, **found, "learned_from": learned, "seconds": run.info.seconds})
    heads = ("model", "the paper", "here", "95 % interval", "n", "learned from", "training", "predicting all")
    said = (*_notes(study, names), *remarks)
    return Part("All models", heads, tuple(rows), said, kept)


def best_part(study: Study, networks: Sequence[str], others: Sequence[str]) -> Part:
    """The best network against the best of the others, on the same samples."""
    best = [max(some, key=lambda name: _accuracy(study, name)) for some in (others, networks)]
    outcome = comparison(study.run(best[0]), study.run(best[1]), "test").accuracy
    said = (
        outcome.verdict.sentence,
        "Which two are compared was chosen by the test itself, and each is one model of one seed.",
    )
    return Part(f"Is {best[1]} better than {best[0]}?", said=said, values={"runs": best} | outcome.as_json())


def curves_part(study: Study, networks: Sequence[str]) -> Part:
    """Loss and accuracy of each epoch, and how far the training split is ahead."""
    rows, kept = [], []
    for name in networks:
        history = study.run(name).history
        if history is None:
            continue
        measured = {(split, what): values(history, split, what) for split in _SPLITS for what in ("loss", "accuracy")}
        for epoch in measured["train", "loss"].index:
            numbers = {f"{split}_{what}": float(found[epoch]) for (split, what), found in measured.items()}
            words = [f"{numbers[f'{split}_loss']:.3f}" for split in _SPLITS]
            words += [percent(numbers[f"{split}_accuracy"]) for split in _SPLITS]
            rows.append((name, str(epoch), *words))
            kept.append({"run": name, "epoch": int(epoch)} | numbers)
    heads = ("model", "epoch", "training loss", "validation loss", "training accuracy", "validation accuracy")
    said = ("Training is measured on augmented pictures, while weights still change: it may lie below validation.",)
    return Part("How the networks learned", heads, tuple(rows), said, kept)


def cells_part(study: Study, names: Sequence[str], cell: Cell) -> Part:
    """How often each model confuses two classes, either way round."""
    ways = (cell, (cell[1], cell[0]))
    rows, kept = [], []
    for name in names:
        members = Scope(study.run(name), "test").members
        counts = [len(members.cell(*way)) for way in ways]
        totals = [int((members.labels == way[0]).sum()) for way in ways]
        shares = [f"{count} of {n:,}" for count, n in zip(counts, totals, strict=True)]
        rows.append((name, *shares, f"{len(members.mistakes):,}"))
        kept.append({"run": name, "counts": counts, "n": totals, "mistakes": len(members.mistakes)})
    words = [cell_name(*(study.class_names[place] for place in way)) for way in ways]
    return Part("Two classes that every model confuses", ("model", *words, "all mistakes"), tuple(rows), (), kept)


_SPLITS = ("train", "validation")


def _accuracy(study: Study, name: str) -> float:
    return by_split(study.run(name))["test"]["accuracy"]


def _baseline(run: Run) -> Mapping[str, Any]:
    found = run.info.provenance.get(BASELINE)
    return found if isinstance(found, dict) else {}


def _learned_from(study: Study, run: Run) -> int:
    """How many samples of the training split."""
    return int(_baseline(run).get("samples", len(study.rows("train"))))


def _notes(study: Study, names: Sequence[str]) -> list[str]:
    return [f"{name}: {note}" for name in names for note in study.run(name).info.provenance.get("notes", ())]


def _seconds(seconds: float | None) -> str:
    return duration(seconds) if seconds else NO_NUMBER
