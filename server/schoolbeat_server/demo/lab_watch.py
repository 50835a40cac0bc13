"""Takes the lab away when the demo that built it was killed; it notices by its end of a pipe."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from schoolbeat_server.demo import lab

PATIENCE_SECONDS = 60


def main() -> int:
    """Waits for the end of stdin. Then labs whose process is gone are removed; after a clean stop there are none."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    owner = int(sys.argv[1])
    sys.stdin.buffer.read()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while Path(f"/proc/{owner}").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    lab.remove_stale()
    return 0


if __name__ == "__main__":
    sys.exit(main())
