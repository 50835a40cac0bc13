"""What is wrong with the server itself is told once over each channel, and once when it is over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from schoolbeat_server import database, notices, schema
from schoolbeat_server.database import writing
from schoolbeat_server.said import Said
from schoolbeat_server.server_matters import HOLD_MS, OVER_MS, look
from schoolbeat_server.settings import Channel
from schoolbeat_server.web import province

NOW_MS = 1_795_000_000_000
CHANNELS = (Channel(name="so", url="json://127.0.0.1"), Channel(name="office", url="json://127.0.0.1", language="en"))
REFUSED = {"series.store": [Said("kho từ chối: sai mật khẩu", "the store refuses: wrong password")]}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = database.open_database(tmp_path / "schoolbeat.db")
    yield engine
    engine.dispose()


def at(engine: Engine, seconds: int, found: dict[str, Sequence[Said]]) -> None:
    with writing(engine) as connection:
        look(connection, found, CHANNELS, NOW_MS + seconds * 1_000)


def told(engine: Engine) -> list[tuple[str, str, str]]:
    table = schema.notice.c
    with engine.connect() as connection:
        rows = connection.execute(select(table.kind, table.channel, table.body).order_by(table.id))
        return [(kind, channel, body.partition("\n")[0]) for kind, channel, body in rows]


def test_what_lasts_is_told_once_and_its_end_once(engine: Engine) -> None:
    for seconds in range(0, 600, 60):
        at(engine, seconds, REFUSED)
    opened = told(engine)
    for seconds in range(600, 600 + OVER_MS // 1_000 + 120, 60):
        at(engine, seconds, {})

    assert opened == [
        ("open", "so", "kho từ chối: sai mật khẩu"),
        ("open", "office", "the store refuses: wrong password"),
    ]
    assert told(engine)[2:] == [
        ("close", "so", "Đã hết: kho từ chối: sai mật khẩu"),
        ("close", "office", "Over: the store refuses: wrong password"),
    ]


def test_what_passes_is_not_told(engine: Engine) -> None:
    at(engine, 0, REFUSED)
    at(engine, HOLD_MS // 1_000 - 1, {})
    at(engine, HOLD_MS // 1_000 + 1, REFUSED)

    assert told(engine) == []


def test_what_comes_and_goes_is_told_once(engine: Engine) -> None:
    for seconds in range(0, 3_600, 60):
        at(engine, seconds, REFUSED if seconds // 240 % 2 == 0 else {})

    assert [kind for kind, _, _ in told(engine)] == ["open", "open"]


def test_what_comes_again_after_its_end_is_told_again(engine: Engine) -> None:
    for seconds in range(0, 4_000, 60):
        at(engine, seconds, {} if 300 <= seconds < 2_000 else REFUSED)

    assert [kind for kind, channel, _ in told(engine) if channel == "so"] == ["open", "close", "open"]


def test_its_notices_are_delivered_like_others_and_the_end_waits_for_the_beginning(engine: Engine) -> None:
    sent: list[tuple[str, str]] = []
    for seconds in (0, 180, 240, 900):
        at(engine, seconds, REFUSED if seconds < 200 else {})

    def send(channel: Channel, title: str, _body: str) -> None:
        sent.append((channel.name, title))

    channels = {channel.name: channel for channel in CHANNELS}
    turns = [notices.deliver_due(engine, channels, lambda: NOW_MS + 1_000_000, send) for _ in range(3)]

    assert turns == [2, 2, 0]
    assert [title for name, title in sent if name == "so"] == [
        "[SchoolBeat] Máy chủ cần người xem",
        "[SchoolBeat] Máy chủ: đã hết",
    ]


def test_pages_list_them_without_a_site(engine: Engine) -> None:
    at(engine, 0, REFUSED)
    at(engine, 180, REFUSED)

    with engine.connect() as connection:
        rows = province.read_notices(connection, limit=10)
        of_a_site = province.read_notices(connection, site="s1", limit=10)

    assert [(row.incident, row.site, row.channel) for row in rows] == [(None, None, "office"), (None, None, "so")]
    assert [len(one.channels) for one in province.by_event(rows)] == [2]
    assert of_a_site == []
