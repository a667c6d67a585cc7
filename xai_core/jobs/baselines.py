"""A classical baseline, as a job: what `xai train --arch sklearn:KEY` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xai_core.pipeline.baseline import BaselineWanted, baseline_run, check_baseline
from xai_core.store.run import BASELINE
from xai_core.training.baselines import BASELINES

if TYPE_CHECKING:
    from xai_core.jobs.operations import Work
    from xai_core.store.run import Run
    from xai_core.store.study import Study


def title(wanted: BaselineWanted) -> str:
    """For people."""
    return f"Baseline {wanted.run}: {BASELINES[wanted.baseline].card.title}"


def check(study: Study, wanted: BaselineWanted) -> None:
    """Raise now what would only be found out later."""
    check_baseline(study, wanted)


def work(study: Study, wanted: BaselineWanted, work: Work) -> dict[str, Any]:
    """The run."""
    settings = work.settings
    run = baseline_run(
        study,
        wanted,
        device=settings.device,
        batch_size=settings.batch_size,
        progress=work.progress,
        cancel=work.cancel,
    )
    return made(run)


def made(run: Run) -> dict[str, Any]:
    """What came of it, JSON-able."""
    about = run.info.provenance
    return {"run": run.name, "architecture": run.info.architecture, "parent": run.info.parent} | {
        BASELINE: about[BASELINE],
        "notes": list(about["notes"]),
    }
