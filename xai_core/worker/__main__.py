"""`python -m xai_core.worker`: the warm process. Requests on standard input, events on standard output."""

from __future__ import annotations

import argparse
import json
import os
import sys

from xai_core.errors import XaiError


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

    try:
        server = Server(events, device=options.device, threads=options.threads)
    except XaiError as error:
        events.write(json.dumps({"event": "unable", "text": str(error)}) + "\n")
        sys.exit(1)
    server.serve(sys.stdin)


if __name__ == "__main__":
    main()
