"""What does a run say of pictures that are not of its study? The same for `xai predict --images` and the page."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from xai_core.answers.maps import Column, settings
from xai_core.explainers import EXPLAINERS
from xai_core.explainers.base import Explainer
from xai_core.store.new_pictures import NewPictures, Said, SaidRegions
from xai_core.store.obstacles import obstacle
from xai_core.store.run import Run
from xai_core.types import Array, resolve_target
from xai_core.words import percent

MOST = 24
"""Pictures that a page looks at; a command takes any number."""
NO_MASKS = "pictures from outside the study have no masks."
NO_MODEL = "Only predictions were kept of this run, so it cannot be asked about other pictures. Choose another run."
SESSION_ONLY = "They live for your session only: nothing is written into the study, and a link does not carry them."
_COLUMNS = {"probabilities": "p", "shares": "share", "confidences": "confidence"}
NEXT = 2
"""Classes named beside the predicted one."""


@dataclass(frozen=True, eq=False)
class Answer:
    """One picture: its number, what it is called, and what is said of it."""

    number: int
    name: str
    said: Said
    classes: tuple[str, ...]

    @property
    def predicted(self) -> int:
        """The most probable class, the first of several."""
        return int(self.said.probabilities.argmax())

    @property
    def predicted_name(self) -> str:
        """Its name."""
        return self.classes[self.predicted]

    @property
    def confidence(self) -> float:
        """Its probability."""
        return float(self.said.probabilities[self.predicted])

    @property
    def runners_up(self) -> str:
        """The next classes with their probabilities: `Skirt 2.1 %, Coat 0.4 %`."""
        order = np.argsort(-self.said.probabilities, kind="stable")[1 : 1 + NEXT].tolist()
        return ", ".join(f"{self.classes[place]} {percent(float(self.said.probabilities[place]))}" for place in order)

    def target_key(self, spec: str) -> str:
        """What `spec` means for this picture, as maps are kept by."""
        return resolve_target(spec, self.predicted, -1).key

    @property
    def title(self) -> tuple[str, ...]:
        """What is said, in parts; every second one stands out."""
        return ("", self.name, ": ", self.predicted_name, f", {percent(self.confidence)}")

    def explained(self, spec: str) -> str:
        """The class whose evidence `spec` asks for."""
        return self.predicted_name if spec == "predicted" else self.classes[int(spec)]

    def as_json(self) -> dict[str, Any]:
        """As the command gives it."""
        return line(self.name, self.classes, self.said.probabilities, None)


@dataclass(frozen=True, eq=False)
class RegionsAnswer(Answer):
    """The same of a segmenter: how large each class is, and how sure it is there."""

    @property
    def regions(self) -> SaidRegions:
        """What is said of its pixels."""
        assert self.said.regions is not None, "of a segmenter"
        return self.said.regions

    @property
    def predicted(self) -> int:
        """The object with most pixels."""
        return self.regions.main

    @property
    def confidence(self) -> float:
        """Its mean probability, where it is said; NaN where it is nowhere."""
        return float(self.regions.confidences[self.predicted])

    @property
    def title(self) -> tuple[str, ...]:
        """What is said, in parts; every second one stands out."""
        share = float(self.regions.shares[self.predicted])
        if not share:
            return ("", self.name, ": no object")
        return ("", self.name, ": the largest object ", self.predicted_name, f", {percent(share)} of its pixels")

    @property
    def lines(self) -> list[tuple[int, str, float, str, str]]:
        """Of each class that is there, the largest first: its index, name and share of the pixels, both in words too,
        and how sure it is there."""
        shares, sure = self.regions.shares, self.regions.confidences
        order = np.argsort(-shares, kind="stable").tolist()
        return [
            (at, self.classes[at], float(shares[at]), percent(float(shares[at])), percent(float(sure[at])))
            for at in order
            if shares[at]
        ]

    def target_key(self, spec: str) -> str:
        """What `spec` means for this picture, as maps are kept by."""
        return self.regions.target(spec).key

    def as_json(self) -> dict[str, Any]:
        """As the command gives it."""
        return line(self.name, self.classes, self.said.probabilities, self.regions)


def line(name: str, classes: Sequence[str], probabilities: Array, regions: SaidRegions | None) -> dict[str, Any]:
    """What is said of one picture: `file`, `predicted`, `confidence`, and `probabilities` by class.

    Of a segmenter `predicted` is the object with most pixels, None where there is none; in place of probabilities
    `shares` and `confidences` by class, None where the class is said nowhere.
    """
    if regions is not None:
        known = [float(each) if np.isfinite(each) else None for each in regions.confidences]
        shares = dict(zip(classes, regions.shares.tolist(), strict=True))
        main = classes[regions.main] if regions.shares[regions.main] else None
        confidences = dict(zip(classes, known, strict=True))
        sure = confidences[main] if main is not None else None
        return {"file": name, "predicted": main, "confidence": sure, "shares": shares, "confidences": confidences}
    chances = {each: float(value) for each, value in zip(classes, probabilities, strict=True)}
    predicted = classes[int(probabilities.argmax())]
    return {"file": name, "predicted": predicted, "confidence": chances[predicted], "probabilities": chances}


def table(lines: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A line for each picture: file, class, confidence, the probability of each class, files of its heatmaps; of a
    segmenter each class's share of the pixels and its confidence there."""
    found = []
    for each in lines:
        one = {name: each[name] for name in ("file", "predicted", "confidence")}
        for what, prefix in _COLUMNS.items():
            one |= {f"{prefix}_{name}": value for name, value in each.get(what, {}).items()}
        one |= {"regions": each["regions"]} if "regions" in each else {}
        found.append(one | {f"heatmap_{key}": name or "" for key, name in each.get("heatmaps", {}).items()})
    return pd.DataFrame(found)


def answers(kept: NewPictures, pictures: Sequence[tuple[int, str]]) -> tuple[list[Answer], dict[str, str]]:
    """What is known by now of pictures, by number and name; and why nothing is said of others, by name."""
    found, left_out = [], dict[str, str]()
    for number, name in pictures:
        said = kept.said(number)
        if said is not None and said.left_out:
            left_out[name] = said.left_out
        elif said is not None:
            made = Answer if said.regions is None else RegionsAnswer
            found.append(made(number, name, said, kept.run.study.class_names))
    return found, left_out


def unpredicted(kept: NewPictures, numbers: Sequence[int]) -> list[int]:
    """Those of which nothing is known yet."""
    return [number for number in numbers if kept.said(number) is None]


def spec_of(target: str) -> str:
    """What maps of new pictures explain where `target` is chosen: nobody knows their true class."""
    return target if target.isdigit() else "predicted"


def unusable(run: Run | None, explainer: Explainer, params: Any = None) -> str | None:
    """Why a method cannot be used on new pictures, in one sentence; None where it can."""
    params = explainer.params() if params is None else params
    if "mask" in explainer.card_for(params).needs:
        return NO_MASKS
    return obstacle(run, explainer, params)


def usable_columns(run: Run, kept: NewPictures, wanted: Sequence[Column]) -> list[Column]:
    """Of the chosen methods those that new pictures can have, with where these maps are."""
    return [
        Column(each.card, each.params, kept.maps(each.card.key, each.params))
        for each in wanted
        if unusable(run, EXPLAINERS[each.card.key], each.params) is None
    ]


def predict_line(run: Run, wanted: Sequence[Column], target: str) -> str:
    """`xai predict … --images FOLDER`, which says the same of a folder of any size; quoted for a shell."""
    words = ["xai", "predict", str(run.study.path), "--run", run.name, "--images", "FOLDER", "--out", "table.csv"]
    if wanted:
        words += ["--methods", ",".join(each.card.key for each in wanted), "--heatmaps", "heatmaps"]
        words += [] if target == "predicted" else [f"--target={run.study.class_names[int(target)]}"]
    words += [part for each in wanted for one in settings(each) for part in ("--set", f"{each.card.key}.{one}")]
    return shlex.join(words)
