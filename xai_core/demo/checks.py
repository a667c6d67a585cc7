"""What is known of the demo's methods: scores and cascades, in one archive beside the runs.

They are many small files, and compress to a sixth; `bundle` unpacks them where somebody works.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xai_core.answers.methods import DEFAULT_METHODS
from xai_core.answers.quality_choice import LIMIT, SPEC, samples, usual_metrics, with_controls
from xai_core.answers.sanity import with_controls as with_yardsticks
from xai_core.answers.scope import Scope
from xai_core.demo.bundle import CHECKS
from xai_core.pipeline.cascade import CascadeRequest, cascade_steps
from xai_core.pipeline.load import Bench
from xai_core.pipeline.score import ScoreRequest, score_steps
from xai_core.pipeline.steps import Steps
from xai_core.sanity.orders import SAMPLES
from xai_core.store.run import Run
from xai_core.store.study import Study

FOLDERS = ("scores", "cascade")
"""Of a run, what is kept: the maps that were scored are as large as all else together, and are not."""

Watch = Callable[[str], Any]


def add_checks(study: Study, watch: Watch, *, count: int = LIMIT, pictures: int = SAMPLES, device: str = "cpu") -> Path:
    """Score and randomise all runs with the methods that pages open on, in a copy, and keep what came of it.

    Args:
        study: the demo; its archive is made anew.
        watch: as of `recipe.rebuild`.
        count, pictures: test samples that metrics and the cascade take.
        device: where models run.
    """
    with tempfile.TemporaryDirectory(prefix=f".{study.path.name}-checks-", dir=study.path.parent) as beside:
        copy = Path(shutil.copytree(study.path, Path(beside) / study.path.name))
        (copy / CHECKS).unlink(missing_ok=True)
        bench = Bench(device)
        for name in Study.open(copy).runs():
            for what, steps in _checks(bench, Study.open(copy).run(name), count, pictures):
                with watch(f"{what} {name}") as (progress, cancel):
                    for done, total in steps:
                        progress(done, total, "maps and scores")
                        cancel.check()
        return _packed(copy, study.path / CHECKS)


def _checks(bench: Bench, run: Run, count: int, pictures: int) -> Iterator[tuple[str, Steps]]:
    scope = Scope(run, "test")
    methods = _at_defaults(with_yardsticks(DEFAULT_METHODS))
    yield (
        "randomising",
        cascade_steps(bench, CascadeRequest(run, samples(scope, limit=pictures).rows.tolist(), methods)),
    )
    methods, metrics = _at_defaults(with_controls(run, DEFAULT_METHODS)), _at_defaults(usual_metrics(run))
    rows = samples(scope, limit=count).rows.tolist()
    yield "scoring", score_steps(bench, ScoreRequest(run, rows, SPEC, methods, metrics))


def _at_defaults(keys: Sequence[str]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(key, {}) for key in keys]


def _packed(copy: Path, archive: Path) -> Path:
    files = sorted(file for folder in FOLDERS for file in copy.glob(f"runs/*/{folder}/**/*") if file.is_file())
    half = archive.with_suffix(".half")
    with tarfile.open(half, "w:xz", preset=9) as held:
        for file in files:
            held.add(file, file.relative_to(copy).as_posix(), filter=_plain)
    return half.replace(archive)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Of the same files always the same bytes."""
    member.mode, member.mtime, member.uid, member.gid, member.uname, member.gname = 0o644, 0, 0, 0, "", ""
    return member
