"""An oracle's province in the product's database, and its promises as the product's targets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from io import BytesIO
from typing import Any

from sqlalchemy import Connection, Engine, Table, insert
from tests.oracle import asked as asking
from tests.oracle import provinces, told
from tests.oracle.calendars import DAY
from tests.oracle.month import LESSONS
from tests.oracle.provinces import MBIT, Province, School, Site

from schoolbeat_server import database, schema, summaries
from schoolbeat_server.evidence_pack import write_pack
from schoolbeat_server.indicators import INDICATORS
from schoolbeat_server.ledger import Ledger, pack_day
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import LessonHours, Place, Rule, SchoolCalendar
from schoolbeat_server.sums import SUMMED_TO, Sums, from_sums
from schoolbeat_server.targets import Condition, Filter, Plan, Target
from schoolbeat_server.verdicts import Verdict, collect, judge_plan, window_of
from schoolbeat_wire import inventory
from schoolbeat_wire.messages import Lesson

WORDS = Said("", "")
TABLES = (
    "speed_test", "asset", "device", "room", "room_need", "line", "shift", "latest", "inventory", "owner",
    "ledger_day", "summary", "kept_day", "kept_names", "inspection_word", "inspection", "site", "school_area", "school", "area", "meta",
)  # fmt: skip
WEEK = tuple(Lesson(*one) for one in LESSONS)


# ---- the register and the ledger -----------------------------------------------------------------------------


def register(engine: Engine, province: Province) -> SchoolCalendar:
    """In the place of whatever is there."""
    sites = [(school, site) for school in province.schools for site in school.sites]
    calendar = _calendar(province)
    with database.writing(engine) as connection:
        for name in TABLES:
            connection.execute(schema.metadata.tables[name].delete())
        for one in province.areas:  # a parent comes before its children
            row = {"id": one.id, "name": one.id, "kind": one.kind, "parent": one.parent}
            connection.execute(insert(schema.area).values(**row, valid_from=one.since, valid_to=one.until))
        _put(connection, schema.school, [_school(one) for one in province.schools])
        stays = [(school.id, stay) for school in province.schools for stay in school.stays]
        _put(
            connection,
            schema.school_area,
            [{"school": of, "area": stay[0], "valid_from": stay[1], "valid_to": stay[2]} for of, stay in stays],
        )
        _put(connection, schema.site, [_site(school, site) for school, site in sites])
        for _, site in sites:
            _fill(connection, site)
        _put(
            connection,
            schema.room_need,
            [
                {"kind": one.kind, "smart_level": one.level, "device_kind": one.device_kind, "count": one.count}
                for one in province.needs
            ],
        )
        _put(connection, schema.ledger_day, [row for _, site in sites for row in _days(province, site)])
        database.set_meta(connection, SUMMED_TO, str(max(province.summed_days, default=-1) + 1))
        told.tell(connection, sites)
        _inspect(connection, province)
        ledger = Ledger(engine)
        for number, (_, site) in enumerate(sites):
            if site.minutes and number % 3 == 0:
                for day in province.summed_days:
                    summaries.make_day(connection, ledger, calendar, site.id, day)
    return calendar


def _put(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _school(one: School) -> dict[str, Any]:
    told = {"id": one.id, "name": one.id, "area": one.area, "level": one.level, "manager": one.manager}
    return {**told, "founded": one.founded, "closed": one.closed}


def _site(school: School, one: Site) -> dict[str, Any]:
    told = {"id": one.id, "school": school.id, "name": one.id, "kind": "main" if one.main else "satellite"}
    return {**told, "tags": ",".join(sorted(one.tags)), "valid_from": one.since, "valid_to": one.until}


def _fill(connection: Connection, site: Site) -> None:
    mine = {"site": site.id}
    if site.heard:
        said = {"agent": "gateway", "minute": 1, "report_id": 1, "received_ms": 1}
        connection.execute(insert(schema.latest).values(**mine, **said))
    _put(connection, schema.inventory, [_inventory(site, at, told) for at, told in enumerate(site.told)])
    _put(
        connection,
        schema.owner,
        [{**mine, "signal": one, "from_minute": 0, "agent": "gateway"} for one in site.watched],
    )
    _put(
        connection,
        schema.shift,
        [{**mine, "shift": shift, "valid_from": since, "pupils": pupils} for shift, since, pupils in site.shifts],
    )
    _put(connection, schema.line, [_line(site, number, one) for number, one in enumerate(site.lines)])
    _put(
        connection,
        schema.room,
        [{**mine, "id": one.id, "name": one.id, "kind": one.kind, "smart_level": one.level} for one in site.rooms],
    )
    _put(
        connection,
        schema.device,
        [{**mine, "id": one.id, "kind": one.kind, "room": one.room, "serial": one.serial} for one in site.devices],
    )
    _put(connection, schema.asset, [{**mine, **_asset(one)} for one in site.assets])
    _put(
        connection,
        schema.speed_test,
        [
            {**mine, "minute": one.minute, "download_bps": one.down, "upload_bps": one.up, "ceiling": one.ceiling}
            for one in site.tests
        ],
    )


def _inspect(connection: Connection, province: Province) -> None:
    for one in province.inspections:
        words = {"inspector": "", "scope": "", "findings": "", "created_ms": 1, "who": "test"}
        told = {"id": one.id, "school": one.school, "site": one.site, "held_on": one.held_on, **words}
        kind = "digital" if one.digital else "on_site"
        digest = b"d" if one.frozen else None
        connection.execute(insert(schema.inspection).values(**told, kind=kind, digest=digest))
        if one.withdrawn:
            said = {"inspection": one.id, "kind": "withdrawn", "author": "", "text": "", "at_ms": 1, "who": "test"}
            connection.execute(insert(schema.inspection_word).values(**said))


def _line(site: Site, number: int, one: provinces.Line) -> dict[str, Any]:
    return {
        "id": f"{site.id}-l{number}",
        "site": site.id,
        "technology": one.technology,
        "contract_down_bps": None if one.down is None else one.down * MBIT,
        "contract_up_bps": None if one.up is None else one.up * MBIT,
        "role": "backup" if one.backup else "main",
        "ont": one.ont,
        "isp": one.isp,
        "contract_from": one.since,
        "contract_to": one.until,
    }


def _asset(one: provinces.Asset) -> dict[str, Any]:
    status = "disposed" if one.disposed else "in_use"
    told = {"code": one.code, "name": one.code, "serial": one.serial, "quantity": one.quantity}
    return {**told, "status": status, "device": one.device}


def _inventory(site: Site, at: int, told: Sequence[str]) -> dict[str, Any]:
    devices = [inventory.Device(one) for one in told]
    made = inventory.with_revision(inventory.Inventory("", ["line.internet"], devices=devices))
    row = {"site": site.id, "agent": "gateway", "revision": f"{made.revision}", "received_ms": at}
    return {**row, "payload": inventory.encode(made)}


def _days(province: Province, site: Site) -> list[dict[str, Any]]:
    """What lies outside the window was down, and must not count."""
    found = []
    if not site.minutes:
        return []
    for day in range(province.first // DAY, (province.end - 1) // DAY + 1):
        low, high = max(province.first, day * DAY), min(province.end, (day + 1) * DAY)
        before, after = bytes(low - day * DAY), bytes((day + 1) * DAY - high)
        rows = {
            signal: before + codes[low - province.first : high - province.first] + after
            for signal, codes in site.minutes.items()
        }
        found.append({"site": site.id, "day": day, "payload": pack_day(rows)})
    return found


def _calendar(province: Province) -> SchoolCalendar:
    if not province.has_calendar:
        return SchoolCalendar()
    rules = tuple(
        Rule("school", one.id, "closed", one.shut_day, one.shut_day + 1)
        for one in province.schools
        if one.shut_day is not None
    )
    places = {site.id: Place(site.id, school.id) for school in province.schools for site in school.sites}
    return SchoolCalendar(rules, places, LessonHours(WEEK))


# ---- judging -------------------------------------------------------------------------------------------------


def plan_of(asked: Sequence[asking.Promise]) -> Plan:
    boundaries = asked[0].boundaries
    day = None if boundaries is None else date.fromisoformat(boundaries)
    targets = tuple(_target(f"T{number}", one) for number, one in enumerate(asked))
    return Plan("p", WORDS, WORDS, "p.yaml", targets, boundaries=day)


def _target(ident: str, one: asking.Promise) -> Target:
    which = one.which
    return Target(
        id=ident,
        name=WORDS,
        clause=WORDS,
        quote=WORDS,
        unit=one.unit,  # type: ignore[arg-type]
        filter=Filter(
            which.areas, which.levels, which.managers, which.tags, which.sites, which.rooms, which.smart, which.kinds
        ),
        conditions=tuple(_condition(asks) for asks in one.asks),
        share=one.share,
        deadline=None,
        window_days=one.days,
        clock=one.clock,  # type: ignore[arg-type]
        min_coverage=one.coverage,
        off="down" if one.off_is_down else "left_out",
        lines=one.lines,  # type: ignore[arg-type]
        sites=one.sites,  # type: ignore[arg-type]
        devices=one.devices,  # type: ignore[arg-type]
        min_tests=one.tests,
        assumptions=(),
        count=one.count,
    )


def _condition(asks: asking.Asks) -> Condition:
    how = INDICATORS[asks.indicator].compares
    need: Fraction | None = asks.need
    return Condition(
        asks.indicator,
        "a",
        at_least=need if how == "at_least" else None,
        at_most=need if how == "at_most" else None,
        one_of=asks.words,
        of=asks.of,
        up_to=asks.most,
    )


def packed(engine: Engine, province: Province, calendar: SchoolCalendar, plan: Plan, target: Target) -> bytes:
    """The target's evidence pack."""
    out, ledger = BytesIO(), Ledger(engine)
    with engine.connect() as connection:

        def read(site: str, signal: str, first: int, end: int) -> bytes:
            return ledger.read(connection, site, [signal], first, end)[signal]

        write_pack(out, connection, plan, target, window_of(target, province.end), read, calendar)
    return out.getvalue()


def judged(engine: Engine, province: Province, calendar: SchoolCalendar, plan: Plan) -> list[Verdict]:
    """As the judge does it."""
    with engine.connect() as connection, engine.connect() as summed:
        source = from_sums(Sums(summed, Ledger(engine), calendar))
        evidence = collect(connection, source, plan, window_of(plan, province.end), None, calendar)
        return judge_plan(plan, evidence)
