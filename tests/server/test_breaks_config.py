"""What the register lets in, every agent can use: one strange or large entry must not leave a site unwatched."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine

from schoolbeat_agent import config_file, inventory, settings
from schoolbeat_server import configs, enrol
from schoolbeat_server.database import open_database
from schoolbeat_server.register import RegisterError, load
from schoolbeat_wire import messages as wire

GROUND = """
areas:
  - {id: lc, name: Tỉnh, kind: tỉnh}
schools:
  - {id: t, name: Trường, area: lc}
sites:
  - {id: a-1, school: t, name: Điểm, kind: chính}
rooms:
  - {id: p, site: a-1, name: Phòng}
"""


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = open_database(tmp_path / "register.db")
    (tmp_path / "r.yaml").write_text(GROUND, encoding="utf-8")
    load(engine, tmp_path / "r.yaml")
    enrol.add_agent(engine, "a-1", now_ms=5)
    return engine


def put(engine: Engine, folder: Path, section: str, rows: list[dict[str, object]]) -> None:
    (folder / "more.yaml").write_text(yaml.safe_dump({section: rows}, allow_unicode=True), encoding="utf-8")
    load(engine, folder / "more.yaml")


def as_the_agent_takes_it(engine: Engine, folder: Path) -> wire.Config:
    """Through the wire, into the agent's own checks. WireError when it refuses."""
    with engine.connect() as connection:
        config = configs.of_agents(connection, "ab" * 8, day="2026-11-20")["a-1", "gateway"]
    received = wire.decode_config(wire.encode(config))
    config_file.check(received)
    (folder / "agent.toml").write_text(
        f'site = "a-1"\nfolder = "{folder}"\n[broker]\nhost = "127.0.0.1"\n', encoding="utf-8"
    )
    laid = config_file.laid_over(settings.load(folder / "agent.toml"), received)
    inventory.of(laid, inventory.watches(laid), "1")
    return received


def test_a_site_with_many_devices_of_long_names_is_watched(engine: Engine, tmp_path: Path) -> None:
    long = "ệ" * 200
    rows = [
        {"site": "a-1", "id": f"thiet-bi-{n:04}", "name": long, "room": "p", "address": f"10.1.{n // 250}.{n % 250}"}
        for n in range(900)
    ]
    put(engine, tmp_path, "devices", rows)

    assert len(as_the_agent_takes_it(engine, tmp_path).devices) == 900


def test_names_go_with_the_config_when_there_is_room(engine: Engine, tmp_path: Path) -> None:
    put(
        engine,
        tmp_path,
        "devices",
        [{"site": "a-1", "id": "ap", "name": "Bộ phát", "room": "p", "address": "10.1.1.1"}],
    )

    (device,) = as_the_agent_takes_it(engine, tmp_path).devices

    assert (device.name, device.room) == ("Bộ phát", "Phòng")


@pytest.mark.parametrize(
    ("section", "row", "fault"),
    [
        ("devices", {"site": "a-1", "id": "d", "address": "may-in.truong.local"}, "allowed is an IP address"),
        ("services", {"id": "s", "name": "S", "url": "https://x.vn/" + "a" * 300}, "at most 200 characters"),
        ("services", {"id": "s", "name": "S", "url": "https://x.vn/trường"}, "at most 200 characters"),
        ("services", {"id": "s", "name": "S", "url": "https://x.vn:99999/"}, "http(s) address"),
    ],
)
def test_what_the_agent_would_refuse_the_register_refuses_first(
    engine: Engine, tmp_path: Path, section: str, row: dict[str, object], fault: str
) -> None:
    with pytest.raises(RegisterError) as caught:
        put(engine, tmp_path, section, [row])

    assert fault in caught.value.faults[0].text("en")


def test_more_devices_than_a_site_can_have_watched_are_refused(engine: Engine, tmp_path: Path) -> None:
    rows = [{"site": "a-1", "id": f"d{n}", "address": f"10.1.{n // 250}.{n % 250}"} for n in range(901)]

    with pytest.raises(RegisterError) as caught:
        put(engine, tmp_path, "devices", rows)

    assert "at most 900" in caught.value.faults[0].text("en")


def test_a_device_behind_one_without_an_address_is_watched(engine: Engine, tmp_path: Path) -> None:
    rows = [
        {"site": "a-1", "id": "sw", "kind": "switch"},
        {"site": "a-1", "id": "ap", "address": "10.1.1.1", "behind": "device.sw"},
    ]
    put(engine, tmp_path, "devices", rows)

    assert [device.id for device in as_the_agent_takes_it(engine, tmp_path).devices] == ["ap"]
