"""`python -m xai_core.worker`: the warm process. Requests on standard input, events on standard output."""

from __future__ import annotations

import argparse
import os
import sys


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m xai_core.worker", description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    os.nice(10)  # whoever looks at a page goes first
    # Events get a channel of their own: whatever a library prints goes to standard error instead.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    from xai_core.worker.server import Server

    Server(events, device=options.device, threads=options.threads).serve(sys.stdin)


if __name__ == "__main__":
    main()
