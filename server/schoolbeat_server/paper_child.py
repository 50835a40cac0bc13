"""HTML in, PDF out: a process of its own, so that the server neither waits for it nor keeps its memory."""

from __future__ import annotations

import os
import resource
import sys
from typing import Any

NICE = 10  # minutes of schools come before pages of paper
MOST_MEMORY = 2 << 30  # of addresses; a report of the largest size takes a fifth of it


def main() -> int:
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    from weasyprint import HTML, URLFetcher

    class NoAddress(URLFetcher):  # type: ignore[misc]
        """A report is whole in itself: nothing is asked of network or disk."""

        def fetch(self, url: str, headers: Any = None) -> Any:
            raise ValueError(f"a report names no other file: {url}")

    html = sys.stdin.buffer.read().decode()
    sys.stdout.buffer.write(HTML(string=html, url_fetcher=NoAddress()).write_pdf())
    return 0


if __name__ == "__main__":
    sys.exit(main())
