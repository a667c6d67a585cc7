"""Second Look from a script or a notebook: `import xai_core as xai`, then a study, a model, and the dashboard.

    study = xai.study("pictures", "studies/mine")
    run = study.add_model(net, "mine", size=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    maps = run.explain(run.mistakes[:8], ["gradcam", "ig"])
    study.show()

What is made here is an ordinary study folder: the command and the dashboard go on with it, and this with theirs.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadInput, BadParameter, NotFound
from xai_core.files import write_atomic
from xai_core.types import SPLITS, TARGET_SPECS

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from xai_core.datasets.base import Scan
    from xai_core.models.preprocess import Fit
    from xai_core.models.resample import Interpolation
    from xai_core.pipeline.load import Bench
    from xai_core.store.run import Run as StoredRun
    from xai_core.store.study import Study as StoredStudy

LOG = logging.getLogger("xai")
SECONDS = 60.0
"""So long the dashboard may take to answer."""

Rows = Sequence[int] | NDArray[np.integer[Any]]


def study(
    data: Any,
    folder: str | Path,
    *,
    dataset: str = "",
    seed: int = 0,
    **params: Any,
) -> Study:
    """A study of these pictures: made where there is none in `folder`, else opened.

    Args:
        data: a folder of class folders, a table of paths and labels, or whatever the dataset reads. Or a data frame
            as such a table, with paths from the working folder; it is written beside the study, in a file that ends
            in `-table.csv`. Or a torch `Dataset` of `(picture, label)`, without its transform, or several by the name
            of their split: their pictures are written beside the study, in a folder that ends in `-pictures`.
        folder: where the study is kept.
        dataset: key of the dataset (`xai list datasets`); "" for the one that fits: see `datasets.dataset_of`.
        seed: of splits that have to be made, and of everything random later.
        params: the dataset's parameters, such as `classes="cat,dog"` or `masks="masks"`; of a torch `Dataset` the
            names of its classes, where it does not tell them: `classes=("cat", "dog")`.

    Raises:
        NotFound, BadParameter: no such dataset, parameter or place.
        BadInput: nothing usable in `data`; or the study in `folder` is of other data.
    """
    from xai_core.datasets import DATASETS, dataset_of
    from xai_core.params import as_dict, build
    from xai_core.store.study import Study as Stored
    from xai_core.store.study_info import STUDY_FILE

    place, values = Path(folder), dict(params)
    source = _source(data, place, values)
    if (place / STUDY_FILE).is_file():
        return _opened_again(place, dataset, source)
    key = dataset or dataset_of(source)
    member = DATASETS[key]
    built: Any = build(member.params, values)
    scan: Scan = member.make(source, built).scan(seed)
    made = Stored.create(place, dataset=key, params=as_dict(built), data=source, seed=seed, scan=scan)
    for note in made.info.notes:
        LOG.info("%s", note)
    return Study(made)


def _source(data: Any, place: Path, params: dict[str, Any]) -> Path:
    """Where the data lie; those of a program are written there first, and keep the order of their labels."""
    if isinstance(data, str | Path):
        return Path(data).resolve()
    if hasattr(data, "to_csv"):
        table = place.with_name(f"{place.name}-table.csv").resolve()
        params.setdefault("root", str(Path.cwd()))
        if not place.is_dir():
            write_atomic(table, data.to_csv(index=False).encode())
        return table
    from xai_core.pipeline.written import names_of, write_pictures

    folder, names = place.with_name(f"{place.name}-pictures").resolve(), names_of(data, params.get("classes"))
    params["classes"] = ",".join(names)
    if not (folder.is_dir() and place.is_dir()):
        write_pictures(data, folder, names)
    return folder


def open_study(folder: str | Path) -> Study:
    """The study in a folder. Raises NotFound where there is none."""
    from xai_core.store.study import Study as Stored

    return Study(Stored.open(Path(folder)))


def _opened_again(place: Path, dataset: str, data: Path) -> Study:
    found = open_study(place)
    of = found.stored.data / str(
        found.stored.info.dataset_params.get("table", "")
    )  # a study of a table, or of a folder
    if of.resolve() != data or dataset not in ("", found.stored.info.dataset):
        remedy = "Choose another folder, or open it with xai.open_study."
        raise BadInput("another study is here", value=f"{place}, of {found.stored.data}", remedy=remedy)
    return found


class Study:
    """A study: pictures with their labels, and the runs of models on them.

    Attributes:
        stored: the study as the library keeps it.
    """

    def __init__(self, stored: StoredStudy) -> None:
        self.stored = stored
        self._served: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes]

    @cached_property
    def bench(self) -> Bench:
        """Where models are kept loaded."""
        from xai_core.pipeline.load import Bench
        from xai_core.settings import load

        return Bench(load({}).device)

    @property
    def samples(self) -> pd.DataFrame:
        """One line a sample (`id`, `split`, `label`, `path`, …); its position is its row number."""
        return self.stored.samples

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; `label` indexes them."""
        return self.stored.class_names

    @property
    def runs(self) -> list[str]:
        """Names of the runs, oldest first."""
        return self.stored.runs()

    def run(self, name: str) -> Run:
        """A run by its name. Raises NotFound."""
        return Run(self, self.stored.run(name))

    def add_model(
        self,
        model: nn.Module,
        name: str,
        *,
        size: int | tuple[int, int],
        mean: Sequence[float],
        std: Sequence[float],
        resize: int | None = None,
        fit: Fit | None = None,
        crop_share: float | None = None,
        interpolation: Interpolation | None = None,
        antialias: bool | None = None,
        fill: tuple[int, ...] | None = None,
        classes: Sequence[str] | None = None,
        cam_layer: str | None = None,
        code: str | None = None,
        predict: Sequence[str] = SPLITS,
    ) -> Run:
        """Keep a model as a run, and let it predict.

        The model is copied as it is now. Weights are kept in the study. So that other programs (the dashboard, the
        command) can build it again, it is looked whether it is one of the registered architectures, or its class can
        be called from a file; what is found must answer alike. Otherwise only this process can ask it, and the run
        says so; what it stores is seen everywhere.

        Args:
            model: maps `(N, C, H, W)` to logits `(N, K)`.
            name: of the run.
            size, mean, std: its input, as it was trained: a side or height and width; on the 0…1 scale.
            resize, fit, crop_share, interpolation, antialias, fill: how pictures become that size, see
                `models.build.make_preprocess`; without them they are squashed.
            classes: names of its outputs in order; left out, they are the study's.
            cam_layer: dotted name of the layer for class activation maps; left out, the architecture's own or the last
                layer that can hold a map.
            code: `package.module:function` that builds it, where that cannot be guessed.
            predict: splits to predict at once.

        Raises:
            BadParameter: a name, size, class or layer that does not fit, or code that builds another model.
            BadInput: the model does not answer with logits.
        """
        from xai_core.pipeline.imports import Model
        from xai_core.pipeline.live import add_live

        look = Model(
            spec=code or "",
            weights=Path(),
            classes=tuple(classes) if classes is not None else None,
            cam_layer=cam_layer,
            size=size,
            mean=tuple(mean),
            std=tuple(std),
            resize=resize,
            fit=fit,
            crop_share=crop_share,
            interpolation=interpolation,
            antialias=antialias,
            fill=fill,
        )
        added = Run(self, add_live(self.stored, self.bench, name, model, look))
        if predict:
            added.predict(*predict)
        return added

    def show(self, port: int = 0) -> str:
        """Serve the dashboard on this study in the background, until this process ends; prints and gives the address.

        Args:
            port: to listen at, on this machine alone; 0 for any that is free.

        Raises BadInput where it does not answer.
        """
        at = port or _free_port()
        command = [sys.executable, "-m", "xai_core", "serve", str(self.stored.path), "--port", str(at)]
        self.stop()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the dashboard runs)
        self._served = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        atexit.register(self.stop)
        address = f"http://127.0.0.1:{at}"
        _wait(address, self._served, self._log)
        print(f"Second Look: {address}")
        return address

    def stop(self) -> None:
        """End the dashboard that `show` began, if there is one."""
        process, self._served = self._served, None
        if process is not None:
            process.terminate()
            process.wait()
            self._log.close()


@dataclass(frozen=True)
class Maps:
    """Heatmaps of some samples by one method.

    Attributes:
        method: its key.
        rows: `(n,)` row numbers, as asked.
        target: what is explained: one of TARGET_SPECS or a class index as text.
        maps: `(n, h, w)` float32, NaN where there is none.
        refusals: per sample None, or why its map must not be shown.
    """

    method: str
    rows: NDArray[np.int64]
    target: str
    maps: NDArray[np.float32]
    refusals: tuple[str | None, ...]


class Run:
    """A model on a study, with its predictions and heatmaps.

    Attributes:
        study: its study.
        stored: the run as the library keeps it.
    """

    def __init__(self, study: Study, stored: StoredRun) -> None:
        self.study = study
        self.stored = stored

    @property
    def name(self) -> str:
        """Its name."""
        return self.stored.name

    @property
    def predictions(self) -> pd.DataFrame:
        """One line per predicted sample: `row`, `id`, `split`, `true`, `predicted` (names), `confidence`, `loss`.

        Raises BadInput where there are none.
        """
        from xai_core.answers.cell import members_table
        from xai_core.answers.scope import Scope

        scope = Scope(self.stored, "all")
        table = members_table(scope, scope.predictions.rows)
        return table.rename(columns={"p_predicted": "confidence"})[
            ["row", "id", "split", "true", "predicted", "confidence", "loss"]
        ]

    @property
    def mistakes(self) -> NDArray[np.int64]:
        """Rows of the test samples that are wrong (of all samples where there is no test split), surest first."""
        from xai_core.answers.scope import Scope, best_split, in_order

        scope = Scope(self.stored, best_split(self.study.stored, self.stored))
        return in_order(scope, scope.members.mistakes, "confidence")

    def predict(self, *splits: str) -> dict[str, dict[str, float]]:
        """Predict what is not predicted yet; accuracy with its 95 % interval and n per split."""
        from xai_core.answers.runs import by_split, doubts
        from xai_core.pipeline.predict import predict

        wanted = splits or SPLITS
        for split in wanted:
            if split not in SPLITS:
                raise BadParameter("not a split", value=split, remedy=f"Choose from {', '.join(SPLITS)}.")
        _left_out(predict(self.stored, self.study.bench.classifier(self.stored), wanted).left_out)
        found = by_split(self.stored)
        for doubt in doubts(found, len(self.study.classes)):
            LOG.warning("%s", doubt)
        return found

    def explain(
        self, rows: Rows, methods: str | Sequence[str] | Mapping[str, Mapping[str, Any]], target: str = "predicted"
    ) -> dict[str, Maps]:
        """Heatmaps of samples, computed where they are not stored yet.

        Of a model without a layer for class activation maps, methods that need one are left out, with a warning,
        unless no other is asked for.

        Args:
            rows: `(n,)` row numbers.
            methods: keys (`xai list explainers`), or keys with parameters: `{"ig": {"steps": 100}}`.
            target: one of TARGET_SPECS, or the name of a class.

        Raises:
            NotFound, BadParameter: an unknown method, parameter, class or row.
            BadInput: samples without a prediction.
        """
        from xai_core.explainers import EXPLAINERS
        from xai_core.params import build
        from xai_core.pipeline.explain import Request, check_methods, explain_steps
        from xai_core.pipeline.steps import noted
        from xai_core.store.obstacles import with_a_layer

        asked = np.asarray(rows, dtype=np.int64).reshape(-1)
        wanted, spec = _with_values(methods), self._spec(target)
        if not len(asked):
            raise BadParameter("no samples", remedy="Name row numbers, as run.mistakes has them.")
        wanted, without = with_a_layer(self.stored, wanted)
        request = Request(self.stored, asked.tolist(), spec, wanted)
        check_methods(self.study.bench, request)
        left_out: dict[str, str] = {}
        for _ in noted(explain_steps(self.study.bench, request), len(asked), left_out):
            pass
        _left_out(without | left_out)
        keys, made = [one.key for one in self.stored.targets(asked, spec)], dict[str, Maps]()
        for key, values in wanted:
            store = self.stored.maps(key, build(EXPLAINERS[key].params, values))
            assert store is not None, "it was filled just now"
            found = store.get(asked, keys)
            made[key] = Maps(key, asked, spec, found.maps, tuple(found.refusals))
        return made

    def _spec(self, target: str) -> str:
        if target in TARGET_SPECS:
            return target
        if target not in self.study.classes:
            raise NotFound.among("class", target, self.study.classes)
        return str(self.study.classes.index(target))


def _with_values(
    methods: str | Sequence[str] | Mapping[str, Mapping[str, Any]],
) -> list[tuple[str, Mapping[str, Any]]]:
    if isinstance(methods, str):
        return [(methods, {})]
    given = methods if isinstance(methods, Mapping) else {key: {} for key in methods}
    return [(key, values) for key, values in given.items()]


def _left_out(reasons: Mapping[str, str]) -> None:
    for name, reason in reasons.items():
        LOG.warning("left out %s: %s", name, reason)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(address: str, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    for _ in _until(SECONDS):
        if process.poll() is not None:
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()
            why = said[-1] if said else f"exit {process.returncode}"
            raise BadInput("the dashboard did not start", value=why, remedy="Start it yourself with xai serve.")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as reply:
            if reply.status == 200:
                return
    raise BadInput("the dashboard does not answer", value=address, remedy="Start it yourself with xai serve.")


def _until(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.2)
