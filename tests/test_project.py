"""What the project promises of itself: pins without addresses, commands that exist, one version."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import schoolbeat_wire

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
COMMANDS = ("demo", "test", "check", "bench")


def plain(name: str) -> str:
    """A distribution's name as all its spellings (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    return dict(line.split("==") for line in wanted)


def files_in_git() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    # Deleted by somebody who has not committed that yet: nothing to read.
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def requirements() -> list[str]:
    extras = PROJECT["optional-dependencies"].values()
    return [
        *PROJECT["dependencies"],
        *PYPROJECT["build-system"]["requires"],
        *(item for items in extras for item in items),
    ]


def test_every_dependency_is_pinned() -> None:
    named = {plain(re.split(r"[\[<>=!~; ]", requirement)[0]) for requirement in requirements()}

    assert named - {plain(name) for name in pins()} == set()


def test_the_pins_are_names_and_versions_only() -> None:
    for name, pinned in pins().items():
        assert re.fullmatch(r"[a-z0-9-]+", name), name
        assert re.fullmatch(r"([0-9]+!)?[0-9][0-9a-z.]*", pinned), f"{name}=={pinned}"  # an epoch, as PEP 440 has it


def test_what_is_installed_here_is_what_is_pinned() -> None:
    installed = {name: version(name) for name in ("msgspec", "paho-mqtt", "pytest", "hypothesis", "sqlalchemy")}

    assert installed == {name: pins()[name] for name in installed}


def test_no_file_names_a_package_registry_or_our_build_machine() -> None:
    # In pieces, so that this file is not the one that is found.
    forbidden = [
        "py" + "pi.org",
        "python" + "hosted",
        "registry.npm" + "js",
        "crates" + ".io",
        "/wo" + "rk/",
        "/opt/wh" + "eels",
    ]
    found = []
    for path in files_in_git():
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{path.relative_to(ROOT)}: {word}" for word in forbidden if word in text]

    assert found == []


def test_no_file_is_a_lock_file_or_vendored() -> None:
    names = {path.name for path in files_in_git()}

    assert names & {"uv.lock", "poetry.lock", "Pipfile.lock", "pdm.lock", "package-lock.json"} == set()
    assert [
        path for path in files_in_git() if path.suffix in {".whl", ".so", ".pyc"} or path.name.endswith(".min.js")
    ] == []


def test_the_four_commands_are_in_the_makefile() -> None:
    for command in COMMANDS:
        assert dry_run(command), f"make {command} does nothing"


def test_every_make_command_that_a_document_names_exists() -> None:
    named: dict[str, list[str]] = {}
    for path in files_in_git():
        if path.suffix == ".md":
            for command in re.findall(
                r"`make ([a-z][a-z-]*)`|^\s*make ([a-z][a-z-]*)\s*$", path.read_text(), re.MULTILINE
            ):
                named.setdefault("".join(command), []).append(path.name)

    assert {command: where for command, where in named.items() if not dry_run(command)} == {}


def dry_run(command: str) -> str:
    """What `make COMMAND` would run; empty if it does not know it."""
    assert shutil.which("make"), "make is missing: apt install make"
    done = subprocess.run(["make", "--dry-run", command], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def test_ci_runs_make_test_and_nothing_else() -> None:
    script = ROOT / ".ci" / "run"
    commands = [line for line in script.read_text().splitlines() if line and not line.startswith(("#", "set ", "cd "))]

    assert commands == ["exec make test"]
    assert script.stat().st_mode & 0o111


def test_the_version_is_the_same_everywhere() -> None:
    assert version("schoolbeat") == PROJECT["version"] == schoolbeat_wire.__version__
    changelog = ROOT / "CHANGELOG.md"
    if changelog.exists():
        assert re.search(rf"^## .*\b{re.escape(PROJECT['version'])}\b", changelog.read_text(), re.MULTILINE)


def test_the_licence_is_stated_and_there() -> None:
    assert PROJECT["license"] == "MIT"
    assert "MIT License" in (ROOT / "LICENSE").read_text()


def test_each_package_says_that_it_is_typed() -> None:
    for package in PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        assert (ROOT / package / "py.typed").exists()
