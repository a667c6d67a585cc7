"""A last layer learned again, as a job: what `xai repair` does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xai_core.jobs.values import record
from xai_core.pipeline.repair import REPAIR, RepairWanted, check_repair
from xai_core.training.repairs import REPAIRS

if TYPE_CHECKING:
    from xai_core.jobs.operations import Work
    from xai_core.store.run import Run
    from xai_core.store.study import Study


def run_made(study: Study, arguments: Mapping[str, Any]) -> str:  # noqa: ARG001  (as of a training)
    """Of a job with these arguments, the run that it makes. Raises XaiError where they are none."""
    return record(RepairWanted, arguments).into


def title(wanted: RepairWanted) -> str:
    """For people."""
    return f"Repair of {wanted.run}: {REPAIRS[wanted.method].card.title}"


def check(study: Study, wanted: RepairWanted) -> None:
    """Raise now what would only be found out later."""
    check_repair(study, wanted)


def work(study: Study, wanted: RepairWanted, work: Work) -> dict[str, Any]:
    """The repaired run."""
    from xai_core.pipeline.repair import repair_run

    settings = work.settings
    run = repair_run(
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
    return {"run": run.name, "parent": run.info.parent, "seconds": run.info.seconds} | {
        REPAIR: about[REPAIR],
        "notes": list(about["notes"]),
    }
