"""A province made up for the tests of pages and API: a real database, a real ledger, real verdicts, no broker."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert

from schoolbeat_server import plans, schema, verdicts
from schoolbeat_server.database import open_database, writing
from schoolbeat_server.evidence import from_ledger
from schoolbeat_server.ledger import Ledger
from schoolbeat_server.notice_texts import compose
from schoolbeat_server.verdicts import Verdict
from schoolbeat_server.web.live import LiveFeed
from schoolbeat_server.web.server_view import WebContext
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import RUNGS, UNKNOWN
from schoolbeat_wire.inventory import Column, Device, Inventory, with_revision
from schoolbeat_wire.report import MinuteRow

NOW_MS = 1_795_275_930_000  # 22:45:30 on 21 November 2026 in Viet Nam
NOW_MINUTE = NOW_MS // 60_000
DAY = 1_440
ISPS = ("Viettel", "VNPT", "FPT")
LEVELS = (("primary", "Tiểu học"), ("lower_secondary", "THCS"), ("preschool", "Mầm non"), ("upper_secondary", "THPT"))
PLACES = ("Suối Mây", "Nà Sương", "Bản Gió", "Phìn Hoa", "Mường Trúc", "Pha Nắng", "Tả Thông", "Nậm Ngần", "Khe Chàm")
DEVICES = (
    [Device("sw-1", "Bộ chuyển mạch chính", "switch")]
    + [Device(f"ap-{n}", f"Bộ phát Wi-Fi dãy {n}", "access_point", "", "device.sw-1") for n in (1, 2, 3)]
    + [Device(f"board-{n}", f"Bảng tương tác phòng {n}", "board", f"Phòng {n}", "device.ap-1") for n in range(1, 9)]
    + [Device(f"cam-{n}", f"Camera hành lang {n}", "camera", "", "device.sw-1") for n in range(1, 7)]
)
SIGNALS = [*RUNGS, "line.internet", "service.csdl", *(f"device.{device.id}" for device in DEVICES)]
INVENTORY = with_revision(
    Inventory(
        revision="",
        signals=SIGNALS,
        columns=[
            Column("rtt_ms", list(RUNGS)),
            Column("loss_percent", list(RUNGS)),
            Column("uptime_seconds", ["host"]),
            Column("disk_free_bytes", ["host"]),
            Column("download_bps", ["line.internet"], sparse=True),
        ],
        probes=["path", "dns"],
        devices=list(DEVICES),
        version="0.1.0",
    )
)


@dataclass(frozen=True)
class Made:
    """site ids by what is the matter with them."""

    engine: Engine
    ledger: Ledger
    sites: list[str]
    silent: str
    lost: str
    down: str
    faulty: str
    cut: str


def make(path: Path, schools: int, *, detailed: Sequence[int] = (0, 1, 2, 3, 4)) -> Made:
    """Every fourth school has a satellite site. `detailed` schools have minutes, readings and devices."""
    engine = open_database(path)
    ledger = Ledger(engine)
    rng = random.Random(7)
    sites: list[dict[str, Any]] = []
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in ("area", "school", "line", "contact", "latest")}
    rows["area"].append({"id": "lc", "name": "Tỉnh Lào Cai", "kind": "province", "parent": None})
    rows["area"] += [
        {"id": f"xa-{n}", "name": f"Xã {place}", "kind": "commune", "parent": "lc"} for n, place in enumerate(PLACES)
    ]
    for n in range(schools):
        level, word = LEVELS[n // len(PLACES) % len(LEVELS)]
        name = f"Trường {word} {PLACES[n % len(PLACES)]}" + (f" {n // 36 + 1}" if n >= 36 else "")
        rows["school"].append({"id": f"t{n}", "name": name, "area": f"xa-{n % len(PLACES)}", "level": level})
        sites.append({"id": f"t{n}", "school": f"t{n}", "name": "Điểm trường chính", "kind": "main"})
        if n % 4 == 3:
            sites.append({"id": f"t{n}-b", "school": f"t{n}", "name": "Điểm trường Bản Sáng", "kind": "satellite"})
    for site in sites:
        fibre = rng.random() < 0.93
        rows["line"].append(
            {
                "id": f"{site['id']}-1",
                "site": site["id"],
                "isp": rng.choice(ISPS),
                "technology": "fibre" if fibre else "mobile",
                "contract_down_bps": rng.choice((100, 150, 200)) * 1_000_000 if fibre else 30_000_000,
                "contract_up_bps": 50_000_000,
            }
        )
    ids = [site["id"] for site in sites]
    silent, lost, down, faulty, cut = ids[-1], "t1", "t2", "t0", "t3"
    heard = [ident for ident in ids if ident != silent]
    for ident in heard:
        rows["contact"].append(_contact(ident, NOW_MS - 754_000 if ident == lost else None))
    with writing(engine) as connection:
        connection.execute(insert(schema.area), rows["area"])
        connection.execute(insert(schema.school), rows["school"])
        connection.execute(insert(schema.site), sites)
        connection.execute(insert(schema.line), rows["line"])
        connection.execute(insert(schema.contact), rows["contact"])
        connection.execute(
            insert(schema.service).values(id="csdl", name="CSDL ngành giáo dục", url="https://csdl.example")
        )
        connection.execute(
            insert(schema.agent),
            [{"site": one, "name": "gw", "password_hash": "x", "created_ms": 0, "simulated": True} for one in ids],
        )
        connection.execute(insert(schema.latest), [_latest(one, one == lost) for one in heard])
        connection.execute(insert(schema.device), [_device(f"t{n}", one) for n in detailed for one in DEVICES])
        connection.execute(insert(schema.report), _report(1))
        connection.execute(
            insert(schema.inventory),
            [
                {
                    "site": f"t{n}",
                    "agent": "gw",
                    "revision": INVENTORY.revision,
                    "received_ms": NOW_MS,
                    "payload": inventories.encode(INVENTORY),
                }
                for n in detailed
            ],
        )
        connection.execute(insert(schema.report), [_report(2 + n) | {"site": f"t{n}"} for n in detailed])
        for n in detailed:
            connection.execute(schema.latest.update().where(schema.latest.c.site == f"t{n}").values(report_id=2 + n))
        speeds = [
            {
                "site": one,
                "minute": NOW_MINUTE - 300 - day * DAY,
                "download_bps": 14_200_000 + day,
                "upload_bps": 9_000_000,
            }
            for one in ids
            if one.endswith("-b") and one != silent
            for day in range(7)
        ]
        if speeds:
            connection.execute(insert(schema.speed_test), speeds)
        _incidents(connection, rng, lost, down, faulty, cut)
    for n in detailed:
        _minutes(ledger, f"t{n}", {lost: "lost", down: "down", faulty: "faulty", cut: "cut"}.get(f"t{n}", ""))
    return Made(engine, ledger, ids, silent, lost, down, faulty, cut)


def _contact(site: str, lost_ms: int | None) -> dict[str, Any]:
    return {"site": site, "session": lost_ms is None, "heard_ms": NOW_MS - 20_000, "lost_ms": lost_ms}


def _latest(site: str, lost: bool) -> dict[str, Any]:
    behind = 13 if lost else 1
    return {
        "site": site,
        "agent": "gw",
        "minute": NOW_MINUTE - behind,
        "report_id": 1,
        "received_ms": NOW_MS - behind * 60_000 + 25_000,
    }


def _device(site: str, device: Device) -> dict[str, Any]:
    return {"site": site, "id": device.id, "name": device.name, "kind": device.kind, "behind": device.behind}


def _report(ident: int) -> dict[str, Any]:
    row = MinuteRow(
        seq=5,
        minute=NOW_MINUTE - 1,
        signals=bytes([60] * len(SIGNALS)),
        values=[[84, 310, 1_212, 5_233], [0, 0, 5, 12], [912_345], [21 * 2**30], [94_512_000]],
    )
    packed = reports.pack("0123456789abcdef", INVENTORY.revision, [row], INVENTORY)
    return {
        "id": ident,
        "site": "t0",
        "agent": "gw",
        "epoch": "0123456789abcdef",
        "seq": 5,
        "count": 1,
        "revision": INVENTORY.revision,
        "first_minute": row.minute,
        "last_minute": row.minute,
        "received_ms": NOW_MS - 35_000,
        "placed": True,
        "payload": reports.encode(packed),
    }


def _incidents(connection: Any, rng: random.Random, lost: str, down: str, faulty: str, cut: str) -> None:
    told: list[tuple[str, str, str, int, int | None]] = [
        (cut, "path", "line.isp", NOW_MS - 9 * 3_600_000, NOW_MS - 9 * 3_600_000 + 1_725_000),
        (faulty, "devices", "device.ap-1", NOW_MS - 47 * 60_000, None),
        (down, "path", "line.domestic", NOW_MS - 18 * 60_000, None),
        (lost, "path", "waiting", NOW_MS - 754_000, None),
    ]
    for place, (site, scope, cause, since_ms, until_ms) in enumerate(told, 1):
        connection.execute(
            insert(schema.incident).values(
                id=place,
                site=site,
                scope=scope,
                opened_ms=since_ms + 130_000,
                since_ms=since_ms,
                closed_ms=until_ms,
                until_ms=until_ms,
                cause_opened=cause,
                cause=cause,
            )
        )
        for kind in ("open", "close"):
            if kind == "close" and until_ms is None:
                continue
            title, body = compose(
                "open" if kind == "open" else "close",
                "Điểm trường chính",
                f"Trường Tiểu học {PLACES[int(site[1:])]}",
                scope,
                cause,
                since_ms,
                until_ms if kind == "close" else None,
                {"isp": rng.choice(ISPS), "names": {"device.ap-1": "Bộ phát Wi-Fi dãy 1"}},
                "vi",
            )
            made_ms = (until_ms or 0) + 5_000 if kind == "close" else since_ms + 130_000
            for channel in ("email-so", "webhook"):
                connection.execute(
                    insert(schema.notice).values(
                        incident=place,
                        kind=kind,
                        channel=channel,
                        title=title,
                        body=body,
                        created_ms=made_ms,
                        next_try_ms=made_ms + 64_000,
                        **_delivery(site, lost, channel, made_ms),
                    )
                )
    connection.execute(
        insert(schema.outage),
        [
            {
                "site": site,
                "signal": signal,
                "first_minute": NOW_MINUTE - first,
                "last_minute": NOW_MINUTE - last,
                "end_minute": end and NOW_MINUTE - end,
                "down_seconds": seconds,
                "cause": cause,
            }
            for site, signal, first, last, end, seconds, cause in (
                (cut, "line.isp", 540, 512, 511, 1_725, "line.isp"),
                (cut, "line.internet", 540, 512, 511, 1_725, "line.isp"),
                (faulty, "device.ap-1", 47, 1, None, 2_790, "device.ap-1"),
                (down, "line.domestic", 18, 1, None, 1_065, "line.domestic"),
                (down, "line.internet", 18, 1, None, 1_065, "line.domestic"),
            )
        ],
    )


def _delivery(site: str, lost: str, channel: str, made_ms: int) -> dict[str, Any]:
    if channel == "webhook" and site == lost:
        return {"tries": 4, "error": "Failed to send JSON POST notification: error=502."}
    if channel == "webhook" and site == "t0":
        return {"tries": 1, "refused_ms": made_ms + 900, "error": "Failed to send JSON POST notification: error=404."}
    return {"tries": 1, "sent_ms": made_ms + 1_200}


def _minutes(ledger: Ledger, site: str, matter: str) -> None:
    """Seven days: all up, with the fault of `matter`, a stumble and an unknown hour."""
    count = 7 * DAY
    first = NOW_MINUTE - count
    columns = {signal: bytearray([60] * count) for signal in SIGNALS}

    def put(signals: Sequence[str], start: int, end: int, code: int) -> None:
        for signal in signals:
            columns[signal][count - start : count - end] = bytes([code]) * (start - end)

    beyond = ["line.domestic", "line.international", "service.csdl"]
    put(SIGNALS, 1_000, 955, UNKNOWN)
    put(["line.internet", "line.domestic", "line.international"], 700, 699, 31)
    if matter == "cut":
        put(["line.isp", "line.internet"], 540, 511, 0)
        put(beyond, 540, 511, UNKNOWN)
    if matter == "down":
        put(["line.domestic", "line.internet"], 18, 0, 0)
        put(["line.international", "service.csdl"], 18, 0, UNKNOWN)
    if matter == "faulty":
        put(["device.ap-1"], 47, 0, 0)
        put([f"device.board-{n}" for n in range(1, 9)], 47, 0, UNKNOWN)
    if matter == "lost":
        put(SIGNALS, 13, 0, UNKNOWN)
    data = bytes(columns[signal][at] for at in range(count) for signal in SIGNALS)
    ledger.merge(site, "gw", INVENTORY.revision, tuple(SIGNALS), range(first, NOW_MINUTE), data)
    ledger.merge(site, "server", "contact", ("site.contact",), range(first, NOW_MINUTE), bytes([60]) * count)


def judged(made: Made) -> list[Verdict]:
    """The shipped plan's verdicts, as the server would cache them."""
    found: list[Verdict] = []
    with made.engine.connect() as connection:
        for plan in plans.all_plans():
            window = verdicts.window_of(plan, NOW_MINUTE)

            def read(site: str, signal: str, first: int, end: int) -> bytes:
                return made.ledger.read(connection, site, [signal], first, end)[signal]

            found += verdicts.judge_plan(plan, verdicts.collect(connection, from_ledger(read), plan, window))
    return found


def context(made: Made, **changes: Any) -> WebContext:
    cached = judged(made)

    def read_minutes(site: str, signals: Sequence[str], first_minute: int, end_minute: int) -> dict[str, bytes]:
        with made.engine.connect() as connection:
            return made.ledger.read(connection, site, signals, first_minute, end_minute)

    def signals_of(site: str) -> list[str]:
        with made.engine.connect() as connection:
            return made.ledger.signals(connection, site, NOW_MINUTE - DAY, NOW_MINUTE)

    given: dict[str, Any] = {
        "engine": made.engine,
        "read_minutes": read_minutes,
        "signals_of": signals_of,
        "live": LiveFeed(),
        "health": lambda: {"ok": True, "reasons": [], "agents_connected": len(made.sites) - 2, "inbox": 0},
        "verdicts": lambda: cached,
        "now_ms": lambda: NOW_MS,
    }
    return WebContext(**(given | changes))
