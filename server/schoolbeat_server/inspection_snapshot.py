"""What the pages said of a school at one moment, to be frozen with an inspection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, func, select

from schoolbeat_server import schema
from schoolbeat_server.cause import INTERNET
from schoolbeat_server.verdicts import UnitVerdict, Verdict
from schoolbeat_server.web import province, site, site_state
from schoolbeat_server.web.site_page import CONTACT, all_devices
from schoolbeat_wire.catalogue import RUNGS

FORMAT: Final = "schoolbeat-inspection-snapshot 1"
INCIDENTS = 100
MINUTES = site_state.NOW_MINUTES + 1

ReadMinutes = Callable[[str, Sequence[str], int, int], dict[str, bytes]]


def photograph(
    connection: Connection, school: str, only: str, verdicts: Iterable[Verdict], read: ReadMinutes, now_ms: int
) -> dict[str, Any]:
    """only: a site of the school; "" for all. verdicts: of targets, as judged lately; of other schools is left out."""
    table = schema.school
    told = connection.execute(select(table).where(table.c.id == school)).mappings().one()
    sites = [ident for ident, _ in site.read_siblings(connection, school) if only in ("", ident)]
    return {
        "format": FORMAT,
        "taken_ms": now_ms,
        "school": {key: told[key] for key in ("id", "name", "area", "level", "manager")},
        "sites": [_site(connection, ident, read, now_ms) for ident in sites],
        "verdicts": [one for verdict in verdicts for one in _verdict(verdict, school, only)],
    }


def _site(connection: Connection, ident: str, read: ReadMinutes, now_ms: int) -> dict[str, Any]:
    found = site.read_site(connection, ident)
    assert found is not None
    latest = site.read_latest(connection, ident)
    devices = all_devices(site.read_devices(connection, ident), latest)
    end = now_ms // 60_000
    wanted = sorted({*RUNGS, INTERNET, CONTACT, *(f"device.{one.id}" for one in devices)})
    heard = connection.scalar(select(func.max(schema.latest.c.received_ms)).where(schema.latest.c.site == ident))
    incidents = province.read_incidents(connection, site=ident, open_only=True, limit=INCIDENTS)
    scopes = {one.scope for one in incidents}
    state = site_state.state(
        reported=heard is not None,
        lost=_is_lost(connection, ident),
        path_incident="path" in scopes,
        devices_incident="devices" in scopes,
    )
    now = {} if state in ("lost", "silent") else site_state.now_states(read(ident, wanted, end - MINUTES, end))
    return {
        "id": ident,
        "name": found.name,
        "kind": found.kind,
        "state": state,
        "heard_ms": heard,
        "signals": {signal: now.get(signal, "unknown") for signal in wanted if not signal.startswith("device.")},
        "lines": [one._asdict() for one in site.read_lines(connection, ident)],
        "devices": [
            {
                "id": one.id,
                "name": one.name,
                "kind": one.kind,
                "room": one.room,
                "state": now.get(f"device.{one.id}", "unknown"),
            }
            for one in sorted(devices, key=lambda one: one.id)
        ],
        "outages_open": _open_outages(connection, ident),
        "incidents_open": [
            {"id": one.id, "scope": one.scope, "since_ms": one.since_ms, "cause": one.cause} for one in incidents
        ],
    }


def _is_lost(connection: Connection, ident: str) -> bool:
    table = schema.contact.c
    lost = (table.site == ident) & table.lost_ms.is_not(None) & table.back_ms.is_(None)
    return connection.scalar(select(table.site).where(lost)) is not None


def _open_outages(connection: Connection, ident: str) -> list[dict[str, Any]]:
    outage = schema.outage.c
    columns = (outage.signal, outage.first_minute, outage.last_minute, outage.down_seconds, outage.cause)
    query = select(*columns).where(outage.site == ident, outage.end_minute.is_(None))
    return [dict(row) for row in connection.execute(query.order_by(outage.signal, outage.first_minute)).mappings()]


def _verdict(verdict: Verdict, school: str, only: str) -> list[dict[str, Any]]:
    """Nothing where the target says nothing of the school; inspections are not told of in one of them."""
    units = [one for one in verdict.units if one.school == school and (only in ("", one.site) or not one.site)]
    if not units or verdict.target.unit == "inspection":
        return []
    told = {
        "plan": verdict.plan.id,
        "target": verdict.target.id,
        "name": list(verdict.target.name),
        "first_minute": verdict.window.first_minute,
        "end_minute": verdict.window.end_minute,
        "units": [_unit(one) for one in sorted(units, key=lambda one: one.id)],
    }
    return [told]


def _unit(one: UnitVerdict) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "status": one.status,
        "grade": one.grade,
        "coverage": None if one.coverage is None else str(one.coverage),
        "since_minute": one.since_minute,
        "reasons": [list(said) for said in one.reasons],
    }
