"""A small province with everything that a dashboard asks for, reported by simulated agents and sent by the real queue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import insert, update
from tests.server.school import School
from tests.server.series_sending import Sending
from tests.server.test_proof import DAY, NOON

from schoolbeat_server import calendar_rows, issued, plans, schema
from schoolbeat_server.calendar_file import Document
from schoolbeat_server.database import writing
from schoolbeat_server.evidence import from_ledger
from schoolbeat_server.school_calendar import LessonTime, Rule, first_minute_of
from schoolbeat_server.settings import Series
from schoolbeat_server.targets import Plan
from schoolbeat_server.verdicts import ONE, Status, UnitVerdict, Verdict, collect, judge_plan, window_of
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import READINGS, RUNGS, UNKNOWN

HOURS = 4
DAYS = (DAY, DAY + 1, DAY + 2)
TODAY = DAYS[-1]
ODD = "FPT/CMC (Tây Bắc) 1.0"  # an ISP whose name means something to regular expressions
STATUSES: tuple[Status, ...] = ("met", "missed", "unknown")

THINGS = (  # id, kind, room, name
    ("ap-1", "access_point", None, "Điểm phát tầng 1"),
    ("board-1", "board", "p1", "Bảng phòng 1"),
    ("proj-1", "projector", "p2", "Máy chiếu phòng 2"),
    ("cam-1", "camera", None, "Camera cổng"),
    ("rec-1", "recorder", None, "Đầu ghi"),
    ("ont-1", "ont", None, "ONT"),
    ("sensor-1", "sensor", None, "Cảm biến tủ mạng"),
)
SIGNALS = [*RUNGS, "line.internet", "wifi.Hoc-sinh", "power.mains", *(f"device.{ident}" for ident, *_ in THINGS)]
LINE, HOST, MAINS, TEST = "line.internet", "host", "power.mains", "speed.do.example"
VALUES: tuple[tuple[str, float, tuple[str, ...]], ...] = (  # reading, about what, of which subjects
    ("rtt_ms", 12.5, RUNGS),
    ("loss_percent", 0.5, RUNGS),
    ("rx_bps", 40e6, (LINE,)),
    ("tx_bps", 6e6, (LINE,)),
    ("rx_quarter_bps", 61e6, (LINE,)),
    ("tx_quarter_bps", 9e6, (LINE,)),
    ("download_bps", 88e6, (TEST,)),
    ("upload_bps", 31e6, (TEST,)),
    ("clients", 17, ("device.ap-1",)),
    ("power_state", 1, ("device.board-1", "device.proj-1")),
    ("lamp_hours", 3_200, ("device.proj-1",)),
    ("filter_hours", 310, ("device.proj-1",)),
    ("on_hours", 4_100, ("device.proj-1", "device.board-1")),
    ("error_flags", 4, ("device.proj-1",)),
    ("clock_offset_seconds", -7.5, ("device.cam-1", "device.rec-1")),
    ("recording", 1, ("device.rec-1",)),
    ("storage_used_percent", 83.5, ("device.rec-1",)),
    ("disks_faulty", 1, ("device.rec-1",)),
    ("video_ms", 512.5, ("device.cam-1",)),
    ("open_stream", 1, ("device.cam-1",)),
    ("default_password", 0, ("device.cam-1",)),
    ("telnet_open", 1, ("device.cam-1",)),
    ("firmware_age_days", 900, ("device.cam-1",)),
    ("optical_rx_dbm", -24.5, ("device.ont-1",)),
    ("battery_percent", 91, (MAINS,)),
    ("battery_runtime_seconds", 1_800, (MAINS,)),
    ("load_percent", 41, (MAINS,)),
    ("input_volts", 223.5, (MAINS,)),
    ("on_battery", 0, (MAINS,)),
    ("battery_replace", 1, (MAINS,)),
    ("temperature_celsius", 61.5, (HOST, "device.sensor-1")),
    ("undervoltage", 0, (HOST,)),
    ("cpu_percent", 12.5, (HOST,)),
    ("memory_used_percent", 44, (HOST,)),
    ("disk_used_percent", 31, (HOST,)),
    ("run_count", 6, ("probe.path", "probe.snmp")),
    ("run_failures", 1, ("probe.snmp",)),
)
CODED = {"power_state", "recording", "disks_faulty", "open_stream", "default_password", "telnet_open", "on_battery"}
CODED |= {"battery_replace", "undervoltage", "error_flags"}


SCHOOLS = tuple(f"s{n}" for n in range(1, 9))
TESTED = SCHOOLS[5:]  # with little but speed tests: InfluxQL has the tenth of five and more
SPEEDS = tuple(one for one in VALUES if one[2] == (TEST,))


@dataclass
class Furnished(School):
    """A school with one of each thing, or with what is given. Its readings rise by a little every minute of seven."""

    has: tuple[tuple[str, float, tuple[str, ...]], ...] = VALUES

    def __post_init__(self) -> None:
        self.signals = list(SIGNALS if self.has is VALUES else RUNGS)
        self.inventory = inventories.with_revision(
            inventories.Inventory(
                revision="",
                signals=self.signals,
                columns=[inventories.Column(name, list(subjects)) for name, _, subjects in self.has],
                probes=["path", "snmp"],
                version="0.1.0",
            )
        )

    def rows(self, first_minute: int, signal_rows: list[bytes], off: Any = None) -> list[reports.MinuteRow]:
        return [
            replace_values(row, [self._values(name, about, subjects, row.minute) for name, about, subjects in self.has])
            for row in super().rows(first_minute, signal_rows, off)
        ]

    def _values(self, name: str, about: float, subjects: tuple[str, ...], minute: int) -> list[int | None]:
        scale = 10 ** READINGS[name].decimals
        rise = 0 if name in CODED else minute % 7
        return [round(about * scale) + rise * (place + 1) for place in range(len(subjects))]


def replace_values(row: reports.MinuteRow, values: list[list[int | None]]) -> reports.MinuteRow:
    return reports.MinuteRow(row.seq, row.minute, row.signals, values, off=row.off)


def hour(school: School) -> Iterator[bytes]:
    """Sixty minutes: the line cut, the mains lost, things that do not answer, and some minutes not known."""
    for at in range(60):
        down: dict[str, int] = {}
        if 10 <= at < 20:
            down |= {"line_isp": 0, "line_internet": 0, "line_domestic": UNKNOWN, "line_international": UNKNOWN}
        if 25 <= at < 30:
            down |= {"power_mains": 20, "device_board-1": 0, "device_proj-1": 0}
        if 32 <= at < 36:
            down |= {"wifi_Hoc-sinh": 0, "device_cam-1": 0, "device_rec-1": 30}
        known = {name: code for name, code in down.items() if name.replace("_", ".", 1) in school.signals}
        yield bytes([UNKNOWN]) * len(school.signals) if at in (40, 41) else school.signal_row(**known)


def furnish(engine: Any) -> None:
    """Two communes, eight schools, the first five each in another state, lines of two ISPs, rooms, lessons."""
    with writing(engine) as connection:
        connection.execute(
            insert(schema.area),
            [{"id": f"xa-{n}", "name": f"Xã Thử {n}", "kind": "commune", "parent": "p"} for n in (1, 2)],
        )
        for n in range(1, len(SCHOOLS) + 1):
            commune = f"xa-{1 + n % 2}"
            if n > 2:
                row = {"id": f"s{n}", "name": f"Trường s{n}", "area": commune, "level": "primary"}
                connection.execute(insert(schema.school), row)
                connection.execute(insert(schema.site), {"id": f"s{n}", "school": f"s{n}", "name": f"Điểm s{n}"})
                agent = {"site": f"s{n}", "name": "gateway", "password_hash": "", "created_ms": 0}
                connection.execute(insert(schema.agent), agent)
            connection.execute(update(schema.school).where(schema.school.c.id == f"s{n}").values(area=commune))
            place = {"latitude": 22.3 + n / 100, "longitude": 103.9 + n / 100}
            connection.execute(update(schema.site).where(schema.site.c.id == f"s{n}").values(**place))
            line = {
                "id": f"l{n}",
                "site": f"s{n}",
                "isp": ODD if n in (2, 4) else "VNPT",
                "technology": "fibre",
            }
            speeds = {"contract_down_bps": 100_000_000, "contract_up_bps": 50_000_000}
            connection.execute(insert(schema.line), line | speeds)
        rooms = [("p1", "Phòng 1", 1), ("p2", "Phòng 2", 2)]
        connection.execute(
            insert(schema.room),
            [{"id": i, "site": "s1", "name": name, "kind": "smart", "smart_level": level} for i, name, level in rooms],
        )
        needs = [("smart", 1, "board"), ("smart", 2, "projector")]
        connection.execute(
            insert(schema.room_need),
            [{"kind": kind, "smart_level": level, "device_kind": thing} for kind, level, thing in needs],
        )
        connection.execute(
            insert(schema.device),
            [
                {"site": site, "id": ident, "name": name, "kind": kind, "room": room if site == "s1" else None}
                for site in ("s1", "s3")
                for ident, kind, room, name in THINGS
            ],
        )
    lessons = Rule("province", "", "week", DAY - 40, DAY + 40, tuple(range(7)), (LessonTime(NOON, NOON + 200),))
    calendar_rows.store(
        engine, Document("tkb", frozenset([lessons]), ()), "x.yaml", who="test", why="thử", now_ms=DAY * 86_400_000
    )


def troubles(sending: Sending) -> None:
    """s2: a device at fault, s3: the line down, s4: contact lost, s5: never heard."""
    now_ms = sending.province.minute * 60_000
    opened = {"opened_ms": now_ms - 300_000, "since_ms": now_ms - 400_000}
    with writing(sending.engine) as connection:
        for site, scope, cause in (
            ("s2", "devices", "device.ap-1"),
            ("s3", "path", "line.isp"),
            ("s4", "path", "waiting"),
        ):
            row = {"site": site, "scope": scope, "cause": cause, "cause_opened": cause}
            connection.execute(insert(schema.incident), row | opened)
        connection.execute(schema.contact.delete())
        for site, lost in ((site, now_ms - 900_000 if site == "s4" else None) for site in SCHOOLS if site != "s5"):
            row = {"site": site, "session": lost is None, "heard_ms": now_ms - 1_000_000, "lost_ms": lost}
            connection.execute(insert(schema.contact), row)


def verdicts(sending: Sending, days: int = 2) -> None:
    """The shipped plan's targets over this register; each third unit met, missed, unknown."""
    (plan, *_) = plans.all_plans()
    ledger = sending.province.ingest.ledger
    with writing(sending.engine) as connection:

        def read(site: str, signal: str, first: int, end: int) -> bytes:
            return ledger.read(connection, site, [signal], first, end)[signal]

        for ago in range(days, 0, -1):
            end = first_minute_of(TODAY - ago + 1)

            def judging(plan: Plan, end_minute: int, _sites: frozenset[str] | None) -> list[Verdict]:
                evidence = collect(connection, from_ledger(read), plan, window_of(plan, end_minute))
                found = judge_plan(plan, evidence)
                return [
                    replace(one, units=tuple(_unit(unit, STATUSES[at % 3]) for at, unit in enumerate(one.units)))
                    for one in found
                ]

            rows = issued.issue(connection, [plan], end, end * 60_000, judging)
            issued.keep(connection, rows, 0)


def _unit(unit: UnitVerdict, status: Status) -> UnitVerdict:
    return replace(unit, status=status, counts=ONE[status], grade="proven" if status == "met" else "observed")


def sent(folder: Path, series: Series) -> Sending:
    """All of it in the store; it is the afternoon of the third day."""
    sending = Sending(folder, series, first_night=False)
    furnish(sending.engine)
    sending.store.close()
    sending.open()
    sending.province.night(DAY - 1)
    schools: list[School] = [Furnished("s1"), School("s2"), Furnished("s3"), School("s4")]
    schools += [Furnished(site, has=SPEEDS) for site in TESTED]
    late = []
    for day in DAYS:
        for at in range(HOURS):
            first = first_minute_of(day) + NOON + at * 60
            sending.province.minute = first + 61
            for school in schools:
                told = [] if school.seq else [school.inventory_message(), school.presence()]
                begins, codes = first, list(hour(school))
                if (day, at) == (TODAY, HOURS - 1):  # in the midst of an outage, which is told again when it is over
                    sending.province.take(school.report(school.rows(begins, codes[:15])), contact={school.site: 60})
                    sending.send()
                    begins, codes = begins + 15, codes[15:]
                report = school.report(school.rows(begins, codes))
                if school.site == "s1" and (day, at) == (DAY, HOURS - 1):
                    late.append(report)  # the day is told without it, and told again with it
                    continue
                sending.province.take(*told, report, contact={school.site: 60})
        if day < TODAY:
            if day > DAY:
                sending.province.take(*late)
            sending.province.night(day)
            sending.send()
    assert max(row.revision for row in sending.province.rows("s1")) == 2
    troubles(sending)
    verdicts(sending)
    for _ in range(12):  # minutes of the server's own health, and snapshots
        sending.send()
        sending.province.minute += 1
        sending.later(60)
    return sending
