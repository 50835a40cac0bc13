"""A register or calendar edited after a verdict shows: beside the verdict, in its evidence pack, and to every agent."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, insert, select, update
from tests.server.school import register
from tests.server.test_issued import DAY, TODAY, World
from tests.server.test_proof import Province
from tests.server.test_quarantine import web_context
from tests.server.test_web import Client

from schoolbeat_server import calendar_rows, database, issued, recompute, register_digest, schema
from schoolbeat_server.calendar_file import Document
from schoolbeat_server.evidence_pack import write_pack
from schoolbeat_server.proof import make_proof
from schoolbeat_server.register_digest import COLUMNS, LEFT_OUT, NAMES, State, differing
from schoolbeat_server.school_calendar import Rule, day_of
from schoolbeat_server.targets import Plan
from schoolbeat_server.verdicts import Verdict, window_of
from schoolbeat_server.verify import broken_proofs
from schoolbeat_server.web.app import create_app

LINE = {"id": "l", "site": "s1", "isp": "VNPT", "technology": "fibre", "contract_down_bps": 100_000_000}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = database.open_database(tmp_path / "schoolbeat.db")
    register(engine, ["s1", "s2"])
    with database.writing(engine) as connection:
        connection.execute(insert(schema.line).values(**LINE))
    yield engine
    engine.dispose()


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> World:
    world = World(engine, tmp_path)
    world.send(*range(10, 0, -1))
    return world


def now(engine: Engine) -> State:
    with engine.connect() as connection:
        return register_digest.state(connection)


def raise_the_contract(engine: Engine) -> None:
    with database.writing(engine) as connection:
        connection.execute(update(schema.line).values(contract_down_bps=20_000_000))


def test_of_every_column_of_the_register_it_is_decided_whether_verdicts_depend_on_it() -> None:
    for name, columns in COLUMNS.items():
        there = set(schema.metadata.tables[name].c.keys())

        assert (name, {*columns, *LEFT_OUT[name]}) == (name, there)
        assert (name, set(columns) & set(LEFT_OUT[name])) == (name, set())
    assert COLUMNS.keys() == LEFT_OUT.keys() == NAMES.keys()


def test_what_verdicts_take_is_in_the_digest_and_names_are_not(engine: Engine) -> None:
    before = now(engine)
    with database.writing(engine) as connection:
        connection.execute(update(schema.school).values(name="Tên mới"))
        connection.execute(update(schema.site).values(latitude=17.5))
    renamed = now(engine)
    raise_the_contract(engine)
    raised = now(engine)
    with database.writing(engine) as connection:
        connection.execute(update(schema.line).values(contract_down_bps=LINE["contract_down_bps"]))

    assert renamed == before
    assert differing(before, raised) == ["line"]
    assert now(engine) == before


def test_rows_in_another_order_are_the_same_register(engine: Engine) -> None:
    before = now(engine)
    with database.writing(engine) as connection:
        rows = [dict(row) for row in connection.execute(select(schema.site)).mappings()]
        agents = [dict(row) for row in connection.execute(select(schema.agent)).mappings()]
        for table in (schema.line, schema.agent, schema.site):
            connection.execute(delete(table))
        connection.execute(insert(schema.site), rows[::-1])
        connection.execute(insert(schema.agent), agents)
        connection.execute(insert(schema.line).values(**LINE))

    assert now(engine) == before


def test_a_rule_of_the_calendar_counts_while_it_is_said(engine: Engine) -> None:
    closed = Rule("school", "s1", "closed", 20_000, 20_001)
    before = now(engine)
    calendar_rows.store(engine, Document("d", frozenset({closed}), ()), "x.yaml", who="test", why="thử", now_ms=1)
    with_rule = now(engine)
    calendar_rows.store(engine, Document("d", frozenset(), ()), "x.yaml", who="test", why="thôi", now_ms=2)

    assert differing(before, with_rule) == ["calendar_rule"]
    assert now(engine) == before


def test_a_verdict_names_the_register_that_it_was_judged_by_and_so_does_its_revision(
    engine: Engine, tmp_path: Path
) -> None:
    world, first = World(engine, tmp_path), now(engine)
    world.send(*(day for day in range(40, 0, -1) if day not in (4, 3, 2)))
    world.judge.judge()
    raise_the_contract(engine)
    world.send(4, 3, 2)
    world.later(3)
    world.judge.judge()

    assert [(one.revision, one.register_digest) for one in world.availability()] == [
        (0, first.digest),
        (1, now(engine).digest),
    ]
    with engine.connect() as connection:
        assert register_digest.kept(connection, first.digest) == first
        assert register_digest.kept(connection, now(engine).digest) == now(engine)


def test_the_page_of_a_verdict_says_what_was_edited_since(world: World) -> None:
    world.judge.judge()
    (before,) = world.availability()
    client = Client(create_app(web_context(world.engine, world.server)))
    untouched = client.get(f"/verdicts/{before.id}").text
    raise_the_contract(world.engine)
    world.later(DAY)
    world.judge.judge()

    page = client.get(f"/verdicts/{before.id}").text

    assert before.register_digest in untouched
    assert "đã được sửa từ đó" not in untouched
    assert "đã được sửa từ đó" in page
    assert "đường truyền và hợp đồng" in page


def pack_of(world: World) -> bytes:
    plan = next(plan for plan in world.judge.plans if any(one.id == "T1" for one in plan.targets))
    target = next(one for one in plan.targets if one.id == "T1")
    out, ledger = io.BytesIO(), world.server.ingest.ledger
    with world.engine.connect() as connection:

        def read(site: str, signal: str, first: int, end: int) -> bytes:
            return ledger.read(connection, site, [signal], first, end)[signal]

        write_pack(out, connection, plan, target, window_of(target, TODAY), read, world.judge.calendar())
    return out.getvalue()


def told(data: bytes, path: Path) -> tuple[list[str], list[str]]:
    path.write_bytes(data)
    return recompute.registers(recompute.Pack(path))


def altered(data: bytes, name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for one in old.namelist():
            new.writestr(one, old.read(one).replace(b"line 1 ", b"line 2 ") if one == name else old.read(one))
    return out.getvalue()


def test_a_pack_says_that_its_verdict_was_issued_by_another_register(world: World, tmp_path: Path) -> None:
    world.judge.judge()
    digest = now(world.engine).digest
    honest = told(pack_of(world), tmp_path / "a.zip")
    raise_the_contract(world.engine)
    data = pack_of(world)

    wrong, changed = told(data, tmp_path / "b.zip")

    assert honest == ([], [])
    assert wrong == []
    assert [one.rsplit(": ", 1)[1] for one in changed] == ["line"]
    assert told(altered(data, "digests/register.txt"), tmp_path / "c.zip")[0] != []
    assert told(altered(data, f"digests/register-{digest}.txt"), tmp_path / "d.zip")[0] != []


def test_the_digest_that_leaves_the_server_covers_the_register(tmp_path: Path) -> None:
    engine = database.open_database(tmp_path / "a.db")
    register(engine, ["s1", "s2"])
    province = Province(tmp_path / "a.db")
    with database.writing(province.engine) as connection:
        connection.execute(insert(schema.line).values(**LINE))
        make_proof(connection, day_of(TODAY), 1)
    then = now(engine)
    raise_the_contract(engine)
    with province.engine.connect() as connection:
        whole = broken_proofs(connection)
    with database.writing(province.engine) as connection:  # as though it had been so all the time
        register_digest.keep(connection, now(engine), 2)
        connection.execute(update(schema.day_proof).values(register_digest=now(engine).digest))

    with province.engine.connect() as connection:
        assert broken_proofs(connection) == [day_of(TODAY)]
        assert register_digest.kept(connection, then.digest) == then
    assert whole == []
    province.engine.dispose()
    engine.dispose()


def test_a_state_that_was_altered_is_no_state(engine: Engine) -> None:
    found = now(engine)
    with database.writing(engine) as connection:
        register_digest.keep(connection, found, 1)
        connection.execute(update(schema.register_state).values(text=found.text.replace("line 1", "line 2")))

    with engine.connect() as connection:
        assert register_digest.kept(connection, found.digest) is None


def test_a_verdict_names_what_it_was_judged_by_though_it_was_edited_meanwhile(world: World) -> None:
    before = now(world.engine)
    world.judge.judge()
    with database.writing(world.engine) as connection:
        connection.execute(delete(schema.issued))

    def judging(_plan: Plan, _end: int, _sites: frozenset[str] | None) -> Sequence[Verdict]:
        raise_the_contract(world.engine)
        return world.judge.verdicts[:1]

    with world.engine.connect() as connection:
        connection.execute(select(schema.line)).all()  # what judging begins with
        rows = issued.issue(connection, world.judge.plans[:1], TODAY, 1, judging)

    assert [row["register_digest"] for row in rows] == [before]
    assert now(world.engine) != before
