"""A folder and a team for each commune or school in Grafana, with rights to view there only; made again, it is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from schoolbeat_server import grafana_plan
from schoolbeat_server.grafana_api import PAGE, PAGES, Grafana, Refused, Stopped
from schoolbeat_server.grafana_copies import COPY_TAG, VERSION_TAG, Copy, Json
from schoolbeat_server.grafana_plan import Found, FoundCopy, Place, Step, Team
from schoolbeat_server.said import Said

REFUSED_IN_A_ROW: Final = 5  # then it is not the things that are at fault
OLDEST: Final = (9, 4)

Tell = Callable[[str, int], None]


class Done(NamedTuple):
    """failed: why it was not done; None: it was."""

    step: Step
    failed: Said | None


def version(grafana: Grafana) -> str:
    """ "" where it does not say. Raises Stopped if what answers is no Grafana, or one that is too old."""
    health = grafana.found("/api/health")
    if health is None or "database" not in health:
        raise Stopped(
            "/api/health: không phải Grafana trả lời; xem lại grafana.url",
            "/api/health: it is no Grafana that answers; check grafana.url",
        )
    found = str(health.get("version") or "")[:40]
    parts = found.split("-")[0].split("+")[0].split(".")
    if len(parts) >= 2 and parts[0].isdigit() and parts[1].isdigit() and (int(parts[0]), int(parts[1])) < OLDEST:
        raise Stopped(f"Grafana {found}: cần từ 9.4 trở lên", f"Grafana {found}: 9.4 or newer is needed")
    return found


# ---- what is there -----------------------------------------------------------------------------------------


def read(grafana: Grafana, wanted: list[tuple[Place, list[Copy]]], tell: Tell) -> Found:
    """Asks, changes nothing."""
    found = Found()
    for one in _all(grafana, type="dash-folder"):
        uid, title = str(one["uid"]), str(one.get("title", ""))
        if grafana_plan.is_our_folder(uid):
            found.folders[uid] = title
        elif uid in grafana_plan.GENERAL_FOLDERS:
            found.folders_of_all[uid] = title
            found.rights[uid] = grafana.objects(f"/api/folders/{uid}/permissions")
    for one in _all(grafana, type="dash-db", tag=COPY_TAG):
        tags = [str(tag) for tag in one.get("tags") or [] if str(tag).startswith(VERSION_TAG)]
        copy = FoundCopy(str(one.get("title", "")), str(one.get("folderUid", "")), tags[0] if len(tags) == 1 else "")
        found.copies[str(one.get("uid"))] = copy
    _read_teams(grafana, found)
    for count, (place, _) in enumerate(wanted):
        tell("rights", count)
        if place.folder in found.folders:
            _read_rights(grafana, place.folder, found)
    return found


def _read_rights(grafana: Grafana, folder: str, found: Found) -> None:
    try:
        found.rights[folder] = grafana.objects(f"/api/folders/{folder}/permissions")
    except Refused as refused:
        if refused.status != 404:
            raise
        del found.folders[folder]  # deleted, and the search has not noticed yet


def _all(grafana: Grafana, **parameters: str) -> list[Json]:
    """By uid: a page that brings nothing new is the last."""
    found: dict[str, Json] = {}
    for page in grafana.pages("/api/search", **parameters):
        before = len(found)
        found |= {str(one["uid"]): one for one in page if one.get("uid")}
        if len(found) == before:
            break
    return list(found.values())


def _read_teams(grafana: Grafana, found: Found) -> None:
    for page in range(1, PAGES + 1):
        teams = _teams(grafana, query="SchoolBeat", perpage=PAGE, page=page)
        before = len(found.teams)
        for one in teams:
            whose = grafana_plan.whose_team(str(one.get("name")))
            if whose is not None:
                found.teams[whose] = Team(int(one.get("id") or 0), str(one["name"]), str(one.get("email") or ""))
        if not teams or (len(found.teams) == before and len(teams) < PAGE):
            return


def _teams(grafana: Grafana, **parameters: str | int) -> list[Json]:
    teams = grafana.object("/api/teams/search", **parameters).get("teams") or []
    return [one for one in teams if isinstance(one, dict)]


# ---- what is done ------------------------------------------------------------------------------------------


def apply(grafana: Grafana, steps: list[Step], found: Found, tell: Tell) -> Iterator[Done]:
    """Takes the steps; one that is refused leaves the others, and what builds on it is not tried. Raises Stopped."""
    missing: set[str] = set()
    in_a_row = 0
    for count, step in enumerate(steps):
        tell("steps", count)
        if step.action in ("keep", "left"):
            yield Done(step, None)
            continue
        if step.place is not None and step.place.folder in missing:
            yield Done(step, Said("bỏ qua vì bước trước không xong", "left out, a step before it failed"))
            continue
        try:
            _take(grafana, step, found)
            in_a_row = 0
            yield Done(step, None)
        except Refused as refused:
            in_a_row += 1
            yield Done(step, refused.said)
            if step.place is not None and step.thing != "dashboard":
                missing.add(step.place.folder)  # no dashboard into a folder that everybody may view
            if in_a_row == REFUSED_IN_A_ROW:
                raise Stopped(
                    f"dừng sau {in_a_row} lần bị từ chối liên tiếp; {refused.said.vi}",
                    f"stopped after {in_a_row} refusals in a row; {refused.said.en}",
                ) from None


def _take(grafana: Grafana, step: Step, found: Found) -> None:
    _TAKE[step.thing, step.action](grafana, step, found)


def _place(step: Step) -> Place:
    assert step.place is not None
    return step.place


def _make_team(grafana: Grafana, step: Step, found: Found) -> None:
    try:
        grafana.send("POST", "/api/teams", {"name": step.title})
    except Refused as refused:
        if refused.status != 409:  # taken: made by a run that did not hear the answer
            raise
    _know_team(grafana, step, found)


def _rename_team(grafana: Grafana, step: Step, found: Found) -> None:
    team = _team(grafana, step, found)
    grafana.send("PUT", f"/api/teams/{team.id}", {"name": step.title, "email": team.email})
    _know_team(grafana, step, found)


def _know_team(grafana: Grafana, step: Step, found: Found) -> None:
    teams = _teams(grafana, name=step.title)
    team = next((one for one in teams if one.get("name") == step.title and one.get("id")), None)
    if team is None:
        raise Refused(404, "", f"{step.title}: /api/teams/search không thấy / does not find it")
    place = _place(step)
    email = str(team.get("email") or "")
    found.teams[grafana_plan.TEAM_HEADS[place.by], place.id] = Team(int(team["id"]), step.title, email)


def _team(grafana: Grafana, step: Step, found: Found) -> Team:
    """With its number: newer searches leave it out, but for one name."""
    place = _place(step)
    key = grafana_plan.TEAM_HEADS[place.by], place.id
    if not found.teams[key].id:
        _know_team(grafana, step._replace(title=found.teams[key].name), found)
    return found.teams[key]


def _make_folder(grafana: Grafana, step: Step, _found: Found) -> None:
    try:
        grafana.send("POST", "/api/folders", {"uid": step.key, "title": step.title})
    except Refused as refused:
        if refused.status not in (409, 412) or grafana.found(f"/api/folders/{step.key}") is None:
            raise


def _rename_folder(grafana: Grafana, step: Step, _found: Found) -> None:
    _again_if_changed(
        lambda: grafana.send(
            "PUT",
            f"/api/folders/{step.key}",
            {"title": step.title, "version": grafana.object(f"/api/folders/{step.key}").get("version", 1)},
        )
    )


def _set_rights(grafana: Grafana, step: Step, found: Found) -> None:
    team = _team(grafana, step, found)
    items = grafana_plan.rights(grafana.objects(f"/api/folders/{step.key}/permissions"), team.id)
    grafana.send("POST", f"/api/folders/{step.key}/permissions", {"items": items})


def _make_dashboard(grafana: Grafana, step: Step, found: Found) -> None:
    try:
        _post(grafana, step, {})
    except Refused as refused:
        if refused.status not in (400, 409, 412):
            raise
        _update_dashboard(grafana, step, found)  # the search did not show it (yet), or it cannot be at all


def _update_dashboard(grafana: Grafana, step: Step, _found: Found) -> None:
    def save() -> None:
        there = grafana.found(f"/api/dashboards/uid/{step.key}")
        stored = (there or {}).get("dashboard") or {}
        if there is not None and COPY_TAG not in (stored.get("tags") or []):
            raise Refused(409, "", f"{step.key}: không phải bảng của lệnh này, thiếu thẻ / lacks the tag {COPY_TAG}")
        _post(grafana, step, {name: stored[name] for name in ("id", "version") if name in stored})

    _again_if_changed(save)


def _post(grafana: Grafana, step: Step, stored: Json) -> None:
    assert step.copy is not None
    told = {"dashboard": {**step.copy.body(), **stored}, "folderUid": _place(step).folder, "overwrite": False}
    grafana.send("POST", "/api/dashboards/db", told)


def _again_if_changed(change: Callable[[], object]) -> None:
    """Somebody changed it between our reading and our writing: read it once more."""
    try:
        change()
    except Refused as refused:
        if refused.reason != "version-mismatch":
            raise
        change()


def _delete_dashboard(grafana: Grafana, step: Step, _found: Found) -> None:
    grafana.send("DELETE", f"/api/dashboards/uid/{step.key}")


def _delete_folder(grafana: Grafana, step: Step, found: Found) -> None:
    """Only an empty one: Grafana would delete what others put there."""
    others = [
        one
        for one in _all(grafana, type="dash-db", folderUIDs=step.key)
        if one.get("folderUid") == step.key and str(one.get("uid")) not in found.copies
    ]
    if others:
        named = ", ".join(str(one.get("title"))[:60] for one in others[:3])
        raise Refused(409, "", f"còn bảng của người khác / others' dashboards are in it: {named}")
    grafana.send("DELETE", f"/api/folders/{step.key}", forceDeleteRules="false")


def _delete_team(grafana: Grafana, step: Step, _found: Found) -> None:
    for one in _teams(grafana, name=step.key):
        if one.get("name") == step.key and one.get("id"):
            grafana.send("DELETE", f"/api/teams/{int(one['id'])}")


_TAKE: Final[dict[tuple[str, str], Callable[[Grafana, Step, Found], None]]] = {
    ("team", "create"): _make_team,
    ("team", "rename"): _rename_team,
    ("team", "delete"): _delete_team,
    ("folder", "create"): _make_folder,
    ("folder", "rename"): _rename_folder,
    ("folder", "delete"): _delete_folder,
    ("rights", "set"): _set_rights,
    ("dashboard", "create"): _make_dashboard,
    ("dashboard", "update"): _update_dashboard,
    ("dashboard", "delete"): _delete_dashboard,
}
