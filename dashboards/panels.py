"""Panels as values, and the JSON that Grafana 9.4 and later reads of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from dashboards import influxql, look, metricsql
from dashboards.look import Look
from dashboards.queries import MONTH, NOW, WEEK, Query, Rows
from schoolbeat_server.said import Said
from schoolbeat_server.series_catalogue import MEASUREMENTS

Store = Literal["influxdb", "victoriametrics"]
Kind = Literal["stat", "bars", "chart", "daily", "timeline", "table", "map"]

STORES: Final[dict[Store, str]] = {"influxdb": "influxdb", "victoriametrics": "prometheus"}  # -> the data source's type
TYPES: Final[dict[Kind, str]] = {
    "stat": "stat",
    "bars": "bargauge",
    "chart": "timeseries",
    "daily": "timeseries",
    "timeline": "state-timeline",
    "table": "table",
    "map": "geomap",
}
LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
COLUMNS: Final[dict[str, Said]] = {
    "area": Said("Mã địa bàn", "Area id"),
    "area_label": Said("Địa bàn", "Area"),
    "school": Said("Mã trường", "School id"),
    "school_label": Said("Trường", "School"),
    "site": Said("Mã điểm trường", "Site id"),
    "site_label": Said("Điểm trường", "Site"),
    "room": Said("Mã phòng", "Room id"),
    "label": Said("Tên", "Name"),
    "kind": Said("Loại", "Kind"),
    "level": Said("Mức", "Level"),
    "isp": Said("Nhà mạng", "ISP"),
    "technology": Said("Công nghệ", "Technology"),
    "signal": Said("Tín hiệu", "Signal"),
    "subject": Said("Đối tượng", "Subject"),
    "plan": Said("Kế hoạch", "Plan"),
    "target": Said("Chỉ tiêu", "Target"),
    "unit": Said("Đơn vị", "Unit"),
    "agent": Said("Tác tử", "Agent"),
    "role": Said("Vai trò", "Role"),
    "version": Said("Phiên bản", "Version"),
    "server": Said("Máy chủ", "Server"),
    "clock": Said("Đồng hồ", "Clock"),
}
BEGAN: Final = Said("Bắt đầu", "Began")
SERVER: Final = "${server:raw}"
KEPT: Final = "${datasource:queryparam}&${server:queryparam}&${__url_time_range}"
NOTHING: Final = Said("không có", "none")


class Link(NamedTuple):
    """On the values of a column (or of the whole panel where column is ""). url: {language} is filled in."""

    column: str
    title: Said
    url: str


def server_link(column: str, path: str) -> Link:
    return Link(
        column,
        Said("Trang của SchoolBeat", "SchoolBeat's page"),
        f"{SERVER}{path}{'&' if '?' in path else '?'}lang={{language}}",
    )


def board_link(column: str, board: str, title: Said, **variables: str) -> Link:
    told = "".join(f"&var-{name}={value}" for name, value in variables.items())
    return Link(column, title, f"/d/schoolbeat-{board}-{{language}}?{KEPT}{told}")


def of_row(tag: str) -> str:
    return f"${{__data.fields.{tag}}}"


SITE_PAGE: Final = server_link("site", f"/site/{of_row('site')}")
SCHOOL_PAGE: Final = server_link("school", f"/school/{of_row('school')}")
SCHOOL_BOARD: Final = board_link(
    "school",
    "school",
    Said("Bảng của trường", "The school's dashboard"),
    area="$__all",
    school=of_row("school"),
    site="$__all",
)
TARGET_PAGE: Final = server_link("target", f"/plans/{of_row('plan')}/{of_row('target')}")


@dataclass(frozen=True)
class Panel:
    """about: what it shows, then what to do. looks: of each query (one for all if only one is given)."""

    kind: Kind
    title: Said
    about: Said
    queries: tuple[Query | Rows, ...]
    looks: tuple[Look, ...] = (look.AS_TOLD,)
    width: int = 12
    height: int = 8
    links: tuple[Link, ...] = ()
    sort: tuple[str, bool] | None = None  # of a table: by which column (a tag or a query's English name), falling?
    step: str = "1m"  # the finest that the points allow
    stacked: bool = False

    def look_of(self, index: int) -> Look:
        return self.looks[index if len(self.looks) > 1 else 0]


@dataclass(frozen=True)
class Heading:
    title: Said


@dataclass(frozen=True)
class Making:
    """What the JSON is made for."""

    store: Store
    language: str

    @property
    def datasource(self) -> dict[str, str]:
        return {"type": STORES[self.store], "uid": "${datasource}"}

    def say(self, said: Said) -> str:
        return said.to(self.language)


def heading(one: Heading, place: dict[str, int], making: Making) -> dict[str, Any]:
    return {"type": "row", "title": making.say(one.title), "collapsed": False, "gridPos": place, "panels": []}


def panel(one: Panel, place: dict[str, int], making: Making) -> dict[str, Any]:
    # Where columns or curves look each its own way, none is the others' default: words would be put on tags, too.
    apart = is_table(one) or len(one.looks) > 1
    defaults = look.settings(look.PLAINLY if apart else _look_of(one, 0), making.language)
    if one.kind in ("chart", "daily"):
        defaults["color"] = {"mode": "palette-classic"}
    defaults["noValue"] = making.say(NOTHING)
    defaults["custom"] = _custom(one)
    wide = [link for link in one.links if not link.column]
    if wide:
        defaults["links"] = [_link(link, making) for link in wide]
    told: dict[str, Any] = {
        "type": TYPES[one.kind],
        "title": making.say(one.title),
        "description": making.say(one.about),
        "datasource": making.datasource,
        "gridPos": place,
        "targets": targets(one, making),
        "fieldConfig": {"defaults": defaults, "overrides": overrides(one, making)},
        "options": _options(one, making),
        "interval": one.step,
        "transformations": transformations(one, making),
    }
    window = time_from(one)
    if window:
        told["timeFrom"] = window
    if isinstance(one.queries[0], Rows):
        told["maxDataPoints"] = 10_000
    return told


def time_from(one: Panel) -> str:
    """Panels of the last 30 days, of the newest verdicts or of now are so whatever time is chosen."""
    if one.kind == "daily":
        return MONTH
    pers = {query.per for query in one.queries if isinstance(query, Query)}
    times = pers - {"now"} or pers  # what is of now is so beside everything
    assert len(times) <= 1, f"{one.title.en}: {times}: one panel, one time"
    return {"month": MONTH, "week": WEEK, "now": NOW}.get(times.pop(), "") if times else ""


# ---- what is asked -----------------------------------------------------------------------------------------


def targets(one: Panel, making: Making) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    for letter, query in zip(LETTERS, one.queries, strict=False):
        asked = _influx(one, query, letter, making) if making.store == "influxdb" else _victoria(one, query, making)
        told += asked
    return [
        {"refId": letter, "datasource": making.datasource} | one for letter, one in zip(LETTERS, told, strict=False)
    ]


def _influx(one: Panel, query: Query | Rows, letter: str, making: Making) -> list[dict[str, Any]]:
    table = is_table(one)
    column = f"v{letter}" if table else "v"
    text = influxql.render_rows(query) if isinstance(query, Rows) else influxql.render(query, column)
    told: dict[str, Any] = {"rawQuery": True, "query": text, "resultFormat": "table" if table else "time_series"}
    if not table and isinstance(query, Query):
        told["alias"] = legend(one, query, making)
    return [told]


def _victoria(one: Panel, query: Query | Rows, making: Making) -> list[dict[str, Any]]:
    table = is_table(one)
    steps = isinstance(query, Rows) or query.per in ("interval", "day")
    told: dict[str, Any] = {"editorMode": "code", "instant": not steps, "range": steps, "interval": one.step}
    told["format"] = "table" if table else "time_series"
    if isinstance(query, Rows):
        return [told | {"expr": text} for text in metricsql.render_rows(query)]
    return [told | {"expr": metricsql.render(query), "legendFormat": legend(one, query, making)}]


def is_table(one: Panel) -> bool:
    return one.kind in ("table", "map")


def legend(one: Panel, query: Query, making: Making) -> str:
    """The name of a curve: the query's where there are several, then the tags."""
    tag = influxql.alias if making.store == "influxdb" else metricsql.alias
    parts = [tag(name) for name in query.shown]
    named = [making.say(query.name)] if len(one.queries) > 1 or not parts else []
    return " · ".join(named + parts)


# ---- tables ------------------------------------------------------------------------------------------------


def columns(one: Panel, making: Making) -> dict[str, str]:
    """Column as the store names it -> as people read it, in the order in which they stand."""
    first = one.queries[0]
    if isinstance(first, Rows):
        shown = {"Time": making.say(BEGAN)} if making.store == "influxdb" else {"Value #A": making.say(BEGAN)}
        shown |= {tag: making.say(COLUMNS[tag]) for tag in first.by}
        for index, (name, said, _) in enumerate(first.fields):
            shown[name if making.store == "influxdb" else f"Value #{LETTERS[index + 1]}"] = making.say(said)
        return shown
    tags = dict.fromkeys(tag for query in one.queries if isinstance(query, Query) for tag in query.by)
    ordered = sorted(tags, key=lambda tag: (not tag.endswith("label"), list(COLUMNS).index(tag)))
    shown = {tag: making.say(COLUMNS[tag]) for tag in ordered}
    for letter, query in zip(LETTERS, one.queries, strict=False):
        assert isinstance(query, Query)
        shown[f"Value #{letter}" if making.store == "victoriametrics" else f"v{letter}"] = making.say(query.name)
    return shown


def transformations(one: Panel, making: Making) -> list[dict[str, Any]]:
    if not is_table(one):
        return []
    shown = columns(one, making)
    events = isinstance(one.queries[0], Rows)
    without = {"id": "filterFieldsByName", "options": {"exclude": {"names": ["Time"]}}}
    merged = {"id": "merge", "options": {}}
    names = dict(shown)
    if making.store == "victoriametrics" and not events:
        names["Value"] = names["Value #A"]  # as it is named where no other query found anything
    order = {name: index for index, name in enumerate(names)}
    organized = {"id": "organize", "options": {"excludeByName": {}, "indexByName": order, "renameByName": names}}
    if events and making.store == "influxdb":
        return [organized]
    if events:
        organized["options"] = {**organized["options"], "excludeByName": {"Time": True}}  # type: ignore[dict-item]
        return [merged, organized]
    return [without, merged, organized]


# ---- looks -------------------------------------------------------------------------------------------------


def _look_of(one: Panel, index: int) -> Look:
    query = one.queries[index]
    return look.of_field(one.look_of(index), query.field if isinstance(query, Query) else None)


def overrides(one: Panel, making: Making) -> list[dict[str, Any]]:
    told = [_override(name, properties) for name, properties in _looks(one, making)] + _strokes(one)
    for column in dict.fromkeys(link.column for link in one.links if link.column):
        links = [_link(link, making) for link in one.links if link.column == column]
        told.append(_override(making.say(COLUMNS[column]), {"links": links}))
    return told


def _override(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    listed = [{"id": ident, "value": value} for ident, value in properties.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": listed}


def _strokes(one: Panel) -> list[dict[str, Any]]:
    """Curves of several queries; by colour, too, where no tag makes many of one."""
    if one.kind not in ("chart", "daily") or one.stacked or len(one.queries) < 2:
        return []
    tagged = any(query.shown for query in one.queries if isinstance(query, Query))
    told = []
    for letter, stroke, colour in zip(LETTERS[: len(one.queries)], look.STROKES, look.CURVES, strict=False):
        properties: list[dict[str, Any]] = [{"id": "custom.lineStyle", "value": stroke}]
        if not tagged:
            properties.append({"id": "color", "value": {"mode": "fixed", "fixedColor": colour}})
        told.append({"matcher": {"id": "byFrameRefID", "options": letter}, "properties": properties})
    return told


def _looks(one: Panel, making: Making) -> list[tuple[str, dict[str, Any]]]:
    first = one.queries[0]
    if isinstance(first, Rows):
        fields = MEASUREMENTS[first.measurement].fields
        looks = [look.of_field(one.look_of(index), fields[name]) for index, (name, _, _) in enumerate(first.fields)]
        named = [(making.say(BEGAN), look.MOMENT)]
        named += [(making.say(said), seen) for (_, said, _), seen in zip(first.fields, looks, strict=True)]
    elif is_table(one) or (
        len(one.looks) > 1 and all(not query.shown for query in one.queries if isinstance(query, Query))
    ):
        named = [
            (making.say(query.name), _look_of(one, index))
            for index, query in enumerate(one.queries)
            if isinstance(query, Query)
        ]
    else:
        return []
    return [(name, _properties(seen, one, making)) for name, seen in named]


def _properties(seen: Look, one: Panel, making: Making) -> dict[str, Any]:
    told = look.settings(seen, making.language)
    if one.kind in ("chart", "daily"):
        told["color"] = {"mode": "palette-classic"}
    elif one.kind == "table" and (seen.words or len(seen.steps) > 1):
        told["custom.displayMode"] = "color-text"  # Grafana 9.4
        told["custom.cellOptions"] = {"type": "color-text"}
    return told


def _link(link: Link, making: Making) -> dict[str, Any]:
    url = link.url.replace("{language}", making.language)
    return {"title": making.say(link.title), "url": url, "targetBlank": link.url.startswith(SERVER)}


def _custom(one: Panel) -> dict[str, Any]:
    if one.kind == "chart":
        return {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 60 if one.stacked else 0,
            "showPoints": "auto",
            "spanNulls": False,
            "stacking": {"mode": "normal" if one.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if len(one.looks[0].steps) > 1 else "off"},
        }
    if one.kind == "daily":
        return {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 0,
            "showPoints": "always",
            "pointSize": 6,
            "spanNulls": 90_000_000,
        }  # over a day that is there; a missing day is a gap
    if one.kind == "timeline":
        return {"lineWidth": 0, "fillOpacity": 85, "spanNulls": False}
    if one.kind == "table":
        return {"align": "auto", "filterable": True}
    return {}


def _options(one: Panel, making: Making) -> dict[str, Any]:
    reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    if one.kind == "stat":
        return {
            "reduceOptions": reduced,
            "colorMode": "value",
            "graphMode": "none",
            "textMode": "auto",
            "justifyMode": "auto",
            "orientation": "auto",
        }
    if one.kind == "bars":
        return {"reduceOptions": reduced, "displayMode": "basic", "orientation": "horizontal", "showUnfilled": True}
    if one.kind == "timeline":
        return {
            "showValue": "auto",
            "mergeValues": True,
            "alignValue": "left",
            "rowHeight": 0.9,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "single", "sort": "none"},
        }
    if one.kind == "table":
        return {"showHeader": True, "cellHeight": "sm", "sortBy": _sorted(one, making)}
    if one.kind == "map":
        return _map(one, making)
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "none"},
    }


def _sorted(one: Panel, making: Making) -> list[dict[str, Any]]:
    if one.sort is None:
        return []
    name, falling = one.sort
    return [{"displayName": making.say(_column(one, name)), "desc": falling}]


def _column(one: Panel, name: str) -> Said:
    if name in COLUMNS:
        return COLUMNS[name]
    first = one.queries[0]
    named = (
        [said for _, said, _ in first.fields]
        if isinstance(first, Rows)
        else [q.name for q in one.queries if isinstance(q, Query)]
    )
    return next(said for said in [BEGAN, *named] if said.en == name)


def _map(one: Panel, making: Making) -> dict[str, Any]:
    """Queries in this order: state, latitude, longitude."""
    state, latitude, longitude = (making.say(query.name) for query in one.queries[:3] if isinstance(query, Query))
    layer = {
        "type": "markers",
        "name": making.say(one.title),
        "location": {"mode": "coords", "latitude": latitude, "longitude": longitude},
        "config": {
            "showLegend": True,
            "style": {
                "color": {"field": state, "fixed": look.UNKNOWN},
                "opacity": 0.9,
                "size": {"fixed": 6, "min": 2, "max": 15},
                "symbol": {"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
            },
        },
        "tooltip": True,
    }
    return {
        "view": {"id": "fit", "lat": 0, "lon": 0, "zoom": 8, "allLayers": True},
        "basemap": {"type": "default", "name": "Layer 0", "config": {}},
        "controls": {
            "showZoom": True,
            "mouseWheelZoom": True,
            "showAttribution": True,
            "showScale": False,
            "showDebug": False,
            "showMeasure": False,
        },
        "tooltip": {"mode": "details"},
        "layers": [layer],
    }


def placed(parts: Sequence[Panel | Heading], making: Making) -> list[dict[str, Any]]:
    """From left to right, then the next line; a heading begins a line of its own."""
    told: list[dict[str, Any]] = []
    x = y = tallest = 0
    for part in parts:
        width, height = (24, 1) if isinstance(part, Heading) else (part.width, part.height)
        if x + width > 24:
            x, y, tallest = 0, y + tallest, 0
        place = {"x": x, "y": y, "w": width, "h": height}
        told.append(heading(part, place, making) if isinstance(part, Heading) else panel(part, place, making))
        x, tallest = x + width, max(tallest, height)
    return [{"id": ident} | one for ident, one in enumerate(told, start=1)]
