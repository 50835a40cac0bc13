"""What Grafana should have for each commune or school, and the steps from what it has to that."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from schoolbeat_server.grafana_copies import Copy, Fixed
from schoolbeat_server.register_areas import Boundaries
from schoolbeat_server.register_values import School
from schoolbeat_server.said import Said

By = Literal["commune", "school"]
Thing = Literal["team", "folder", "rights", "dashboard"]
Action = Literal["create", "rename", "set", "update", "keep", "left", "delete"]

GENERAL_FOLDERS: Final = ("schoolbeat-vi", "schoolbeat-en")  # as deploy/grafana provisions them
VIEW: Final = 1  # of the folder permissions API
NAME_CHARACTERS: Final = 140
TEAM_HEADS: Final[dict[By, str]] = {"commune": "SchoolBeat xã", "school": "SchoolBeat trường"}
FOLDER_HEADS: Final[dict[By, str]] = {"commune": "sb-commune-", "school": "sb-school-"}
_TEAM: Final = re.compile(r"(SchoolBeat (?:xã|trường)): .* \(([^()]+)\)")
_PLAIN: Final = re.compile(r"[a-z0-9_-]{1,28}")


class Place(NamedTuple):
    """A commune or school that gets a folder and a team. fixed: the dashboards' variables, what they stand on."""

    by: By
    id: str
    name: str
    fixed: Fixed

    @property
    def title(self) -> str:
        return f"{self.name[:NAME_CHARACTERS]} ({self.id})"

    @property
    def team(self) -> str:
        return f"{TEAM_HEADS[self.by]}: {self.title}"

    @property
    def folder(self) -> str:
        """Its uid: at most 40 of a-z, 0-9, - and _, whatever the id has."""
        plain = self.id if _PLAIN.fullmatch(self.id) else hashlib.blake2s(self.id.encode(), digest_size=12).hexdigest()
        return FOLDER_HEADS[self.by] + plain


class Team(NamedTuple):
    id: int
    name: str
    email: str


class FoundCopy(NamedTuple):
    title: str
    folder: str
    version: str


@dataclass
class Found:
    """What Grafana has of ours: folder uid -> title, (head, id) -> team, dashboard uid -> copy, rights of folders."""

    folders: dict[str, str] = field(default_factory=dict)
    folders_of_all: dict[str, str] = field(default_factory=dict)  # the provisioned ones
    teams: dict[tuple[str, str], Team] = field(default_factory=dict)
    copies: dict[str, FoundCopy] = field(default_factory=dict)
    rights: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


class Step(NamedTuple):
    """place: None where nothing of the register stands behind it. key: the uid, or a team's name."""

    thing: Thing
    action: Action
    key: str
    title: str
    place: Place | None = None
    copy: Copy | None = None
    why: Said = Said("", "")


def places(by: By, on: Boundaries, schools: Mapping[str, School]) -> list[Place]:
    """Of the schools that stand on the day; communes: those that have such a school."""
    if by == "school":
        return [
            Place(
                by, school, schools[school].name, {"area": _shown(on, area), "school": (schools[school].name, school)}
            )
            for school, area in sorted(on.area_of.items())
        ]
    return [Place(by, area, on.areas[area].name, {"area": _shown(on, area)}) for area in sorted({*on.area_of.values()})]


def _shown(on: Boundaries, area: str) -> tuple[str, str]:
    return on.areas[area].name, area


def is_our_folder(uid: str) -> bool:
    return uid.startswith(tuple(FOLDER_HEADS.values()))


def whose_team(name: str) -> tuple[str, str] | None:
    """(head, id) of a team that this command made."""
    found = _TEAM.fullmatch(name)
    return (found[1], found[2]) if found else None


def steps(wanted: list[tuple[Place, list[Copy]]], found: Found, *, prune: bool) -> list[Step]:
    """In an order in which they can be taken: the team before the rights, the folder before what lies in it."""
    out: list[Step] = []
    for place, copies in wanted:
        out += _of_place(place, copies, found)
    out += _left(wanted, found, prune)
    for uid in GENERAL_FOLDERS:
        if any(item.get("role") == "Viewer" for item in found.rights.get(uid, [])):
            out.append(Step("rights", "left", uid, found.folders_of_all.get(uid, uid), why=_GENERAL))
    return out


def _of_place(place: Place, copies: list[Copy], found: Found) -> Iterator[Step]:
    team = found.teams.get((TEAM_HEADS[place.by], place.id))
    if team is None:
        yield Step("team", "create", place.team, place.team, place)
    else:
        yield Step("team", "keep" if team.name == place.team else "rename", team.name, place.team, place)
    title = found.folders.get(place.folder)
    if title is None:
        yield Step("folder", "create", place.folder, place.title, place)
    else:
        yield Step("folder", "keep" if title == place.title else "rename", place.folder, place.title, place)
    items = found.rights.get(place.folder, [])
    right = team is not None and are_right(items, team)
    yield Step("rights", "keep" if right else "set", place.folder, place.title, place)
    if any(item.get("inherited") and item.get("role") for item in items):
        yield Step("rights", "left", place.folder, place.title, why=_ABOVE)
    for copy in copies:
        yield Step("dashboard", _change(copy, place.folder, found), copy.uid, copy.title, place, copy)


def _change(copy: Copy, folder: str, found: Found) -> Action:
    there = found.copies.get(copy.uid)
    if there is None:
        return "create"
    return "keep" if (there.folder, there.version) == (folder, copy.version) else "update"


def are_right(items: list[dict[str, Any]], team: Team) -> bool:
    """The team views; no role of the organisation does. What others were given by hand is left as it is."""
    own = [item for item in items if not item.get("inherited")]
    given = [
        item.get("permission")
        for item in own
        if (team.id and item.get("teamId") == team.id) or item.get("team") == team.name
    ]
    return given == [VIEW] and not any(item.get("role") for item in own)


def rights(items: list[dict[str, Any]], team: int) -> list[dict[str, Any]]:
    """As they are sent: the whole list, without roles, without what a parent folder passes on."""
    kept: list[dict[str, Any]] = []
    for item in items:
        given = "teamId" if item.get("teamId") else "userId"
        if item.get(given) and not item.get("inherited") and (given, item[given]) != ("teamId", team):
            kept.append({given: item[given], "permission": item.get("permission", VIEW)})
    return [{"teamId": team, "permission": VIEW}, *kept]


_ABOVE: Final = Said(
    "thư mục cha cho mọi Viewer hoặc Editor xem: rút quyền ấy ở thư mục cha, hoặc đưa thư mục ra ngoài",
    "the folder above lets every Viewer or Editor in: take that right away there, or move the folder out",
)
_GENERAL: Final = Said(
    "mọi Viewer xem được thư mục chung của cả tỉnh; lệnh không đổi: rút quyền Viewer ở đó nếu trường chỉ được xem "
    "phần mình",
    "every Viewer may view this folder of the whole province; it is not changed: take the role Viewer away there if "
    "schools are to view their own only",
)
_GONE: Final = Said("không còn trong sổ đăng ký hoặc cấu hình", "no longer in the register or the settings")


def _left(wanted: list[tuple[Place, list[Copy]]], found: Found, prune: bool) -> Iterator[Step]:
    """What this command made and nobody wants any more: dashboards first, the folder after them."""
    action: Action = "delete" if prune else "left"
    uids = {copy.uid for _, copies in wanted for copy in copies}
    folders = {place.folder for place, _ in wanted}
    teams = {(TEAM_HEADS[place.by], place.id) for place, _ in wanted}
    for uid, there in sorted(found.copies.items()):
        if uid not in uids:
            yield Step("dashboard", action, uid, there.title, why=_GONE)
    for uid, title in sorted(found.folders.items()):
        if uid not in folders:
            yield Step("folder", action, uid, title, why=_GONE)
    for key, team in sorted(found.teams.items()):
        if key not in teams:
            yield Step("team", action, team.name, team.name, why=_GONE)
