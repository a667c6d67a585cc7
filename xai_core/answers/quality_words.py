"""The table of explanation quality as JSON, as lines for people, and as a file for a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from xai_core.answers.controls import not_better, number
from xai_core.answers.maps import ONE_MAP_WHY
from xai_core.answers.method_quality import Cell, MethodQuality
from xai_core.answers.reasons import reason_lines
from xai_core.regions import spec_name
from xai_core.text import counted
from xai_core.triage.intervals import Estimate
from xai_core.triage.paired import FAMILY_LEVEL
from xai_core.types import Card
from xai_core.words import NO_NUMBER, reading, with_truth

ASPECT_WORDS: Mapping[str, str] = {
    "truth": "Truth",
    "localisation": "Localisation",
    "faithfulness": "Faithfulness",
    "robustness": "Robustness",
    "complexity": "Complexity",
    "randomisation": "Randomisation",
    "": "Others",
}
"""What metrics ask about, as a heading."""

RANKS_WHY = (
    "Ranks part only where paired intervals do, and these allow for every comparison between methods that the table "
    f"makes: all of them hold at once in {100 * FAMILY_LEVEL:g} % of cases."
)


def as_json(found: MethodQuality) -> dict[str, Any]:
    """Everything, JSON-able; null where there is no number."""
    study, target = found.scope.study, found.target
    return {
        "study": study.name,
        "run": found.scope.run.name,
        "target": spec_name(target, study.class_names),
        "seed": study.info.seed,
        "scores": [cell_json(found, found.cells[m.key, e.key]) for m in found.metrics for e in found.methods],
        "cards": {card.key: _about(card) for card in found.metrics},
        "titles": {card.key: card.title for card in found.methods},
        "seconds_per_map": found.seconds,
        "comparisons": found.tried,
        "against_controls": [one.as_json() for one in found.against],
        "not_better": {card.key: lines for card in found.believable if (lines := beaten(found, card))},
        "metrics_agree": [pair.as_json() for pair in found.metrics_agree],
        "methods_agree": [
            {"methods": list(pair.titles), **_bounds(pair.alike), "n": pair.alike.n, "sentence": pair.sentence}
            for pair in found.methods_agree
        ],
        "sentences": sentences(found),
    }


def cell_json(found: MethodQuality, cell: Cell) -> dict[str, Any]:
    """One metric on one method."""
    return {
        "metric": cell.metric.key,
        "method": cell.method.key,
        "direction": cell.metric.direction,
        "mean": number(cell.mean),
        "low": number(cell.low),
        "high": number(cell.high),
        "n": cell.n,
        "not_scored": cell.not_scored,
        "reasons": dict(cell.reasons),
        "missing": cell.missing,
        "beside": {name: number(value) for name, value in cell.beside.items()},
        "rank": None if cell.rank is None else list(cell.rank),
        "best": cell.best,
        "control": cell.method.control,
        "same_map_as": found.twins.get(cell.method.key),
        **_curve(cell.curve),
    }


def _curve(curve: Estimate | None) -> dict[str, list[float | None] | None]:
    if curve is None:
        return {"curve": None}
    named = {"curve": curve.value, "curve_low": curve.low, "curve_high": curve.high}
    return {name: [number(float(value)) for value in values] for name, values in named.items()}


def table(found: MethodQuality) -> pd.DataFrame:
    """A line for each metric and method, for a file."""
    lines = [cell_json(found, found.cells[m.key, e.key]) for m in found.metrics for e in found.methods]
    names = ("metric", "method", "control", "same_map_as", "direction", "mean", "low", "high", "n", "not_scored")
    kept = [{name: line[name] for name in names} | _flat(line) for line in lines]
    frame = pd.DataFrame(kept)
    frame["seconds_per_map"] = [found.seconds.get(line["method"]) for line in lines]
    return frame


def _flat(line: Mapping[str, Any]) -> dict[str, Any]:
    best, worst = line["rank"] or (None, None)
    told = {"missing": line["missing"], "best_rank": best, "worst_rank": worst}
    return told | {f"beside_{name}": value for name, value in line["beside"].items()}


def beaten(found: MethodQuality, method: Card) -> list[str]:
    """A sentence for each metric by which a method does not beat every control."""
    return not_better([one for one in found.against if one.method.key == method.key])


def sentences(found: MethodQuality) -> list[str]:
    """What must be known of the whole table."""
    said = same_maps(found)
    conflicts = [pair for pair in found.metrics_agree if pair.conflict]
    if conflicts:
        pairs = counted(len(conflicts), "pair of metrics orders", "pairs of metrics order")
        said.append(f"{pairs} some methods the other way round: no one number says which method is good.")
    return said


def same_maps(found: MethodQuality) -> list[str]:
    """A sentence for each method that is one map with another."""
    titles = {card.key: card.title for card in found.methods}
    return [
        f"{titles[twin]} gives the same maps here as {titles[first]}: they count once."
        for twin, first in found.twins.items()
    ]


def text(result: Mapping[str, Any]) -> str:
    """The answer's JSON form as lines for people."""
    lines: list[str] = []
    width = max(len("method"), *(len(title) for title in result["titles"].values()))
    for key, card in result["cards"].items():
        lines += ["", f"{card['title']} ({card['reading']})"]
        lines.append(f"  {'method':<{width}}  {'mean':>7}  {'95 % interval':<18} {'n':>6}  {'rank':<7} not scored")
        for each in result["scores"]:
            if each["metric"] == key:
                lines += _lines(each, result["titles"][each["method"]], width)
        lines.append(f"  Does not show: {card['blind_spot']} {with_truth(card['agreement'])}".rstrip())
    for heading, body in _rest(result).items():
        lines += ["", heading, *(f"  {line}" for line in body)] if body else []
    return "\n".join(lines)


def _rest(result: Mapping[str, Any]) -> dict[str, list[str]]:
    known = {key: seconds for key, seconds in result["seconds_per_map"].items() if seconds is not None}
    behind = [f"{result['titles'][key]}. {line}" for key, lines in result["not_better"].items() for line in lines]
    return {
        "Not better than a map that knows nothing of the model": behind,
        "Do the metrics agree? Kendall's rank correlation of the methods' means": _sentences(result["metrics_agree"]),
        "Do the methods agree? Spearman's rank correlation of their maps": _of_methods(result),
        "Seconds per map": [f"{result['titles'][key]}: {seconds:.3g}" for key, seconds in known.items()],
        "Note": [*result["sentences"], RANKS_WHY, *([ONE_MAP_WHY] if any(_twins(result)) else [])],
    }


def _twins(result: Mapping[str, Any]) -> list[bool]:
    return [each["same_map_as"] is not None for each in result["scores"]]


def _of_methods(result: Mapping[str, Any]) -> list[str]:
    """Two controls with each other say nothing of a method."""
    of_control = {each["method"]: each["control"] for each in result["scores"]}
    controls = {title for key, title in result["titles"].items() if of_control.get(key)}
    return _sentences([pair for pair in result["methods_agree"] if not set(pair["methods"]) <= controls])


def _sentences(pairs: Sequence[Mapping[str, Any]]) -> list[str]:
    return [pair["sentence"] for pair in pairs]


def _lines(each: Mapping[str, Any], title: str, width: int) -> list[str]:
    interval = "" if each["low"] is None else f"{shown(each['low'])} to {shown(each['high'])}"
    rank = "control" if each["control"] else rank_words(each["rank"])
    line = (
        f"  {title:<{width}}  {shown(each['mean']):>7}  {interval:<18} {each['n']:>6}  {rank:<7} {each['not_scored']}"
    )
    line += f", {each['missing']} missing" if each["missing"] else ""
    line += "".join(f"  ({name.replace('_', ' ')} {shown(value)})" for name, value in each["beside"].items())
    return [line, *(f"  {'':<{width}}  {reason}" for reason in reason_lines(each["reasons"]))]


def rank_words(rank: Sequence[int] | None) -> str:
    """`best`, `2`, `1–3`; "" where there is none."""
    if rank is None:
        return ""
    best, worst = rank
    return f"{best}–{worst}" if best < worst else "best" if best == 1 else f"{best}"


def shown(value: float | None) -> str:
    """`0.123`; a dash where there is none."""
    return NO_NUMBER if value is None or not np.isfinite(value) else f"{value:.3f}".replace("-", "−")


def _about(card: Card) -> dict[str, Any]:
    told = {"title": card.title, "reading": reading(card.unit, card.direction), "summary": card.summary}
    more = {"aspect": card.aspect, "curve": card.curve, "agreement": card.agreement}
    return told | {"blind_spot": card.blind_spot} | more


def _bounds(estimate: Estimate) -> dict[str, float | None]:
    return {name: number(float(getattr(estimate, name))) for name in ("value", "low", "high")}
