"""What set-up writes beside agent.toml: whole or not at all, readable by the agent's user alone, the former kept."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.disk import sync_folder
from schoolbeat_agent.settings import DEVICES, SECRETS, Device

PASSWORD: Final = "password"  # noqa: S105 - a file's name
_HEAD: Final = """# Các thiết bị mà `schoolbeat-agent setup` đã ghi; chạy lại lệnh đó để cập nhật.
# The devices that `schoolbeat-agent setup` wrote; run it again to bring them up to date.
"""


def value(found: Any) -> str:
    """As TOML: JSON's strings, numbers, booleans and lists are TOML's too, save for a letter that only TOML forbids."""
    return json.dumps(found, ensure_ascii=False).replace("\x7f", "\\u007f")


def _lines(table: Mapping[str, Any]) -> list[str]:
    return [f"{name} = {value(found)}" for name, found in table.items()]


def agent_toml(top: Mapping[str, Any], sections: Mapping[str, Mapping[str, Any]]) -> str:
    tables = ["\n".join(("", f"[{name}]", *_lines(table), "")) for name, table in sections.items() if table]
    return "\n".join((*_lines(top), *tables))


def left_out(file: Path) -> tuple[str, ...]:
    """Ids of devices that the technician does not want watched."""
    import tomllib

    if not file.exists():
        return ()
    found = tomllib.loads(file.read_text(encoding="utf-8-sig")).get("left_out", [])
    return tuple(str(one) for one in found) if isinstance(found, list) else ()


def devices_toml(devices: Iterable[Device], without: Sequence[str] = ()) -> str:
    """Only what differs from a key's default is written. without: ids that were found and are not watched."""
    tables = [f"left_out = {value(list(without))}\n"] if without else []
    for device in devices:
        table = {
            field.name: list(found) if isinstance(found, tuple) else found
            for field in fields(device)
            if (found := getattr(device, field.name)) != field.default
        }
        tables.append("\n".join(("[[device]]", *_lines(table), "")))
    return "\n".join((_HEAD, *tables))


def secrets_toml(before: str, new: Sequence[Credential]) -> str:
    """What stood there stays as it was, comments too; entries are added at the end."""
    tables = []
    for entry in new:
        table = {field.name: found for field in fields(entry) if (found := getattr(entry, field.name)) != field.default}
        tables.append("\n".join(("[[credential]]", *_lines(table), "")))
    head = before if not before or before.endswith("\n") else before + "\n"
    return "\n".join((head, *tables)) if head else "\n".join(tables)


def write(file: Path, text: str) -> None:
    """Mode 0600, of the folder's owner; the former one becomes FILE.bak. OSError leaves it as it was."""
    new = file.with_name(file.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        _give_to_owner(new, file.parent)
        if file.exists():
            _keep(file)
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def _keep(file: Path) -> None:
    """A second name for the former file, so that there is no moment without one."""
    kept = file.with_name(file.name + ".bak")
    kept.unlink(missing_ok=True)
    try:
        kept.hardlink_to(file)
    except OSError:  # a file system without links
        kept.write_bytes(file.read_bytes())
        kept.chmod(0o600)


def _give_to_owner(file: Path, folder: Path) -> None:
    """Root sets up for the agent's user, who must be able to read it."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return
    owner = folder.stat()
    os.chown(file, owner.st_uid, owner.st_gid)


def changes(config: Path, texts: Mapping[str, str]) -> list[str]:
    """What would change, as `--dry-run` shows it: of secrets and passwords their names only."""
    from difflib import unified_diff

    out = []
    for name, text in texts.items():
        file = config.with_name(name)
        before = file.read_text(encoding="utf-8-sig") if file.exists() else ""
        if name == DEVICES:
            out += [
                line.rstrip("\n")
                for line in unified_diff(before.splitlines(), text.splitlines(), str(file), str(file), n=1, lineterm="")
            ]
        elif before != text:
            out.append(f"{'~' if before else '+'} {file}")
    return out


__all__ = ["DEVICES", "PASSWORD", "SECRETS"]
