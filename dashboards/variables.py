"""The variables of dashboards: each offers only what fits the choice before it, by name, and keeps the id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from dashboards import influxql, metricsql
from dashboards.panels import STORES, Making
from dashboards.queries import PLACE, Where, chosen
from schoolbeat_server.said import Said

NAME_AND_ID: Final = r"/^(?<text>.+) \((?<value>[^()]+)\)$/"  # series_places.labelled
EVERYTHING: Final = ".*"
SERVER: Final = "http://127.0.0.1:8080"
ALPHABETICAL: Final = 5
WITH_THE_TIME: Final = 2  # asked again when the time is changed


@dataclass(frozen=True)
class Choice:
    """Values of a tag. field: one that every point of the measurement has. labelled: the tag says "name (id)"."""

    name: str
    title: Said
    measurement: str
    field: str
    tag: str
    where: tuple[Where, ...] = ()
    labelled: bool = False
    several: bool = True  # and all of them; else exactly one


AREA: Final = Choice("area", Said("Địa bàn", "Area"), "schoolbeat_site", "state", "area_label", (), True)
SCHOOL: Final = Choice(
    "school", Said("Trường", "School"), "schoolbeat_site", "state", "school_label", (chosen("area"),), True
)
ONE_SCHOOL: Final = Choice(
    "school", Said("Trường", "School"), "schoolbeat_site", "state", "school_label", (chosen("area"),), True, False
)
SITE: Final = Choice("site", Said("Điểm trường", "Site"), "schoolbeat_site", "state", "site_label", PLACE[:2], True)
ROOM: Final = Choice("room", Said("Phòng", "Room"), "schoolbeat_room", "needed", "label", PLACE, True)
ISP: Final = Choice("isp", Said("Nhà mạng", "ISP"), "schoolbeat_site", "state", "isp", (chosen("area"),))
PLAN: Final = Choice("plan", Said("Kế hoạch", "Plan"), "schoolbeat_target", "met", "plan")
TARGET: Final = Choice("target", Said("Chỉ tiêu", "Target"), "schoolbeat_target", "met", "target", (chosen("plan"),))


def query(choice: Choice, making: Making) -> str:
    if making.store == "influxdb":
        return influxql.tag_values(choice.measurement, choice.tag, choice.where)
    return metricsql.tag_values(choice.measurement, choice.field, choice.tag, choice.where)


def variables(choices: tuple[Choice, ...], making: Making, server: str, show_server: bool) -> list[dict[str, Any]]:
    return [
        _datasource(making),
        *(_choice(one, making) for one in choices),
        _server(making, server, show_server),
    ]


def _datasource(making: Making) -> dict[str, Any]:
    return {
        "type": "datasource",
        "name": "datasource",
        "label": making.say(Said("Nguồn dữ liệu", "Data source")),
        "query": STORES[making.store],
        "regex": "",
        "current": {"selected": True, "text": "SchoolBeat", "value": "schoolbeat"},
        "hide": 2,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "skipUrlSync": False,
    }


def _choice(choice: Choice, making: Making) -> dict[str, Any]:
    text = query(choice, making)
    told: dict[str, Any] = {
        "type": "query",
        "name": choice.name,
        "label": making.say(choice.title),
        "datasource": making.datasource,
        "definition": text,
        "query": text if making.store == "influxdb" else {"query": text, "refId": f"variable-{choice.name}"},
        "regex": NAME_AND_ID if choice.labelled else "",
        "refresh": WITH_THE_TIME,
        "sort": ALPHABETICAL,
        "hide": 0,
        "includeAll": choice.several,
        "multi": choice.several,
        "options": [],
        "skipUrlSync": False,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]} if choice.several else {},
    }
    return told | ({"allValue": EVERYTHING} if choice.several else {})


def _server(making: Making, server: str, show: bool) -> dict[str, Any]:
    return {
        "type": "textbox",
        "name": "server",
        "label": making.say(Said("Địa chỉ SchoolBeat", "SchoolBeat's address")),
        "description": making.say(Said("Trang của máy chủ mà các liên kết mở", "Whose pages the links open")),
        "query": server,
        "current": {"selected": True, "text": server, "value": server},
        "options": [{"selected": True, "text": server, "value": server}],
        "hide": 0 if show else 2,
        "skipUrlSync": False,
    }
