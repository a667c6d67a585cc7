"""A study with masks, runs with stored maps of noise, and what is asked of their scores."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from xai_core.answers.method_quality import Cell, cells
from xai_core.datasets import DATASETS
from xai_core.explainers import EXPLAINERS
from xai_core.metrics import METRICS
from xai_core.models.preprocess import Preprocess
from xai_core.params import as_dict, build
from xai_core.pipeline.load import Bench
from xai_core.pipeline.score import ScoreRequest, score_steps
from xai_core.store.run import Run
from xai_core.store.study import Study

SIDE, EACH = 32, 8


POINTING, SPARSENESS = "energy-pointing-game", "sparseness"


INPUT = Preprocess(SIDE, SIDE, 1, (0.5,), (0.5,))


def box(path: Path, size: int) -> None:
    """A mask in the upper left corner."""
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    mask[:size, :size] = 255
    Image.fromarray(mask).save(path)


def written(folder: Path) -> Study:
    """Two classes of test pictures; of each class five have masks, and the mask of its third is everywhere."""
    data, rng = folder / "data", np.random.default_rng(0)
    for split, name in product(("train", "test"), ("a", "b")):
        target = data / split / name
        target.mkdir(parents=True)
        for number in range(EACH):
            Image.fromarray(rng.integers(0, 255, (SIDE, SIDE), np.uint8)).save(target / f"{number}.png")
            if split == "test" and number < 5:
                box(target / f"{number}_mask.png", SIDE if number == 2 else 4 + 2 * number)
    member = DATASETS["image-folder"]
    params = build(member.params, {})
    scan = member.make(data, params).scan(0)
    return Study.create(folder / "study", dataset="image-folder", params=as_dict(params), data=data, seed=3, scan=scan)


def predicted(run: Run) -> None:
    """Every other sample is right."""
    count = len(run.study.labels)
    run.write_predictions(range(count), np.tile([[0.9, 0.1], [0.2, 0.8]], (count // 2, 1)))


def explained(run: Run, method: str, seed: int) -> None:
    """Maps of noise for the predicted classes; the last one is refused."""
    rows = rows_of(run)
    maps = np.random.default_rng(seed).standard_normal((len(rows), 4, 4)).astype(np.float32)
    store = run.maps(method, EXPLAINERS[method].params(), create=True)
    assert store is not None
    store.put(rows, keys_of(run), maps, {}, [None] * (len(rows) - 1) + ["not conserved"])


def rows_of(run: Run) -> np.ndarray[Any, np.dtype[np.int64]]:
    return run.study.rows("test")


def keys_of(run: Run) -> list[str]:
    return [target.key for target in run.targets(rows_of(run), "predicted")]


def request(run: Run, *metrics: str, methods: tuple[str, ...] = ("gradcam", "lrp")) -> ScoreRequest:
    named = [(key, {}) for key in metrics or (POINTING, SPARSENESS)]
    return ScoreRequest(run, rows_of(run).tolist(), "predicted", [(key, {}) for key in methods], named)


def scored(run: Run, *metrics: str, methods: tuple[str, ...] = ("gradcam", "lrp")) -> list[tuple[int, int]]:
    return list(score_steps(Bench("cpu"), request(run, *metrics, methods=methods)))


def stored(run: Run, metric: str = POINTING, method: str = "gradcam") -> Any:
    params = METRICS[metric].params(), EXPLAINERS[method].params()
    store = run.scores((metric, params[0]), (method, params[1]))
    return None if store is None else store.get(rows_of(run), keys_of(run))


def summary(run: Run, metric: str = POINTING) -> Cell:
    (found,) = cells(run, rows_of(run), "predicted", [("gradcam", {})], [(metric, {})])
    return found
