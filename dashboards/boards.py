"""A dashboard as a value, and the JSON of one store and language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from dashboards.panels import SERVER, Heading, Making, Panel, placed
from dashboards.variables import Choice, variables
from schoolbeat_server.said import Said

SCHEMA: Final = 37  # Grafana 9.4's; later ones bring it up to theirs by themselves
TIME_ZONE: Final = "Asia/Ho_Chi_Minh"
TAG: Final = "schoolbeat"


@dataclass(frozen=True)
class Board:
    """name: of its file and in its uid. since: how much it shows at first. page: of the server's, beside it."""

    name: str
    title: Said
    about: Said
    choices: tuple[Choice, ...]
    parts: tuple[Panel | Heading, ...]
    since: str = "now-24h"
    page: str = "/"
    show_server: bool = False

    def uid(self, language: str) -> str:
        return f"schoolbeat-{self.name}-{language}"

    @property
    def panels(self) -> tuple[Panel, ...]:
        return tuple(part for part in self.parts if isinstance(part, Panel))


def made(board: Board, making: Making, server: str) -> dict[str, Any]:
    tag = f"{TAG}-{making.language}"
    return {
        "uid": board.uid(making.language),
        "title": making.say(board.title),
        "description": making.say(board.about),
        "tags": [TAG, tag],
        "timezone": TIME_ZONE,
        "weekStart": "monday",
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "5m",
        "time": {"from": board.since, "to": "now"},
        "timepicker": {},
        "annotations": {"list": []},
        "links": _links(board, tag, making),
        "templating": {"list": variables(board.choices, making, server, board.show_server)},
        "panels": placed(board.parts, making),
    }


def _links(board: Board, tag: str, making: Making) -> list[dict[str, Any]]:
    """The other dashboards with what is chosen here, and the server's page."""
    shared = {"icon": "external link", "tooltip": "", "includeVars": False, "keepTime": False, "tags": []}
    return [
        shared
        | {
            "type": "dashboards",
            "title": making.say(Said("Các bảng khác", "Other dashboards")),
            "tags": [tag],
            "asDropdown": True,
            "includeVars": True,
            "keepTime": True,
            "targetBlank": False,
            "url": "",
        },
        shared
        | {
            "type": "link",
            "title": making.say(Said("Trang của SchoolBeat", "SchoolBeat's page")),
            "url": f"{SERVER}{board.page}?lang={making.language}",
            "asDropdown": False,
            "targetBlank": True,
        },
    ]
