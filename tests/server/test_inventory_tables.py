"""The reconciliation as tables, over a real ledger and register; and packs and tables over HTTP and the command line."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import openpyxl
import pytest
from sqlalchemy import delete, insert, select
from tests.server import synthetic
from tests.server.synthetic import NOW_MS, Made
from tests.server.test_web import Client

from schoolbeat_server import inventory_tables, schema
from schoolbeat_server.cli import main
from schoolbeat_server.database import writing
from schoolbeat_server.inventory_tables import GHOST_DAYS, Inventory, Refused, by_area, by_school, missing, things
from schoolbeat_server.report_jobs import Desk
from schoolbeat_server.school_calendar import SchoolCalendar, day_of, first_minute_of
from schoolbeat_server.sums import Sums
from schoolbeat_server.tables import Table, pairs
from schoolbeat_server.web.app import create_app
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire.catalogue import UNKNOWN

SITE = "t5"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """t5: a (registered and booked) answers, b never did, c was never asked, d is in the agent's list alone, an asset
    row of forty chairs, and two rows with one serial number."""
    made = synthetic.make(tmp_path_factory.mktemp("inventory") / "schoolbeat.db", 8)
    today = first_minute_of(day_of(NOW_MS // 60_000))
    rows = bytes(code for at in range(2_880) for code in (60 if at == 99 else 0, 0, UNKNOWN))
    signals = ("device.a", "device.b", "device.c")
    made.ledger.merge(SITE, "gw", "r", signals, range(today - 2_880, today), rows)
    told = inventories.with_revision(
        inventories.Inventory(
            revision="",
            signals=["device.d"],
            columns=[],
            probes=[],
            devices=[inventories.Device("a", "", "board"), inventories.Device("d", "Camera cổng", "camera")],
        )
    )
    with writing(made.engine) as connection:
        for table in (schema.device, schema.inventory):
            connection.execute(delete(table).where(table.c.site == SITE))
        devices = [{"site": SITE, "id": one, "name": one.upper(), "kind": "board", "address": ""} for one in "abc"]
        connection.execute(insert(schema.device), devices)
        assets: list[dict[str, object]] = [
            {"site": SITE, "code": "TS1", "name": "Bảng", "device": "a", "serial": "", "quantity": 1},
            {"site": SITE, "code": "TS2", "name": "Ghế", "device": None, "serial": "", "quantity": 40},
            {"site": SITE, "code": "TS3", "name": "Loa", "device": None, "serial": "S9", "quantity": 1},
            {"site": SITE, "code": "TS4", "name": "Loa", "device": None, "serial": "S9", "quantity": 1},
        ]
        connection.execute(insert(schema.asset), assets)
        connection.execute(
            insert(schema.inventory).values(
                site=SITE,
                agent="gateway",
                revision=told.revision,
                payload=inventories.encode(told),
                received_ms=NOW_MS,
            )
        )
    return made


def gathered(made: Made, school: str = "", area: str = "") -> Inventory:
    with made.engine.connect() as connection, made.engine.connect() as summed:
        return inventory_tables.gather(connection, Sums(summed, made.ledger, SchoolCalendar()), NOW_MS, school, area)


def school_of(made: Made) -> str:
    with made.engine.connect() as connection:
        return str(connection.scalar(select(schema.site.c.school).where(schema.site.c.id == SITE)))


def dicts(table: Table) -> list[dict[str, object]]:
    return [{column.key: cell for cell, column in pairs(table, row)} for row in table.rows]


def test_a_ghost_was_asked_and_never_answered_and_names_the_window(made: Made) -> None:
    found = dicts(things(gathered(made, school_of(made))))

    said = {(one["device"], one["asset"]): one["state"] for one in found}
    assert {key: value.en.partition(":")[0] for key, value in said.items()} == {  # type: ignore[attr-defined]
        ("a", "TS1"): "matched",
        ("b", ""): "ghost",
        ("c", ""): "declared, watched by no agent yet",
        ("d", ""): "stranger",
        ("", "TS2"): "in the asset book alone, tied to no device",
        ("", "TS3"): "in the asset book alone, tied to no device",
        ("", "TS4"): "in the asset book alone, tied to no device",
    }
    (ghost,) = [one for one in found if one["device"] == "b"]
    assert [ghost[key] for key in ("kind", "name", "quantity")] == [("Bảng tương tác", "Interactive board"), "B", 1]
    assert (str(ghost["from"]), str(ghost["to"])) == ("2026-10-22", "2026-11-20")
    assert [one["asset"] for one in found if one["duplicate"].en == "yes"] == ["TS3", "TS4"]  # type: ignore[attr-defined]


def test_a_schools_row_counts_every_thing_and_its_share_on_record(made: Made) -> None:
    (row,) = dicts(by_school(gathered(made, school_of(made))))

    numbers = {key: row[key] for key in ("all", "recorded", "matched", "ghost", "declared", "unseen", "stranger")}
    assert numbers == {
        **{"all": 46, "recorded": 45, "unseen": 42},
        **{"matched": 1, "ghost": 1, "declared": 1, "stranger": 1},
    }
    assert (row["share"], row["duplicates"], row["silent"]) == (Fraction(45, 46), 2, 0)


def test_an_areas_row_is_the_sum_of_its_schools_and_the_province_of_all(made: Made) -> None:
    told = gathered(made)
    schools, areas = dicts(by_school(told)), dicts(by_area(told))

    for key in ("all", "recorded", "ghost", "stranger", "sites", "silent"):
        assert areas[0][key] == sum(int(str(one[key])) for one in schools)
        communes = {one["area"] for one in schools}
        assert areas[0][key] == sum(int(str(one[key])) for one in areas if one["area"] in communes)
    assert areas[0]["area"] == "Tỉnh Lào Cai"


def test_the_missing_list_holds_strangers_alone(made: Made) -> None:
    found = dicts(missing(gathered(made)))

    assert [one["device"] for one in found if one["site"] == gathered(made).sites[SITE].name and one["device"] == "d"]
    assert all(one["state"].en.startswith("stranger") for one in found)  # type: ignore[attr-defined]
    assert len(found) == int(str(dicts(by_area(gathered(made)))[0]["stranger"]))


def test_what_is_not_in_the_register_is_named(made: Made) -> None:
    with pytest.raises(Refused, match="trường 'nowhere'"):
        gathered(made, "nowhere")
    with pytest.raises(Refused, match="địa bàn 'nowhere'"):
        gathered(made, "", "nowhere")


# ---- over HTTP and the command line ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Client:
    folder = tmp_path_factory.mktemp("desk")
    desk = Desk(made.engine, made.ledger, [], folder, lambda: NOW_MS, SchoolCalendar)
    return Client(create_app(synthetic.context(made, reports=desk)))


@pytest.mark.parametrize("table", ["schools", "areas", "things", "missing"])
def test_every_table_is_to_be_had_as_json_csv_and_workbook(made: Made, client: Client, table: str) -> None:
    told = inventory_tables.TABLES[table](gathered(made))

    as_json = client.get(f"/api/v1/inventory/{table}").json()
    as_csv = client.get(f"/api/v1/inventory/{table}?format=csv&lang=en").content.decode("utf-8-sig")
    workbook = openpyxl.load_workbook(BytesIO(client.get(f"/api/v1/inventory/{table}?format=xlsx").content))

    assert len(as_json["rows"]) == len(told.rows) > 0
    assert len(as_csv.splitlines()) == 1 + len(told.rows)
    assert workbook.worksheets[-1].max_row == 1 + len(told.rows)


def test_an_unknown_school_is_refused_over_http(client: Client) -> None:
    answer = client.get("/api/v1/inventory/schools?school=nowhere")

    assert (answer.status_code, answer.json()["detail"]) == (404, "school 'nowhere': not in the register")


def test_the_commands_write_a_pack_and_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    synthetic.make(folder / "schoolbeat.db", 5)
    settings = tmp_path / "server.toml"
    settings.write_text(f'folder = "{folder}"\n')
    command = ["--settings", str(settings), "--lang", "en"]
    zipped, table = tmp_path / "p.zip", tmp_path / "t.csv"

    codes = [
        main([*command, "evidence", "lao-cai-2022-2025", "T2", "2026-11-20", "--out", str(zipped)]),
        main([*command, "inventory", "areas", "--out", str(table)]),
        main([*command, "evidence", "lao-cai-2022-2025", "T99", "2026-11-20"]),
        main([*command, "inventory", "areas", "--school", "nowhere"]),
    ]

    shown = capsys.readouterr()
    assert codes == [0, 0, 1, 1]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["data", "p.zip", "server.toml", "t.csv"]
    assert hashlib.sha256(zipped.read_bytes()).hexdigest() in shown.out
    assert "Share on record" in table.read_text(encoding="utf-8-sig").splitlines()[0]
    assert "T99: lao-cai-2022-2025 has no such target" in shown.err
    assert "school 'nowhere': not in the register" in shown.err


def test_the_note_says_how_long_a_ghost_was_asked() -> None:
    assert f"{GHOST_DAYS} ngày" in inventory_tables.NOTE.vi
