"""A classical baseline, as a job: what `xai train --arch sklearn:KEY` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xai_core.jobs.training import check_arm, part_of
from xai_core.pipeline.baseline import BaselineWanted, baseline_run, check_baseline
from xai_core.store.run import BASELINE
from xai_core.text import counted
from xai_core.training.baselines import BASELINES

if TYPE_CHECKING:
    from xai_core.jobs.operations import Work
    from xai_core.store.run import Run
    from xai_core.store.study import Study


def title(wanted: BaselineWanted) -> str:
    """For people."""
    seeds = f" ({counted(wanted.seeds, 'seed')})" if wanted.seeds > 1 else ""
    return f"Baseline {wanted.run}{seeds}: {BASELINES[wanted.baseline].card.title}"


def check(study: Study, wanted: BaselineWanted) -> None:
    """Raise now what would only be found out later."""
    check_arm(study, wanted.run, wanted.seeds)
    check_baseline(study, wanted)


def work(study: Study, wanted: BaselineWanted, work: Work) -> dict[str, Any]:
    """Run after run. What is there already is not made again."""
    settings, found = work.settings, []
    for number, one in enumerate(wanted.runs()):
        run = baseline_run(
            study,
            one,
            device=settings.device,
            batch_size=settings.batch_size,
            progress=part_of(work.progress, number, wanted.seeds),
            cancel=work.cancel,
        )
        found.append(made(run))
    return found[0] if wanted.seeds == 1 else {"arm": wanted.run, "runs": found}


def made(run: Run) -> dict[str, Any]:
    """What came of it, JSON-able."""
    about = run.info.provenance
    return {"run": run.name, "architecture": run.info.architecture, "parent": run.info.parent} | {
        BASELINE: about[BASELINE],
        "notes": list(about["notes"]),
    }
