"""`python -m xai_core.worker`: the warm process. Requests on standard input, events on standard output."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time

from xai_core.errors import XaiError
from xai_core.worker.parent import end_with

GRACE = 2.0
"""Seconds that a running step has to come to its next pause when nobody asks any more."""


def main() -> None:
    """Serve until standard input ends, or the process that asks."""
    parser = argparse.ArgumentParser(prog="python -m xai_core.worker", description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    ended = threading.Event()
    end_with(os.getppid(), ended.set)  # before anything that takes long
    threading.Thread(target=_leave, args=(ended,), daemon=True, name="end").start()
    os.nice(5)  # whoever looks at a page goes first
    # Events get a channel of their own: whatever a library prints goes to standard error instead.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    from xai_core.worker.server import Server

    try:
        server = Server(events, ended=ended, device=options.device, threads=options.threads)
    except XaiError as error:
        events.write(json.dumps({"event": "unable", "text": str(error)}) + "\n")
        sys.exit(1)
    server.serve(sys.stdin)


def _leave(ended: threading.Event) -> None:
    """End in the middle of a step that does not; what it has stored is whole."""
    ended.wait()
    time.sleep(GRACE)
    os._exit(0)


if __name__ == "__main__":
    main()
