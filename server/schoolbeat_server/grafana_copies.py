"""A shipped dashboard's copy for one commune or school: its variables fixed, its links among the copies."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from schoolbeat_server.said import Said

COPY_TAG: Final = "schoolbeat-copy"
VERSION_TAG: Final = "schoolbeat-v-"
FILE_BYTES: Final = 4 << 20

Json = dict[str, Any]
Fixed = Mapping[str, tuple[str, str]]  # variable -> (what is shown, the id)

_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)(?:[:.][^}]*)?\})|\[\[(\w+)(?::[^\]]*)?\]\]")
_TO_DASHBOARD: Final = re.compile(r"(?<![\w-])d/([A-Za-z0-9_-]{1,40})")
_ASKS: Final = ("expr", "query", "definition", "rawSql")


class Original(NamedTuple):
    """A dashboard that can be copied, and the digest of a copy for nowhere: what all its copies have in common."""

    dashboard: Json
    uids: tuple[str, ...]  # of all that are copied with it
    digest: str


@dataclass(frozen=True)
class Copy:
    """Of one place. The body is made when it is sent: a province has thousands."""

    original: Original
    key: str  # of the commune or school, stable
    where: str  # what titles say of it
    fixed: Fixed

    @property
    def uid(self) -> str:
        return copied_uid(self.key, self.original.dashboard["uid"])

    @property
    def title(self) -> str:
        return f"{self.original.dashboard.get('title', '')} · {self.where}"

    @property
    def version(self) -> str:
        """A tag: another one when anything of the body is another."""
        return VERSION_TAG + _digest([self.original.digest, self.key, self.where, dict(self.fixed)])

    def body(self) -> Json:
        """As it is sent, but for the folder, id and version."""
        return _body(self.original.dashboard, self.original.uids, self.key, self.where, self.fixed) | {
            "tags": [COPY_TAG, self.key, self.version]
        }


class Unreadable(ValueError):
    def __init__(self, path: Path, vi: str, en: str) -> None:
        super().__init__(vi)
        self.said = Said(f"{path}: {vi}", f"{path}: {en}")


def read_dashboards(folder: Path) -> list[Json]:
    """The *.json of a folder. Raises Unreadable."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except OSError as error:
        raise Unreadable(
            folder, f"không đọc được (grafana.dashboards): {error}", f"cannot be read (grafana.dashboards): {error}"
        ) from None
    if not paths:
        raise Unreadable(
            folder,
            "không có bảng nào (*.json); nêu ví dụ dashboards/influxdb/vi (grafana.dashboards)",
            "has no dashboards (*.json); name for instance dashboards/influxdb/vi (grafana.dashboards)",
        )
    return [_read(path) for path in paths]


def _read(path: Path) -> Json:
    try:
        if path.stat().st_size > FILE_BYTES:
            raise Unreadable(path, "quá lớn", "is too large")
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise Unreadable(path, f"không đọc được: {error}", f"cannot be read: {error}") from None
    if not isinstance(value, dict) or not isinstance(value.get("uid"), str) or not value.get("panels"):
        raise Unreadable(path, "không phải bảng Grafana", "is no Grafana dashboard")
    return value


def limited(dashboard: Json, fixed: Container[str]) -> bool:
    """Whether each query of its panels asks by one of the variables or by one that is chosen within them (not by one
    whose «all» is everything: there, the variable itself must be asked by too)."""
    variables = {one["name"]: one for one in _variables(dashboard) if one["name"] in fixed or not one.get("allValue")}
    within = {name for name in variables if name in fixed}
    grew = bool(within)
    while grew:
        more = {name for name, one in variables.items() if name not in within and _names(_asked(one)) & within}
        grew, within = bool(more), within | more
    asks = [_asked(target) for panel in panels(dashboard) for target in panel.get("targets", [])]
    return bool(asks) and all(_names(text) & within for text in asks)


def panels(dashboard: Json) -> list[Json]:
    """All, those in collapsed rows too."""
    found: list[Json] = []
    for panel in dashboard.get("panels", []):
        found += [panel, *panel.get("panels", [])]
    return found


def originals(dashboards: Iterable[Json], narrowest: str) -> list[Original]:
    """Of those that can be limited by that variable."""
    chosen = [one for one in dashboards if limited(one, (narrowest,))]
    uids = tuple(one["uid"] for one in chosen)
    nowhere = {"area": ("", ""), "school": ("", "")}
    return [Original(one, uids, _digest(_body(one, uids, "", "", nowhere))) for one in chosen]


def copies(found: Iterable[Original], key: str, where: str, fixed: Fixed) -> list[Copy]:
    return [Copy(one, key, where, fixed) for one in found]


def copied_uid(key: str, uid: str) -> str:
    return "sb-" + hashlib.blake2s(f"{key}\0{uid}".encode(), digest_size=12).hexdigest()


def _digest(value: Any) -> str:
    return hashlib.blake2s(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()


def _body(dashboard: Json, uids: Iterable[str], key: str, where: str, fixed: Fixed) -> Json:
    body: Json = _relinked(dashboard, key, {uid: copied_uid(key, uid) for uid in uids})
    body["uid"], body["title"] = copied_uid(key, dashboard["uid"]), f"{dashboard.get('title', '')} · {where}"
    for unwanted in ("id", "version", "tags"):
        body.pop(unwanted, None)
    for one in _variables(body):
        if one["name"] in fixed:
            shown, ident = fixed[one["name"]]
            _fix(one, shown, ident)
    return body


def _fix(variable: Json, shown: str, ident: str) -> None:
    """One value, hidden, and not to be taken from the address."""
    name = variable["name"]
    option = {"text": shown, "value": ident, "selected": True}
    chosen = {"text": [shown], "value": [ident], "selected": True}
    variable.clear()
    variable |= {
        "name": name,
        "type": "custom",
        "query": f"{shown.replace(chr(92), ' ').replace(',', chr(92) + ',')} : {ident}",
        "current": chosen,
        "options": [option],
        "hide": 2,
        "includeAll": False,
        "multi": True,  # as it was: Grafana escapes such a value for regular expressions
        "skipUrlSync": True,
    }


def _relinked(value: Any, key: str, uids: Mapping[str, str]) -> Any:
    """A copy: links to what is copied lead to the copies, others to dashboards go; lists by tag show the copies."""
    if isinstance(value, list):
        return [_relinked(one, key, uids) for one in value if not _leads_out(one, uids)]
    if isinstance(value, dict):
        told = {name: _relinked(one, key, uids) for name, one in value.items()}
        return told | {"tags": [key]} if value.get("type") == "dashboards" and "title" in value else told
    if isinstance(value, str):
        return _TO_DASHBOARD.sub(lambda found: f"d/{uids.get(found[1], found[1])}", value)
    return value


def _leads_out(value: Any, uids: Mapping[str, str]) -> bool:
    url = value.get("url") if isinstance(value, dict) else None
    return isinstance(url, str) and any(uid not in uids for uid in _TO_DASHBOARD.findall(url))


def _variables(dashboard: Json) -> list[Json]:
    found: list[Json] = dashboard.get("templating", {}).get("list", [])
    return found


def _asked(value: Json) -> str:
    """What it asks of the store, as text."""
    return json.dumps([value[name] for name in _ASKS if name in value], ensure_ascii=False)


def _names(text: str) -> set[str]:
    return {name for found in _VARIABLE.findall(text) for name in found if name}
