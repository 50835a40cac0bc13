"""What the JSON API answers: the shapes, as OpenAPI describes them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from schoolbeat_server.web.site_state import State


class Words(BaseModel):
    """The same text in both languages."""

    vi: str
    en: str


class SiteOut(BaseModel):
    id: str
    name: str
    kind: str = Field(description="main | satellite")
    school: str
    school_name: str
    area: str
    area_name: str
    isps: list[str]
    state: State
    since_ms: int | None
    cause: str
    heard_ms: int | None = Field(description="When its last report came; null: never")
    simulated: bool


class SitesOut(BaseModel):
    count: int
    states: dict[str, int]
    sites: list[SiteOut]


class DeviceOut(BaseModel):
    id: str
    name: str
    kind: str
    room: str
    behind: str = Field(description="The signal it is seen through")


class LineOut(BaseModel):
    id: str
    isp: str
    technology: str
    contract_down_bps: int | None
    contract_up_bps: int | None


class ReadingOut(BaseModel):
    subject: str
    reading: str
    value: float
    unit: str


class LatestOut(BaseModel):
    """What an agent said last. Failures are facts: a probe without a result has a cause and no number."""

    agent: str
    minute: int
    received_ms: int
    version: str
    readings: list[ReadingOut]
    why_down: dict[str, str]
    failures: dict[str, str]


class SilenceOut(BaseModel):
    """Why nothing is heard: the cause, the minutes that speak for each, what else is known; while the cause is
    'waiting', what is waited for. is_back: the gateway is heard again, what it kept is still coming."""

    lost_ms: int | None
    is_back: bool
    cause: str
    sentence: Words
    minutes: dict[str, int]
    known: list[Words]
    waited: list[Words]


class RevisedOut(BaseModel):
    """A cause that data which came late has changed."""

    at_ms: int
    before: str
    after: str


class ServerAwayOut(BaseModel):
    """A break of our own: from_ms to until_ms we heard nobody. why: stopped, broker, database, stalled, or everyone:
    no school at all was heard."""

    from_ms: int
    until_ms: int
    why: str


class SiteDetailOut(BaseModel):
    id: str
    name: str
    kind: str
    school: str
    school_name: str
    area_name: str
    lines: list[LineOut]
    devices: list[DeviceOut]
    latest: list[LatestOut]
    silence: SilenceOut | None = Field(description="null: its gateway is heard")


class AvailabilityOut(BaseModel):
    """Seconds. share = up / (up + down); coverage = (up + down) / all; exact, and null where there is nothing."""

    up_seconds: int
    down_seconds: int
    off_seconds: int
    unknown_seconds: int
    share: float | None
    coverage: float


class RowOut(BaseModel):
    """runs: [code, minutes] from left to right."""

    runs: list[tuple[int, int]] = Field(description="code 0-60: seconds up; 253 disputed, 254 off, 255 unknown")
    availability: AvailabilityOut


class MinutesOut(BaseModel):
    site: str
    first_minute: int
    end_minute: int
    signals: dict[str, RowOut]


class OutageOut(BaseModel):
    """end_minute: the first minute fully up again; null while it lasts."""

    signal: str
    first_minute: int
    last_minute: int
    end_minute: int | None
    down_seconds: int
    cause: str
    lessons: int = Field(description="Lessons that hold a down second of it, by the site's calendar")
    rooms: int | None = Field(description="Rooms in which they are taught; null: the register has no rooms here")
    lesson_rooms: int | None = Field(description="lessons × rooms: one lesson in one room is the unit")


class ClockOut(AvailabilityOut):
    """minutes: how many of the window count on this clock. shown: rounded down, never on the wrong side."""

    clock: Literal["always", "lessons"]
    first_minute: int
    end_minute: int
    minutes: int
    shown: str | None


class DayOut(BaseModel):
    """lessons: [first, end, shift], minutes of the day in Viet Nam. why: of what made the day an exception."""

    day: str
    lessons: list[tuple[int, int, str]]
    exam: bool
    why: str


class DaysOut(BaseModel):
    """revision: the calendar change that this follows."""

    site: str
    revision: int
    days: list[DayOut]


class CalendarOut(BaseModel):
    calendar: str
    rules: list[Words]


class CalendarLoadedOut(BaseModel):
    """change: null when nothing changed or it was a dry run. kept: rules that stay as they were."""

    calendar: str
    change: int | None
    kept: int
    added: list[Words]
    removed: list[Words]


class CalendarChangeOut(BaseModel):
    """first_day, end_day: the days that the changed rules speak of, half-open. revised_ms: null while the past is not
    yet found anew; sites, outages: how many then changed."""

    id: int
    at_ms: int
    who: str
    document: str
    why: str
    first_day: str
    end_day: str
    added: int
    removed: int
    revised_ms: int | None
    sites: int
    outages: int


class IncidentOut(BaseModel):
    id: int
    site: str
    site_name: str
    school_name: str
    scope: str
    opened_ms: int
    since_ms: int
    closed_ms: int | None
    until_ms: int | None
    cause_opened: str
    cause: str
    cause_name: str
    facts: dict[str, Any]
    known: list[Words] = Field(description="When it opened or closed; what is known now: silence of /sites/{ident}")
    waited: list[Words]
    revised: list[RevisedOut]


class NoticeOut(BaseModel):
    id: int
    incident: int | None = Field(description="null where it is of the server itself")
    site: str | None = Field(description="null where it is of the server itself")
    kind: str
    channel: str
    title: str
    body: str
    created_ms: int
    delivery: Literal["sent", "refused", "waiting", "retrying"]
    tries: int
    sent_ms: int | None
    refused_ms: int | None
    next_try_ms: int
    error: str


class AssumptionOut(BaseModel):
    name: str
    value: str
    reason: Words
    source: str


class UnitOut(BaseModel):
    id: str
    name: str
    site: str
    status: str
    silent: bool
    since_minute: int | None
    coverage: float | None
    grade: str
    reasons: list[Words]


class VerdictOut(BaseModel):
    """A target, its quoted clause and its verdict. The share as text is rounded down."""

    plan: str
    target: str
    document: Words
    issuer: Words
    clause: Words
    quote: Words
    name: Words
    unit: str
    status: str
    required: str
    deadline: str | None
    numerator: int
    denominator: int
    share: str | None
    met: int
    missed: int
    unknown: int
    silent: int
    grade: str
    first_minute: int
    end_minute: int
    reasons: list[Words]
    assumptions: list[AssumptionOut]
    revised: IssuedOut | None
    units: list[UnitOut]


class IssuedUnitOut(BaseModel):
    name: str
    status: str
    silent: bool
    since_minute: int | None
    coverage: str | None
    grade: str
    reasons: list[tuple[str, str]]


class StampOut(BaseModel):
    """What figures of the local days [first_day, end_day) rest on. digest: SHA-256 over the digests of `days` of the
    `due` days of its sites, `revised` of which are revisions; proof: the newest digest of digests that had left the
    server, of proof_day. docs/proof.md."""

    first_day: str
    end_day: str
    sites: int
    days: int
    due: int
    revised: int
    digest: str
    proof_day: str | None
    proof: str


class IssuedOut(BaseModel):
    """A verdict as it was issued for a window of days; revision > 0: *revised*, because minutes [changed_first,
    changed_end) of these sites changed (why: late, calendar, operator, rebuilt, retracted). register_digest: of
    what it took from register and calendar. units, stamp: only where one is asked for."""

    id: int
    plan: str
    target: str
    first_minute: int
    end_minute: int
    revision: int
    issued_ms: int
    status: str
    met: int
    missed: int
    unknown: int
    silent: int
    why: str
    changed_first: int | None
    changed_end: int | None
    sites: list[str]
    register_digest: str
    units: dict[str, IssuedUnitOut] = {}
    stamp: StampOut | None = None


class MachineOut(BaseModel):
    """One that speaks with an agent's credentials. reports: how many of its are kept apart; believed: how many are in
    the ledger and still stored."""

    site: str
    agent: str
    hardware: str
    boot: str
    state: str
    first_ms: int
    heard_ms: int
    reports: int
    believed: int


class HeldOut(BaseModel):
    """A report whose times cannot be, whole in quarantine; who, at_ms, reason: of an operator's decision."""

    id: int
    site: str
    agent: str
    why: str
    state: str
    minutes: int
    first_minute: int
    last_minute: int
    received_ms: int
    text: str
    who: str | None
    at_ms: int | None
    reason: str | None


class AsideOut(BaseModel):
    """What was set aside, by reason, and everything that ingest counts."""

    aside: dict[str, int]
    counters: dict[str, int]
