"""What operators decide about cloned cards and quarantine: written as rows that the running server carries out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Insert, func, insert, select

from schoolbeat_server import schema
from schoolbeat_server.database import writing
from schoolbeat_server.quarantine import BY_ID, OF_TIME
from schoolbeat_server.retraction import RETRACT, of_decision, select_reports
from schoolbeat_server.said import Said

REASON_LETTERS = 500


class Refused(ValueError):
    """The decision names nothing that is there; `said` tells what is and what to do."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(vi)
        self.said = Said(vi, en)


class Machine(NamedTuple):
    """A card of table `card`. reports: how many are kept apart of it; believed: how many of it are in the ledger and
    still stored."""

    site: str
    agent: str
    hardware: str
    boot: str
    state: str
    first_ms: int
    heard_ms: int
    reports: int
    believed: int


class HeldRow(NamedTuple):
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


def read_machines(connection: Connection, site: str | None = None, *, conflicts: bool = True) -> list[Machine]:
    """Who speaks as each agent, the believed one first. conflicts: only of agents for which others spoke too."""
    table, held = schema.card.c, schema.held.c
    query = select(
        table.site, table.agent, table.hardware, table.boot, table.state, table.first_ms, table.heard_ms
    ).order_by(table.site, table.agent, table.state.desc(), table.heard_ms.desc())
    if site is not None:
        query = query.where(table.site == site)
    rows = connection.execute(query).all()
    if conflicts:
        fought = {(row.site, row.agent) for row in rows if row.state in ("aside", "false")}
        rows = [row for row in rows if (row.site, row.agent) in fought]
    found = []
    for row in rows:
        kept = connection.execute(
            select(held.id).where(
                held.site == row.site,
                held.agent == row.agent,
                held.hardware == row.hardware,
                held.boot == row.boot,
                held.state.in_(("waiting", "discarded")),
            )
        ).all()
        found.append(Machine(*row, len(kept), _believed(connection, row)))
    return found


def _believed(connection: Connection, row: Any) -> int:
    said = speaker_of(row.site, row.agent, row.hardware, row.boot)
    return int(
        connection.scalar(select_reports(func.count()).where(of_decision(said), schema.speaker.c.boot == row.boot)) or 0
    )


def read_held(
    connection: Connection, *, site: str | None = None, waiting: bool = True, before: int | None = None, limit: int
) -> list[HeldRow]:
    """Reports whose times cannot be, the newest first, with who decided what of them and why."""
    table, said = schema.held, schema.decision
    columns = [table.c[name] for name in ("id", "site", "agent", "why", "state", "count", "first_minute")]
    columns += [table.c.last_minute, table.c.received_ms, table.c.text, said.c.who, said.c.at_ms, said.c.reason]
    query = select(*columns).outerjoin(said, said.c.id == table.c.decision).where(table.c.why.in_(BY_ID))
    if site is not None:
        query = query.where(table.c.site == site)
    if waiting:
        query = query.where(table.c.state == "waiting")
    if before is not None:
        query = query.where(table.c.id < before)
    return [HeldRow(*row) for row in connection.execute(query.order_by(table.c.id.desc()).limit(limit))]


def say_true(
    engine: Engine, site: str, agent: str, hardware: str, boot: str, reason: str, *, who: str, now_ms: int
) -> Machine:
    """This machine is the agent, and no other. The beginning of its id is enough. Raises Refused."""
    _check_reason(reason)
    with writing(engine) as connection:
        machines = [one for one in read_machines(connection, site, conflicts=False) if one.agent == agent]
        found = [one for one in machines if one.hardware.startswith(hardware) and one.boot.startswith(boot)]
        if not found or len({one.hardware for one in found}) > 1:
            raise _not_one(site, agent, hardware, machines)
        chosen = max(found, key=lambda one: one.heard_ms)
        # A machine of which a copy lives too is named with its boot; of the others, all boots are meant.
        copies = any(one.hardware == chosen.hardware and one.state in ("aside", "false") for one in machines)
        believed = any(one.hardware == chosen.hardware and one.state in ("true", "trial") for one in machines)
        if copies and believed and not boot:
            raise _not_one(site, agent, hardware, [one for one in machines if one.hardware == chosen.hardware])
        values = {"hardware": chosen.hardware, "boot": chosen.boot if boot else ""}
        connection.execute(_row(site, agent, "true", who, reason, now_ms).values(values))
    return chosen


def say_of_held(
    engine: Engine,
    what: str,
    ids: Sequence[int],
    site: str | None,
    agent: str,
    reason: str,
    *,
    who: str,
    now_ms: int,
) -> int:
    """what: release | discard; of the rows `ids`, or of all that wait of a site's agent. How many it concerns.
    Raises Refused."""
    _check_reason(reason)
    table = schema.held.c
    where = (
        table.why.in_(BY_ID if ids else OF_TIME) & table.state.in_(("waiting", "discarded")) & (table.payload != b"")
    )
    where &= table.id.in_(ids) if ids else (table.site == site) & (table.agent == agent)
    with writing(engine) as connection:
        rows = connection.execute(select(table.id, table.site, table.agent).where(where)).all()
        strange = set(ids) - {row.id for row in rows}
        if strange or not rows:
            names = ", ".join(map(str, sorted(strange))) or f"{site}/{agent}"
            raise Refused(
                f"{names}: không có bản tin nào như vậy đang bị cách ly; xem 'schoolbeat-server quarantine list'",
                f"{names}: no such report is in quarantine; see 'schoolbeat-server quarantine list'",
            )
        if not ids:
            connection.execute(_row(rows[0].site, rows[0].agent, what, who, reason, now_ms))
        for row in rows if ids else ():
            connection.execute(_row(row.site, row.agent, what, who, reason, now_ms).values(held=row.id))
    return len(rows)


class Speaker(NamedTuple):
    """Whose reports a retraction names; the columns of `decision` that say so."""

    site: str
    agent: str
    hardware: str
    boot: str
    epoch: str
    first_minute: int | None
    end_minute: int | None


def speaker_of(site: str, agent: str, hardware: str, boot: str) -> Speaker:
    return Speaker(site, agent, hardware, boot, "", None, None)


def retract(engine: Engine, whose: Speaker, reason: str, *, who: str, now_ms: int) -> tuple[Speaker, int]:
    """Takes back what a machine brought before it was known for a copy; how many reports it concerns. The beginnings
    of hardware, boot and epoch are enough. Raises Refused."""
    _check_reason(reason)
    with writing(engine) as connection:
        table = schema.speaker.c
        rows = connection.execute(
            select(table.epoch, table.hardware, table.boot).where(
                table.site == whose.site,
                table.agent == whose.agent,
                table.hardware.startswith(whose.hardware, autoescape=True),
                table.boot.startswith(whose.boot, autoescape=True),
                table.epoch.startswith(whose.epoch, autoescape=True),
            )
        ).all()
        machines = {row.hardware for row in rows}
        boots, epochs = {row.boot for row in rows}, {row.epoch for row in rows}
        vague = (whose.boot and len(boots) > 1) or (whose.epoch and len(epochs) > 1)
        if len(machines) != 1 or vague:
            seen = ", ".join(sorted({f"{row.hardware or '–'} boot {row.boot[:8] or '–'}" for row in rows})[:20]) or "–"
            where = f"{whose.site}/{whose.agent}"
            raise Refused(
                f"{where}: không chỉ đúng một máy. Bản tin đã nhận của: {seen}. Nêu --hardware, --boot dài hơn",
                f"{where}: does not name one machine. Reports came from: {seen}. Name more of --hardware, --boot",
            )
        (hardware,) = machines
        exact = whose._replace(
            hardware=hardware, boot=min(boots) if whose.boot else "", epoch=min(epochs) if whose.epoch else ""
        )
        count = connection.scalar(select_reports(func.count()).where(of_decision(exact))) or 0
        if not count:
            raise Refused(
                f"{whose.site}/{whose.agent}: không còn giữ bản tin nào như vậy",
                f"{whose.site}/{whose.agent}: no such report is kept any more",
            )
        values = exact._asdict()
        connection.execute(_row(whose.site, whose.agent, RETRACT, who, reason, now_ms).values(values))
    return exact, count


def _row(site: str, agent: str, what: str, who: str, reason: str, now_ms: int) -> Insert:
    return insert(schema.decision).values(
        site=site, agent=agent, what=what, who=who[:80], reason=reason.strip(), at_ms=now_ms
    )


def _check_reason(reason: str) -> None:
    if not 0 < len(reason.strip()) <= REASON_LETTERS:
        raise Refused(
            f"--reason: cần lý do, từ 1 đến {REASON_LETTERS} ký tự", f"--reason: needs 1 to {REASON_LETTERS} characters"
        )


def _not_one(site: str, agent: str, hardware: str, machines: list[Machine]) -> Refused:
    known = ", ".join(f"{one.hardware} (boot {one.boot[:8] or '–'})" for one in machines) or "–"
    return Refused(
        f"{site}/{agent}: {hardware!r} không chỉ đúng một máy. Đã thấy: {known}. Cùng một máy thì thêm --boot",
        f"{site}/{agent}: {hardware!r} does not name one machine. Seen: {known}. Of one machine, add --boot",
    )
