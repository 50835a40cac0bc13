"""Keeps the rooms apart: who may import whom, read from the sources."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# A requirement's name and the name it is imported by, where they differ.
IMPORTED_AS = {"gufo-snmp": "gufo", "paho-mqtt": "paho", "pyyaml": "yaml"}


def modules_of(requirements: list[str]) -> set[str]:
    names = [re.split(r"[\[<>=!~; ]", requirement)[0].lower() for requirement in requirements]
    return {IMPORTED_AS.get(name, name).replace("-", "_") for name in names}


BASE = modules_of(PROJECT["dependencies"])
SERVER = modules_of(PROJECT["optional-dependencies"]["server"])
DISCOVER = modules_of(PROJECT["optional-dependencies"]["discover"])
PAPER = modules_of(PROJECT["optional-dependencies"]["paper"])
# What these bring themselves and we use by its own name: FastAPI is built on starlette and pydantic.
BROUGHT = {"starlette", "pydantic", "markupsafe"}

ROOMS = {
    "wire/schoolbeat_wire": {"schoolbeat_wire", "msgspec"},
    "agent/schoolbeat_agent": {"schoolbeat_agent", "schoolbeat_wire"} | BASE | DISCOVER,
    "server/schoolbeat_server": {"schoolbeat_server", "schoolbeat_wire"} | BASE | SERVER | PAPER | BROUGHT,
}


def imported(source: str) -> set[str]:
    """The top names of everything a source imports, at its head or inside a function."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)


def strangers(room: str) -> dict[str, set[str]]:
    """File -> what it imports and its room may not."""
    found = {
        str(path.relative_to(ROOT)): imported(path.read_text(encoding="utf-8")) - ROOMS[room]
        for path in sorted((ROOT / room).rglob("*.py"))
    }
    assert found, f"{room} is empty"
    return {path: names for path, names in found.items() if names}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_itself_the_wire_and_its_dependencies(room: str) -> None:
    assert strangers(room) == {}


@pytest.mark.parametrize("folder", ["tests/wire", "tests/agent"])
def test_the_tests_that_run_against_the_bare_wheel_need_nothing_of_the_servers(folder: str) -> None:
    allowed = {"schoolbeat_agent", "schoolbeat_wire", "tests", "pytest", "hypothesis"} | BASE
    found = {
        path.name: imported(path.read_text(encoding="utf-8")) - allowed
        for path in sorted((ROOT / folder).rglob("*.py"))
    }

    assert {path: names for path, names in found.items() if names} == {}


def test_scapy_and_zeroconf_are_never_imported_by_a_resident_module() -> None:
    heads = {
        str(path.relative_to(ROOT)): imported_at_head(path.read_text(encoding="utf-8")) & (DISCOVER | {"apprise"})
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
    }

    assert {path: names for path, names in heads.items() if names} == {}


def imported_at_head(source: str) -> set[str]:
    head = [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return imported(ast.unparse(ast.Module(body=list(head), type_ignores=[])))


def test_an_import_in_a_function_or_under_a_condition_is_seen() -> None:
    source = "import os\nif True:\n    from scapy.all import sniff\ndef f():\n    import fastapi.responses as r\n"

    assert imported(source) == {"scapy", "fastapi"}
    assert imported_at_head(source) == set()


def test_a_relative_import_is_refused() -> None:
    with pytest.raises(AssertionError, match="line 1: a relative import"):
        imported("from . import x")
