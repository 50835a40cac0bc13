"""Weeks of backlog in any order, twice, from an agent installed anew: everything ends as in a run without faults."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine, select, update
from tests.server.school import School, register
from tests.server.test_breaks_ledger import Server

from schoolbeat_server import database, schema
from schoolbeat_server.batch import Message
from schoolbeat_server.judge import Judge
from schoolbeat_server.plans import all_plans
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import OFF_REASONS, UNKNOWN

DAY = 1_440
M0 = 29_000_000 - 29_000_000 % DAY
SIGNALS = ["lan.router", "line.isp", "line.domestic", "line.internet", "device.ap-1"]


class Spell(NamedTuple):
    """Minutes that the agent recorded, and what it said of the time before them."""

    first: int
    rows: list[bytes]
    off: list[reports.Off]


def some_weeks(rng: random.Random, days: int) -> list[Spell]:
    """Outages of minutes to days, failures to see, power cuts: what a school goes through."""
    spells, minute = [], M0
    while minute < M0 + days * DAY:
        count = rng.choice([3, 60, 700, DAY])
        rows: list[bytes] = []
        while len(rows) < count:
            kind = rng.choice(["up"] * 4 + ["isp", "blind", "device", "flap"])
            length = rng.choice([1, 2, 9, 200])
            row = {
                "up": bytes([60] * 5),
                "isp": bytes([60, 0, UNKNOWN, 0, 60]),
                "blind": bytes([UNKNOWN] * 5),
                "device": bytes([60, 60, 60, 60, 0]),
                "flap": bytes([60, 31, 60, 12, 60]),
            }[kind]
            rows += [row] * length
        rows = rows[:count]
        gone, reason = (0, "") if not spells or rng.random() < 0.4 else (rng.choice([2, 90, 1_500]), "power")
        off = [reports.Off(minute, gone, OFF_REASONS[reason][0])] if gone else []
        spells.append(Spell(minute + gone, rows, off))
        minute += gone + count
    return spells


def recorded(spells: list[Spell]) -> list[reports.MinuteRow]:
    """Without seqs: an installation gives them."""
    return [
        reports.MinuteRow(0, spell.first + place, row, [[125], [None]], off=spell.off if place == 0 else [])
        for spell in spells
        for place, row in enumerate(spell.rows)
    ]


def installed(rows: list[reports.MinuteRow], rng: random.Random, size: int, epoch: str) -> list[Message]:
    """The minutes as messages of one outbox."""
    school = School("s1", epoch=epoch, signals=list(SIGNALS))
    numbered = [reports.MinuteRow(seq, *list(_fields(row))[1:]) for seq, row in enumerate(rows)]
    messages, start = [], 0
    while start < len(numbered):
        count = rng.choice([1, size, size])
        messages.append(school.report(numbered[start : start + count]))
        start += count
    return messages


def _fields(row: reports.MinuteRow) -> Iterator[Any]:
    return (getattr(row, name) for name in row.__struct_fields__)


def outcome(engine: Engine, server: Server, days: int) -> dict[str, Any]:
    """All that follows from the minutes."""
    outage, off = schema.outage.c, schema.off.c
    columns = (outage.signal, outage.first_minute, outage.last_minute, outage.end_minute, outage.down_seconds)
    judge = Judge(engine, server.ingest.ledger, all_plans(None), server.ms)
    judge.judge()
    with engine.connect() as connection:
        outages = connection.execute(select(*columns, outage.cause).where(outage.signal != "site.contact")).all()
        offs = connection.execute(select(off.first_minute, off.count, off.reason)).all()
    return {
        "ledger": server.read("s1", SIGNALS, M0, M0 + (days + 3) * DAY),
        "outages": sorted(tuple(row) for row in outages),
        "off": sorted(tuple(row) for row in offs),
        "verdicts": [
            (one.plan.id, one.target.id, one.status, one.met, one.missed, one.unknown, one.units)
            for one in judge.verdicts
        ],
    }


def world(folder: Path, days: int) -> tuple[Engine, Server]:
    folder.mkdir()
    engine = database.open_database(folder / "schoolbeat.db")
    register(engine, ["s1"])
    return engine, Server(engine, folder, (M0 + (days + 3) * DAY) * 60)


def seal(server: Server) -> None:
    server.ingest.ledger.seal(server.ms() // 60_000, server.ingest.next_report_id - 1, 0)


@pytest.mark.parametrize("seed", range(12))
def test_weeks_in_any_order_twice_and_from_an_agent_installed_anew_end_as_without_faults(
    tmp_path: Path, seed: int
) -> None:
    rng, days = random.Random(seed), (15, 3, 6)[seed % 3]
    rows = recorded(some_weeks(rng, days))
    inventory = School("s1", signals=list(SIGNALS)).inventory_message()
    calm_engine, calm = world(tmp_path / "calm", days)
    calm.step(inventory)
    for message in installed(rows, random.Random(1), 1_000, "ab" * 8):
        calm.step(message)
    # Installed anew twice: what the old outbox had is sent from the new one too, packed in another way.
    parts = installed(rows[: len(rows) * 2 // 3], rng, 200, "ab" * 8)
    parts += installed(rows[len(rows) // 3 :], rng, rng.choice([60, 1_440]), "cd" * 8)
    parts += installed(rows[len(rows) // 2 :: 1], rng, 333, "ef" * 8)
    parts += rng.sample(parts, len(parts) // 4)
    rng.shuffle(parts)
    if seed % 4 == 0:
        parts.sort(key=lambda message: -reports.minutes_of(reports.decode(message.payload))[0])  # newest first

    engine, server = world(tmp_path / "rough", days)
    waiting = [inventory]
    if seed % 2:
        parts.insert(len(parts) // 2, waiting.pop())
    while parts:
        size = rng.choice([1, 3, 20])
        server.step(*waiting, *parts[:size], seconds=rng.choice([1, 7]))
        waiting, parts = [], parts[size:]
        if rng.random() < 0.1:
            seal(server)
        if rng.random() < 0.1:
            server.start()
    server.second = calm.second = max(server.second, calm.second)

    expected = outcome(calm_engine, calm, days)
    assert len(expected["outages"]) > 10  # there was something to get wrong
    assert outcome(engine, server, days) == expected
    seal(server)
    server.start()
    assert outcome(engine, server, days) == outcome(calm_engine, calm, days)
    for one in (engine, calm_engine):
        one.dispose()


def test_two_thirds_now_and_the_rest_a_week_later_from_a_machine_that_was_kept_apart(tmp_path: Path) -> None:
    rng, days = random.Random(99), 8
    rows = recorded(some_weeks(rng, days))
    inventory = School("s1", signals=list(SIGNALS)).inventory_message()
    calm_engine, calm = world(tmp_path / "calm", days)
    calm.step(inventory, *installed(rows, rng, 1_000, "ab" * 8))
    engine, server = world(tmp_path / "rough", days)
    old, new = School("s1"), School("s1", epoch="cd" * 8)
    server.step(inventory, old.presence(hardware="11" * 8), *installed(rows[: len(rows) * 2 // 3], rng, 100, old.epoch))
    server.step(new.presence(hardware="22" * 8))
    for message in installed(rows[len(rows) // 2 :], rng, 50, new.epoch):
        server.step(message)
    seal(server)
    with engine.begin() as connection:
        values = {"at_ms": 1, "who": "lan", "what": "true", "site": "s1", "agent": "gateway", "reason": "đã thay"}
        connection.execute(schema.decision.insert().values(**values, hardware="22" * 8))

    while server.ingest.is_decided():
        server.heart._carry_out()
    server.second = calm.second = max(server.second, calm.second)

    assert outcome(engine, server, days) == outcome(calm_engine, calm, days)
    with engine.begin() as connection:
        states = set(connection.scalars(select(schema.held.c.state)))
        connection.execute(update(schema.held).values(text=""))
    assert states == {"released"}
    for one in (engine, calm_engine):
        one.dispose()
