"""The list of families in docs/snmp-profiles.md, made from the profiles: `python -m tests.agent.snmp_profile_page`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from schoolbeat_agent.snmp.profile import FILES, families

PAGE = Path(__file__).resolve().parents[2] / "docs" / "snmp-profiles.md"
BEGIN, END = "<!-- families -->\n", "<!-- /families -->\n"
HEAD = """| họ thiết bị | tệp | loại | số đo ← đối tượng MIB |
|---|---|---|---|
"""


def page() -> str:
    """The page as it should be: what is written by hand, with the list made anew."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + HEAD + "".join(line(family) for family in families()) + END + after


def line(family: str) -> str:
    content = tomllib.loads((FILES / f"{family}.toml").read_text("utf-8"))
    sources: dict[str, list[str]] = {}
    for entry in content.get("reading", ()):
        objects = sources.setdefault(named(entry), [])
        if entry["from"] not in objects:
            objects.append(entry["from"])
    told = "; ".join(f"{reading} ← {', '.join(objects)}" for reading, objects in sources.items())
    return f"| {content['title']} | `{family}` | {content.get('kind', '')} | {told} |\n"


def named(entry: dict[str, Any]) -> str:
    part = entry.get("part", "")
    where = f" ({entry.get('prefix', '')}…)" if entry.get("each") else f" ({part})" if part else ""
    return f"`{entry['name']}`{where}{'†' if 'verified' in entry else ''}"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
