"""Found, declared and booked as tables: by area, by school, thing by thing, and what is on no record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple

from sqlalchemy import Connection, select

from schoolbeat_server import register, schema
from schoolbeat_server.evidence import Window
from schoolbeat_server.local_time import local
from schoolbeat_server.reconcile import STATE_WORDS, Holding, State, read_found, reconcile
from schoolbeat_server.register_areas import Boundaries, areas_on
from schoolbeat_server.register_values import School, Site
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import date_of, day_of, first_minute_of
from schoolbeat_server.sums import Sums
from schoolbeat_server.tables import Cell, Column, Table
from schoolbeat_wire.catalogue import device_kind

GHOST_DAYS: Final = 30
STATES: Final[tuple[State, ...]] = ("matched", "declared", "ghost", "unseen", "stranger")


@dataclass(frozen=True)
class Inventory:
    """holdings: by site, of the schools asked for. window: whole local days in which a ghost never answered."""

    schools: dict[str, School]
    sites: dict[str, Site]
    holdings: dict[str, list[Holding]]
    silent: frozenset[str]
    boundaries: Boundaries
    window: Window
    rooms: dict[str, str]


class Refused(ValueError):
    """There is no such school or area."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(vi)
        self.said = Said(vi, en)


def gather(connection: Connection, sums: Sums, now_ms: int, school: str = "", area: str = "") -> Inventory:
    """Of all schools, of one, or of those within an area of today. Raises Refused."""
    today = day_of(now_ms // 60_000)
    window = Window(first_minute_of(today - GHOST_DAYS), first_minute_of(today))
    bounds = areas_on(connection, local(now_ms).date().isoformat())
    province = register.read_province(connection)
    wanted = _wanted(province.schools, bounds, school, area)
    sites = {one.id: one for one in province.sites.values() if one.school in wanted}
    devices: dict[str, list[register.Device]] = {site: [] for site in sites}
    for device in register.read_devices(connection):
        if device.site in sites:
            devices[device.site].append(device)
    assets: dict[str, list[register.Asset]] = {site: [] for site in sites}
    for asset in register.read_assets(connection):
        if asset.site in sites:
            assets[asset.site].append(asset)
    found = read_found(connection)
    answered = _answered(sums, devices, window)
    heard = set(connection.scalars(select(schema.latest.c.site).distinct()))
    room = schema.room.c
    return Inventory(
        {one: province.schools[one] for one in sorted(wanted)},
        sites,
        {
            site: reconcile(site, found.get(site, ()), devices[site], assets[site], answered.get(site))
            for site in sorted(sites)
        },
        frozenset(sites) - heard,
        bounds,
        window,
        {row.id: row.name for row in connection.execute(select(room.id, room.name))},
    )


def _wanted(schools: dict[str, School], bounds: Boundaries, school: str, area: str) -> set[str]:
    if school and school not in schools:
        raise Refused(
            f"trường {school[:40]!r}: không có trong sổ đăng ký", f"school {school[:40]!r}: not in the register"
        )
    if area and area not in bounds.areas:
        raise Refused(
            f"địa bàn {area[:40]!r}: không có theo địa giới hôm nay", f"area {area[:40]!r}: there is none today"
        )
    found = {school} if school else set(bounds.area_of)
    return found & set(bounds.schools_within(area)) if area else found


def _answered(sums: Sums, devices: dict[str, list[register.Device]], window: Window) -> dict[str, dict[str, bool]]:
    """By site: whether each device that was asked at all answered for as much as a second."""
    asked = {site: tuple(one.signal for one in mine) for site, mine in devices.items() if mine}
    seconds = sums.read(asked, *window)
    found: dict[str, dict[str, bool]] = {}
    for site, mine in devices.items():
        for one in mine:
            told = seconds[site, one.signal].always
            if told.up + told.down:
                found.setdefault(site, {})[one.id] = told.up > 0
    return found


# ---- figures -----------------------------------------------------------------------------------------------


class Figures(NamedTuple):
    """Things: an asset row that stands for several counts as so many."""

    states: dict[State, int]
    duplicates: int
    sites: int
    silent: int

    @property
    def all(self) -> int:
        return sum(self.states.values())

    @property
    def recorded(self) -> int:
        return self.all - self.states["stranger"]


def figures(told: Inventory, sites: Iterable[str]) -> Figures:
    states: dict[State, int] = dict.fromkeys(STATES, 0)
    count = duplicates = silent = 0
    for site in sites:
        count += 1
        silent += site in told.silent
        for one in told.holdings[site]:
            states[one.state] += one.quantity
            duplicates += one.duplicate
    return Figures(states, duplicates, count, silent)


_FIGURES: Final = (
    Column("all", Said("Tất cả", "All"), "count"),
    Column("recorded", Said("Có hồ sơ số", "On digital record"), "count"),
    Column("share", Said("Tỷ lệ có hồ sơ", "Share on record"), "share"),
    Column("matched", Said("Khớp", "Matched"), "count", STATE_WORDS["matched"]),
    Column("declared", Said("Khai báo", "Declared"), "count", STATE_WORDS["declared"]),
    Column("ghost", Said("Vắng", "Ghosts"), "count", STATE_WORDS["ghost"]),
    Column("unseen", Said("Chỉ trong sổ tài sản", "Booked only"), "count", STATE_WORDS["unseen"]),
    Column("stranger", Said("Lạ", "Strangers"), "count", STATE_WORDS["stranger"]),
    Column("duplicates", Said("Trùng số máy", "Duplicates"), "count"),
    Column("sites", Said("Điểm trường", "Sites"), "count"),
    Column("silent", Said("Chưa từng báo", "Never reported"), "count"),
)
NOTE: Final = Said(
    f"Vắng: có hồ sơ, được hỏi, mà suốt {GHOST_DAYS} ngày không trả lời giây nào. Điểm trường chưa từng báo thì chưa"
    " biết có máy lạ hay không. Máy lạ mà tác tử chỉ đếm được thì không nằm trong đây.",
    f"Ghosts: on record, asked, and for {GHOST_DAYS} days not one second of an answer. Of a site that never reported it"
    " is not known whether it has strangers. Hosts that an agent can only count are not in here.",
)


def _cells(found: Figures) -> tuple[Cell, ...]:
    share = Fraction(found.recorded, found.all) if found.all else None
    return (
        found.all,
        found.recorded,
        share,
        *(found.states[state] for state in STATES),
        found.duplicates,
        found.sites,
        found.silent,
    )


# ---- tables ------------------------------------------------------------------------------------------------


def by_school(told: Inventory) -> Table:
    columns = (Column("school", Said("Trường", "School")), Column("area", Said("Địa bàn", "Area")), *_FIGURES)
    rows = []
    for ident, school in told.schools.items():
        sites = [site for site in told.holdings if told.sites[site].school == ident]
        rows.append((school.name, _area(told, ident), *_cells(figures(told, sites))))
    title = Said("Đối chiếu kiểm kê theo trường", "Inventory reconciliation by school")
    return Table("inventory-schools", title, columns, tuple(rows), note=NOTE)


def by_area(told: Inventory) -> Table:
    """Every area that has schools in it or under it, the wider ones first."""
    bounds = told.boundaries
    inside: dict[str, list[str]] = {}
    for site in told.holdings:
        for one in bounds.up(bounds.area_of.get(told.sites[site].school, "")):
            inside.setdefault(one.id, []).append(site)
    order = sorted(inside, key=lambda ident: (len(list(bounds.up(ident))), bounds.areas[ident].name, ident))
    rows = tuple((bounds.areas[ident].name, *_cells(figures(told, inside[ident]))) for ident in order)
    title = Said("Đối chiếu kiểm kê theo địa bàn", "Inventory reconciliation by area")
    return Table("inventory-areas", title, (Column("area", Said("Địa bàn", "Area")), *_FIGURES), rows, note=NOTE)


def _area(told: Inventory, school: str) -> str:
    area = told.boundaries.areas.get(told.boundaries.area_of.get(school, ""))
    return "" if area is None else area.name


_THINGS: Final = (
    Column("school", Said("Trường", "School")),
    Column("site", Said("Điểm trường", "Site")),
    Column("room", Said("Phòng", "Room")),
    Column("kind", Said("Loại", "Kind")),
    Column("name", Said("Tên", "Name")),
    Column("device", Said("Mã thiết bị", "Device")),
    Column("asset", Said("Mã tài sản", "Asset")),
    Column("quantity", Said("Số lượng", "Quantity"), "count"),
    Column("state", Said("Đối chiếu", "Reconciled")),
    Column("duplicate", Said("Trùng số máy", "Duplicate")),
    Column("from", Said("Không trả lời từ ngày", "No answer from"), "day"),
    Column("to", Said("đến ngày", "to"), "day"),
)
_NOT_ASKED: Final = Said("–", "–")


def things(told: Inventory) -> Table:
    title = Said("Từng thứ một: thấy, khai báo, sổ tài sản", "Thing by thing: found, declared, booked")
    return _things(told, "inventory-things", title, lambda one: True)


def missing(told: Inventory) -> Table:
    """What an agent knows and no record names: what to enter, school by school."""
    title = Said("Chưa có hồ sơ số, theo trường", "Not on digital record, by school")
    return _things(told, "inventory-missing", title, lambda one: not one.recorded)


def _things(told: Inventory, name: str, title: Said, wanted: Callable[[Holding], bool]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    links = []
    order = sorted(told.holdings, key=lambda site: (told.schools[told.sites[site].school].name, told.sites[site].name))
    first, last = (date_of(day_of(minute)) for minute in (told.window.first_minute, told.window.end_minute - 1))
    for site in order:
        school = told.schools[told.sites[site].school].name
        for one in told.holdings[site]:
            if wanted(one):
                days: Sequence[Cell] = (first, last) if one.state == "ghost" else (_NOT_ASKED, _NOT_ASKED)
                rows.append(
                    (
                        school,
                        told.sites[site].name,
                        told.rooms.get(one.room, one.room),
                        _kind(one.kind),
                        one.name,
                        one.device,
                        one.asset,
                        one.quantity,
                        STATE_WORDS[one.state],
                        Said("có", "yes") if one.duplicate else Said("không", "no"),
                        *days,
                    )
                )
                links.append(f"/site/{site}")
    return Table(name, title, _THINGS, tuple(rows), tuple(links), NOTE)


def _kind(kind: str) -> Said:
    found = device_kind(kind)
    return Said(found.vi, found.en)


TABLES: Final[dict[str, Callable[[Inventory], Table]]] = {
    "schools": by_school,
    "areas": by_area,
    "things": things,
    "missing": missing,
}
