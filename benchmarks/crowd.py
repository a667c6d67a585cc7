"""One person's Grad-CAMs while another has SHAP computed, by one worker: a ResNet-18 at 224 pixels, random weights.

`python -m benchmarks.crowd --json`. Keys: `alone_s` and `beside_s`, medians of up to `rounds` requests of `maps`
Grad-CAMs each on pictures that have none; `ratio` of both; `shap_maps`, how many SHAP maps were made beside them.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.report import run
from tests.tiny_study import xai
from xai_core.store.study import Study
from xai_core.worker.client import WorkerClient
from xai_core.worker.requests import Explain

CLASSES = ("a", "b", "c")
SIDE = 224


def study_of(folder: Path, pictures: int) -> Study:
    """Noise of three classes, and a run that has seen nothing but predicts."""
    import torch
    from torchvision.models import resnet18

    chance = np.random.default_rng(0)
    for number in range(pictures):
        file = folder / "data" / "test" / CLASSES[number % 3] / f"{number:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(chance.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)).save(file)
        train = folder / "data" / "train" / CLASSES[number % 3] / f"{number:03d}.png"
        train.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(chance.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)).save(train)
    torch.manual_seed(0)
    torch.save(resnet18(num_classes=len(CLASSES)).state_dict(), folder / "weights.pth")
    study = folder / "crowd"
    new: list[str | Path] = ["--dataset", "image-folder", "--data", folder / "data"]
    given: list[str | Path] = ["--arch", "resnet18", "--weights", folder / "weights.pth", "--size", str(SIDE)]
    given += ["--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25", "--classes", ",".join(CLASSES)]
    with contextlib.redirect_stdout(sys.stderr):  # standard output is for the figures
        xai("new", study, *new)
        xai("import", study, "--run", "net", *given)
        xai("predict", study, "--run", "net")
    return Study.open(study)


def ask(worker: WorkerClient, study: Study, method: str, rows: Sequence[int], owner: str) -> str:
    """Ask for maps of one method."""
    return worker.ask(Explain(study.path, "net", rows, "predicted", [(method, {})]), owner=owner)


def seconds(worker: WorkerClient, job: str) -> float:
    """Until a job is done."""
    began = time.monotonic()
    while (known := worker.job(job)) is not None and known.open:
        time.sleep(0.01)
    assert known is not None, "forgotten"
    assert known.state == "done", known
    return time.monotonic() - began


def measure(args: argparse.Namespace) -> Mapping[str, Any]:
    """Alone and beside, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        study = study_of(Path(folder), (2 * args.rounds + 1) * args.maps + 2)
        rows, worker = iter(study.rows("test").tolist()), WorkerClient(device=args.device)
        times: dict[str, list[float]] = {"alone": [], "beside": []}
        shap_maps = 0
        try:
            for method in ("gradcam", "shap"):
                seconds(worker, ask(worker, study, method, [next(rows)], "warm"))
            for _ in args.clock.rounds(args.rounds):
                for kind, found in times.items():
                    slow = ""
                    if kind == "beside":
                        slow = ask(worker, study, "shap", study.rows("train").tolist(), "a")
                        while (known := worker.job(slow)) is not None and known.state == "waiting":
                            time.sleep(0.01)
                        time.sleep(args.after)
                    wanted = [next(rows) for _ in range(args.maps)]
                    found.append(seconds(worker, ask(worker, study, "gradcam", wanted, "b")))
                    if slow:
                        known = worker.job(slow)
                        shap_maps += known.done if known else 0
                        worker.cancel(slow)
        finally:
            worker.stop()
    medians = {kind: float(np.median(found)) for kind, found in times.items()}
    return {
        "alone_s": round(medians["alone"], 2),
        "beside_s": round(medians["beside"], 2),
        "ratio": round(medians["beside"] / medians["alone"], 2),
        "slowest_beside_s": round(max(times["beside"]), 2),
        "shap_maps": shap_maps,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4, help="requests of each kind, at most")
    parser.add_argument("--maps", type=int, default=24, help="Grad-CAMs of a request")
    parser.add_argument("--after", type=float, default=1.5, help="seconds that SHAP runs before the others ask")
    parser.add_argument("--device", default="cpu", help="where the model runs")
    run(measure, parser)
