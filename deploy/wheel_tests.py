"""Builds the wheel, installs it without extras into an empty environment, runs the agent's and wire's tests there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / "build" / "wheel"
EMPTY = ROOT / "build" / "emptyvenv"
TOOLS = ("pytest", "pytest-timeout", "pytest-xdist", "hypothesis", "snmpsim-data")

# What a school's box would import, from where, and that the server's libraries are really absent.
PROBE = """
import importlib.util, pathlib, sys
import schoolbeat_agent, schoolbeat_wire
for module in (schoolbeat_agent, schoolbeat_wire):
    home = pathlib.Path(module.__file__)
    assert pathlib.Path(sys.prefix) in home.parents, f"{home} is not the installed wheel"
present = [name for name in ("sqlalchemy", "fastapi", "alembic", "apprise") if importlib.util.find_spec(name)]
assert not present, f"the base dependencies bring the server's libraries: {present}"
"""


def run(*command: str | Path, environment: Mapping[str, str] | None = None) -> None:
    """Run or leave with its exit code."""
    code = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL).returncode
    if code:
        print(f"wheel_tests: {' '.join(map(str, command))}: exit code {code}", file=sys.stderr)
        sys.exit(code)


def main() -> int:
    shutil.rmtree(BUILT, ignore_errors=True)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", BUILT, ".")
    (wheel,) = BUILT.glob("*.whl")
    run(sys.executable, "-m", "venv", "--clear", EMPTY)
    python = EMPTY / "bin/python"
    run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", "constraints.txt", wheel, *TOOLS)
    # Neither the sources nor the caller's own packages may step in for what the wheel lacks.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run(python, "-P", "-c", PROBE, environment=environment)
    several = ("-n", "4", "--dist", "loadfile", "-p", "no:cacheprovider")
    run(EMPTY / "bin/pytest", "tests/wire", "tests/agent", *several, environment=environment)
    return 0


if __name__ == "__main__":
    sys.exit(main())
