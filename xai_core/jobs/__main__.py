"""`python -m xai_core.jobs FOLDER`: the process of one job. It takes no requests and opens no connection."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from pathlib import Path

from xai_core.types import CancelToken

NICENESS = 15
"""After whoever looks at a page, and after the worker, which draws what they look at."""


def main() -> int:
    """Do the job, and return the exit status."""
    cancel = CancelToken()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: cancel.cancel())  # before anything that takes long
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    parser = argparse.ArgumentParser(prog="python -m xai_core.jobs", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lock", type=int, help="an open file that holds the folder's lock")
    options = parser.parse_args()
    folder = Path(os.path.abspath(options.folder))
    os.nice(NICENESS)
    from xai_core.errors import XaiError
    from xai_core.jobs.process import taken
    from xai_core.jobs.run import run_job

    try:
        with contextlib.ExitStack() as held:
            if options.lock is None or not _is_lock(options.lock, folder):
                held.enter_context(taken(folder))
            return run_job(folder, cancel)
    except (XaiError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def _is_lock(descriptor: int, folder: Path) -> bool:
    """Whether this open file is the folder; what the job begins itself does not get it."""
    try:
        same = os.path.samestat(os.fstat(descriptor), folder.stat())
        os.set_inheritable(descriptor, False)
    except OSError:
        return False
    return same


def leave(status: int) -> None:
    """All is said and stored: nothing that a library does at the end, and no thread of it, is waited for."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    leave(main())
