"""An operation that counts slowly, for tests of jobs; run as a script it is the process of a job that knows it too."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from xai_core.errors import BadInput
from xai_core.jobs.operations import OPERATIONS, Operation, Work

if TYPE_CHECKING:
    from xai_core.store.study import Study


@dataclass(frozen=True)
class CountArguments:
    """Count to `to`, each in so many seconds; `then` is what happens in the end."""

    to: int
    seconds: float = 0.02
    then: str = ""


def check(study: Study, wanted: CountArguments) -> None:
    if wanted.to < 1:
        raise BadInput("nothing to count", value=wanted.to, remedy="Count to 1 at least.")


def count(study: Study, wanted: CountArguments, work: Work) -> dict[str, Any]:
    """Leaves a file per number, and skips those that are there."""
    folder = study.path / "counted"
    folder.mkdir(exist_ok=True)
    new = 0
    for number in range(1, wanted.to + 1):
        if not (folder / str(number)).exists():
            (folder / str(number)).touch()
            new += 1
            time.sleep(wanted.seconds)
        work.progress(number, wanted.to, "numbers")
        if wanted.then != "deaf":
            work.cancel.check()
    _end(wanted.then)
    return {"new": new}


def _end(then: str) -> None:
    if then == "refuse":
        raise BadInput("<b>no</b>", value="it", remedy="Mend it.")
    if then == "fault":
        raise RuntimeError("a fault")
    if then == "memory":
        raise MemoryError
    if then == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if then == "talk":
        for _ in range(30):
            print("words " * 20_000, flush=True)
            time.sleep(0.05)
    if then == "child" and os.fork() == 0:
        time.sleep(600)
    if then in ("child", "deaf"):
        time.sleep(600)


COUNT = Operation("count", CountArguments, lambda wanted: f"Counting to {wanted.to}", check, count)
ALONE = replace(COUNT, key="alone", alone=True)

if __name__ == "__main__":
    from xai_core.jobs import __main__ as entry
    from xai_core.jobs import run

    OPERATIONS.update(count=COUNT, alone=ALONE)
    entry.NICENESS = 0
    run.SECONDS_BETWEEN_WORDS = 0.05
    run.GRACE = float(os.environ.get("XAI_TEST_GRACE", "30"))
    entry.leave(entry.main())
