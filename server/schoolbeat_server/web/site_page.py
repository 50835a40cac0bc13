"""What the page of one site shows: state, ladder, strips of minutes, devices, readings, put together from its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple
from urllib.parse import unquote

from markupsafe import Markup
from sqlalchemy import Connection, select

from schoolbeat_server import schema
from schoolbeat_server.affected import Affected, Seated, affected
from schoolbeat_server.asked import clock_of, masked
from schoolbeat_server.availability import Availability, availability
from schoolbeat_server.web import pictures, province, silence_shown, site, site_state
from schoolbeat_server.web.pictures import DAY_MINUTES, Rung, RungState
from schoolbeat_server.web.province import IncidentRow
from schoolbeat_server.web.server_view import WebContext
from schoolbeat_server.web.silence_shown import Explained, SilenceShown
from schoolbeat_server.web.site import Device, Latest, Line, OutageRow, Reading, Room, Site, Speed
from schoolbeat_server.web.site_state import Path, Said, State
from schoolbeat_server.web.speaker import Speaker
from schoolbeat_wire.catalogue import RUNGS

OUTAGES = 20
INCIDENTS = 8
CONTACT = "site.contact"


class StripRow(NamedTuple):
    """A signal's last 24 hours: its name, picture, and the same in words."""

    name: str
    picture: Markup
    words: str
    share: str


class DeviceRow(NamedTuple):
    """hidden_by: the name of what it is seen through, when that is why nothing is known of it. not_asked: it matters
    in lessons only, and this is none. readings: the latest of the device itself and of its parts."""

    device: Device
    state: RungState
    hidden_by: str
    not_asked: bool
    strip: StripRow
    readings: list[tuple[str, str]]


RoomState = Literal["ready", "not", "unknown", "empty"]


class RoomRow(NamedTuple):
    room: Room
    state: RoomState
    devices: list[DeviceRow]


@dataclass(frozen=True)
class SeenSite:
    site: Site
    siblings: list[tuple[str, str]]
    lines: list[Line]
    speed: Speed | None
    state: State
    since_ms: int | None
    said: Said
    path: Path
    ladder: Markup
    as_of_ms: int | None
    strips: list[StripRow]
    hour: StripRow
    hours: tuple[Markup, Markup]
    devices: list[DeviceRow]
    rooms: list[RoomRow]
    outages: list[tuple[OutageRow, Affected]]
    incidents: list[tuple[IncidentRow, Explained]]
    latest: list[Latest]
    silence: SilenceShown | None
    names: dict[str, str]


class _Contact(NamedTuple):
    lost_ms: int | None
    incidents: dict[str, int]


def read(context: WebContext, ident: str, say: Speaker) -> SeenSite | None:
    """None when the register has no such site."""
    with context.engine.connect() as connection:
        found = site.read_site(connection, ident)
        if found is None:
            return None
        siblings = site.read_siblings(connection, found.school)
        lines, speed = site.read_lines(connection, ident), site.read_speed(connection, ident)
        registered = site.read_devices(connection, ident)
        rooms = site.read_rooms(connection, ident)
        services = site.read_services(connection)
        outages = site.read_outages(connection, ident, limit=OUTAGES)
        incidents = province.read_incidents(connection, site=ident, limit=INCIDENTS)
        latest = site.read_latest(connection, ident)
        reported = connection.scalar(select(schema.latest.c.site).where(schema.latest.c.site == ident).limit(1))
        contact = _read_contact(connection, ident)
        silence = silence_shown.of_site(connection, context.read_minutes, ident, context.now_ms())
    devices = all_devices(registered, latest)
    names = {**services, **{f"device.{one.id}": one.name or one.id for one in devices}}
    end = context.now_ms() // 60_000
    lesson_signals = _in_lessons(devices)
    lessons = context.calendar().of_site(ident).minutes(end - DAY_MINUTES, end)
    minutes = _minutes(context, ident, devices, lesson_signals, lessons, end)
    state = site_state.state(
        reported=reported is not None,
        lost=contact.lost_ms is not None,
        path_incident="path" in contact.incidents,
        devices_incident="devices" in contact.incidents,
    )
    # Without contact nothing is known of now, though the last minutes that came may be only a little old.
    states = {} if state in ("lost", "silent") else site_state.now_states(minutes)
    path = site_state.path_of(states)
    asked = context.calendar().of_site(ident).is_lesson(end)
    clocks = {signal: lessons for signal in minutes if _by_lessons(signal, lesson_signals)}
    rows = _device_rows(devices, minutes, clocks, states, set() if asked else lesson_signals, latest, names, say)
    return SeenSite(
        site=found,
        siblings=siblings,
        lines=lines,
        speed=speed,
        state=state,
        since_ms=contact.lost_ms
        if state == "lost"
        else contact.incidents.get("path" if state == "down" else "devices"),
        said=site_state.answer(state, path),
        path=path,
        ladder=pictures.ladder(_rungs(state, path, latest, names, say), say.t("site.ladder_title")),
        as_of_ms=_as_of_ms(minutes, end) if states else None,
        strips=[_strip(signal, minutes[signal], names, say, clocks.get(signal)) for signal in _ladder_signals(minutes)],
        hour=_strip("line.internet", minutes["line.internet"][-60:], names, say),
        hours=(
            pictures.hours(end - DAY_MINUTES, DAY_MINUTES, 3, "wide"),
            pictures.hours(end - DAY_MINUTES, DAY_MINUTES, 6, "narrow"),
        ),
        devices=rows,
        rooms=[_room(room, [row for row in rows if row.device.room == room.name]) for room in rooms],
        outages=_affected(outages, rooms, devices),
        incidents=[(one, _explained(one, silence)) for one in incidents],
        latest=latest,
        silence=silence,
        names=names,
    )


def _explained(one: IncidentRow, silence: SilenceShown | None) -> Explained:
    """Of an incident that lasts, what is known now; of one that is over, what it keeps."""
    kept = silence_shown.of_incident(one.facts)
    if one.closed_ms is not None or silence is None or one.cause_opened != "waiting":
        return kept
    return Explained(silence.known, silence.waited, kept.revised)


def _read_contact(connection: Connection, ident: str) -> _Contact:
    contact, incident = schema.contact.c, schema.incident.c
    lost = connection.execute(
        select(contact.lost_ms).where(contact.site == ident, contact.lost_ms.is_not(None), contact.back_ms.is_(None))
    ).scalar_one_or_none()
    query = select(incident.scope, incident.since_ms).where(incident.site == ident, incident.closed_ms.is_(None))
    return _Contact(lost, dict(connection.execute(query).all()))


def all_devices(registered: Iterable[Device], latest: Iterable[Latest]) -> list[Device]:
    """Those of the register, and those that only an agent told of."""
    found = {one.id: one for told in latest for one in told.devices}
    return list({**found, **{one.id: one for one in registered}}.values())


def seated(devices: Iterable[Device]) -> list[Seated]:
    """Rooms by their names, as pages know them."""
    return [Seated(one.id, one.room, one.behind) for one in devices]


def _affected(
    outages: Iterable[OutageRow], rooms: Iterable[Room], devices: Iterable[Device]
) -> list[tuple[OutageRow, Affected]]:
    names, those = [room.name for room in rooms], seated(devices)
    return [(one, affected(one.signal, one.lessons, names, those)) for one in outages]


def _in_lessons(devices: list[Device]) -> set[str]:
    """Signals of devices whose absence matters in lessons only."""
    return {f"device.{one.id}" for one in devices if clock_of(f"device.{one.id}", one.kind) == "lessons"}


def _by_lessons(signal: str, lesson_signals: set[str]) -> bool:
    return signal in lesson_signals or signal.startswith("wifi.")


def _minutes(
    context: WebContext, ident: str, devices: list[Device], lesson_signals: set[str], lessons: bytes, end: int
) -> dict[str, bytes]:
    """The last day; outside lessons, what matters in lessons only is unknown unless it was up."""
    wanted = {*RUNGS, "line.internet", CONTACT, *context.signals_of(ident), *(f"device.{one.id}" for one in devices)}
    start = end - DAY_MINUTES
    found = context.read_minutes(ident, sorted(wanted), start, end)
    return {
        signal: masked(codes, lessons) if _by_lessons(signal, lesson_signals) else codes
        for signal, codes in found.items()
    }


def _as_of_ms(minutes: Mapping[str, bytes], end: int) -> int | None:
    back = site_state.newest(minutes)
    return None if back is None else (end - back) * 60_000


def _ladder_signals(minutes: Mapping[str, bytes]) -> list[str]:
    """From what a school has, down the ladder, to the services; devices have a list of their own."""
    fixed = ["line.internet", *RUNGS]
    others = sorted(signal for signal in minutes if signal.startswith(("service.", "wifi.", "power.")))
    return [*fixed, *others, CONTACT]


def _strip(signal: str, codes: bytes, names: Mapping[str, str], say: Speaker, clock: bytes | None = None) -> StripRow:
    """clock: the lessons, where only they count; what was up at night makes no share of the lessons better."""
    name = say.signal(signal, names)
    found = availability(codes, clock)
    words = say.spent(found) or "–"
    if clock is not None:
        words = say.t("site.in_lessons", spent=words)
    return StripRow(name, pictures.strip(codes, f"{name}: {words}"), words, _share(found, say))


def _share(found: Availability, say: Speaker) -> str:
    return say.percent(found.share)


def _device_rows(
    devices: list[Device],
    minutes: Mapping[str, bytes],
    clocks: Mapping[str, bytes],
    states: Mapping[str, RungState],
    not_asked: set[str],
    latest: list[Latest],
    names: Mapping[str, str],
    say: Speaker,
) -> list[DeviceRow]:
    rows = []
    readings = _of_devices(latest, say)
    for device in devices:
        signal = f"device.{device.id}"
        state = states.get(signal, "unknown")
        hides = state == "unknown" and states.get(device.behind) in ("down", "part")
        strip = _strip(signal, minutes[signal], names, say, clocks.get(signal))
        hidden_by = say.signal(device.behind, names) if hides else ""
        quiet = not hides and state == "unknown" and signal in not_asked
        rows.append(DeviceRow(device, state, hidden_by, quiet, strip, readings.get(device.id, [])))
    order = ("down", "part", "unknown", "off", "up")
    return sorted(rows, key=lambda row: (order.index(row.state), row.device.kind, row.device.name, row.device.id))


def _of_devices(latest: list[Latest], say: Speaker) -> dict[str, list[tuple[str, str]]]:
    """Device id -> (what, value) of its readings; of its ports and radios with their name."""
    out: dict[str, list[tuple[str, str]]] = {}
    for told in latest:
        ids = sorted((one.id for one in told.devices), key=len, reverse=True)
        for one in told.readings:
            if not one.subject.startswith("device."):
                continue
            rest = one.subject.removeprefix("device.")
            owner = next((ident for ident in ids if rest == ident or rest.startswith(ident + ".")), None)
            if owner is not None:
                part = unquote(rest[len(owner) + 1 :])
                what = say.reading_name(one.reading) + (f" ({part})" if part else "")
                out.setdefault(owner, []).append((what, say.reading(one.reading, one.value)))
    return out


def _room(room: Room, devices: list[DeviceRow]) -> RoomRow:
    """Usable when every device answers; one that does not answer decides against it, whatever is unknown."""
    states = {row.state for row in devices}
    state: RoomState = "ready"
    if not devices:
        state = "empty"
    elif states & {"down", "part"}:
        state = "not"
    elif states != {"up"}:
        state = "unknown"
    return RoomRow(room, state, devices)


def _rungs(state: State, path: Path, latest: list[Latest], names: Mapping[str, str], say: Speaker) -> list[Rung]:
    rtt = {one.subject: one for told in latest for one in told.readings if one.reading == "rtt_ms"}
    # Without contact nothing is known of the gateway either: it may be well, behind a broken line.
    away = state in ("silent", "lost")
    contact = say.t(f"rung.contact.{state}" if away else "rung.contact")
    rungs = [Rung(say.t("signal.gateway"), "unknown" if away else "up", contact, "")]
    for signal in RUNGS:
        one = path.rungs[signal]
        rungs.append(Rung(say.signal(signal), one, say.t(f"rung.{one}"), _round_trip(one, rtt.get(signal), say)))
    for signal, one in sorted(path.services.items()):
        rungs.append(Rung(say.signal(signal, names), one, say.t(f"rung.{one}"), ""))
    return rungs


def _round_trip(state: RungState, reading: Reading | None, say: Speaker) -> str:
    return say.reading("rtt_ms", reading.value) if reading is not None and state in ("up", "part") else ""
