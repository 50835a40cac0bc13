"""Runs the measurements named on the command line, or all, and prints one Markdown table."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAMES = (
    "wire",
    "agent",
    "school",
    "snmp",
    "card",
    "server",
    "cut",
    "pages",
    "year",
    "revised",
    "register",
    "plans",
    "series",
    "queue_of_series",
    "grafana",
)


def rows(name: str) -> list[tuple[str, str, str]]:
    """What, figure with unit, target. A measurement that is missing or fails is a row, too, and stops no other."""
    if not (HERE / f"{name}.py").exists():
        return [(name, "missing", "")]
    try:
        found: list[tuple[str, str, str]] = importlib.import_module(name).measure()
    except Exception as error:
        return [(name, f"failed: {type(error).__name__}: {error}", "")]
    return found


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        print(f"bench: {', '.join(unknown)}: no such measurement; allowed are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    print("| measured | figure | target |\n|---|---|---|", flush=True)
    failed = False
    for name in names or NAMES:
        for what, figure, target in rows(name):
            print(f"| {what} | {figure} | {target} |", flush=True)
            failed = failed or figure.startswith("failed: ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main(sys.argv[1:]))
