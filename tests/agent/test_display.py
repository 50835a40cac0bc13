"""Boards and displays by data-described frames: each family, what goes wrong with it, and that it is only ever asked."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.agent.emulated_display import PORTS, SPOKEN, Display, EmulatedDisplay
from tests.agent.emulated_projector import EmulatedProjector, Projector
from tests.agent.probe_fakes import deaf
from tests.ports import free_port

from schoolbeat_agent import inventory
from schoolbeat_agent.displays import FOLDER, conversation, families, frames
from schoolbeat_agent.displays.frames import Question, UnknownFamily
from schoolbeat_agent.displays.patience import USUAL, Patience
from schoolbeat_agent.observation import Observation, ProbeFailed, Run, State
from schoolbeat_agent.probes import display
from schoolbeat_agent.probes.display import DisplayTarget
from schoolbeat_agent.probes.pjlink import PjlinkTarget
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.runner import measure
from schoolbeat_agent.settings import Settings, SettingsError, load
from schoolbeat_agent.table import lines_of
from schoolbeat_agent.watch import Watch
from schoolbeat_wire.catalogue import READINGS
from schoolbeat_wire.inventory import Column

SIGNAL = "device.b-1"
QUICK = Patience(0.3, 0.4, 0.4, again_seconds=0.05)  # for what never comes
AT_ONCE = Patience(again_seconds=0.05)  # tried again
# Clients by other authors, in an environment of their own, that ask the same emulators.
OTHER_PYTHON = Path(
    os.environ.get("SCHOOLBEAT_OTHER_CLIENTS", Path(__file__).parents[2] / "build/other-clients/bin/python")
)
OTHER_CLIENTS = Path(__file__).parents[1] / "other_display_clients.py"


def observe(served: EmulatedDisplay, own_id: str = "", patience: Patience = USUAL) -> Observation:
    target = DisplayTarget("b-1", served.address, served.display.family + own_id, served.port, patience)
    return asyncio.run(display.probe(target, World()))


def told(**readings: float) -> dict[tuple[str, str], float]:
    return {(SIGNAL, name): value for name, value in readings.items()}


# --- the data --------------------------------------------------------------------------------------------------


def test_there_is_an_emulated_display_of_each_family() -> None:
    assert set(families()) == set(SPOKEN) == set(PORTS)
    assert {name: frames.load(name).port for name in families()} == PORTS


@pytest.mark.parametrize("name", families())
def test_every_fact_has_its_source_and_says_how_sure_it_is(name: str) -> None:
    family = frames.load(name)

    assert len(family.source) > 20
    assert "not against a device of ours" in family.verified
    assert all(len(question.source) > 10 for question in family.questions)
    assert family.ids[0] <= family.id <= family.ids[1]
    for question in family.questions:
        assert question.value in ("decimal", "hex", "word", "number", "flags")
        assert not question.reading or question.reading in READINGS


@pytest.mark.parametrize("name", families())
def test_the_data_has_no_words_that_are_not_read(name: str) -> None:
    read = tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))

    top = {"name", "grammar", "port", "id", "ids", "source", "verified", "text", "mute_in_standby"}
    assert set(read) <= top | {"hello", "frames", "question"}
    assert set(read["frames"]) <= {"starts", "ends", "length_at", "beyond", "checksum", "refusals", "locked"}
    for question in read["question"]:
        assert set(question) <= set(Question.__dataclass_fields__)


# What the makers' documents call a question, written here once more and in another way than the agent does.
ASKED = {
    "samsung-mdc": re.compile(rb"\xaa.[\x00-\xfe]\x00.", re.DOTALL),
    "benq-board": re.compile(rb"(8\d\dg.000|:\d\dgv00000)\r"),
    "viewsonic-board": re.compile(rb"8\d\dg.000\r"),
    "maxhub": re.compile(rb":\d\dG.000\r"),
    "benq-projector": re.compile(rb"\r\*(pow|ltim)=\?#\r"),
    "epson-escvp": re.compile(rb"(PWR|ERR|LAMP|SOURCE)\?\r"),
    "lg": re.compile(rb"(ka|xb|dl|dp) [0-9a-f]{2} FF\r"),
}


@pytest.mark.parametrize("name", families())
def test_no_frame_in_the_data_can_change_anything(name: str) -> None:
    family = frames.load(name)

    for question, display_id in itertools.product(family.questions, family.ids):
        assert ASKED[name].fullmatch(frames.encode(family, question, display_id))


@pytest.mark.parametrize(
    ("name", "send"),
    [
        ("samsung-mdc", "AA 11 {id} 01 00 {sum}"),
        ("samsung-mdc", "AA 11 {id} 00 {sum} 00"),
        ("benq-board", "8{id2}s!002\r"),
        ("viewsonic-board", "8{id2}s!000\r"),
        ("maxhub", ":{id2}S0002\r"),
        ("benq-projector", "\r*pow=off#\r"),
        ("benq-projector", "\r*pow=?#\r*pow=off#\r"),
        ("epson-escvp", "PWR OFF\r"),
        ("epson-escvp", "PWR OFF\rPWR?\r"),
        ("lg", "ka {idx} 00\r"),
        ("lg", "mc {idx} FF\r"),
    ],
)
def test_a_command_in_the_data_is_refused_before_it_leaves(name: str, send: str) -> None:
    family = frames.load(name)

    with pytest.raises(ValueError, match="is no question"):
        frames.encode(family, replace(family.questions[0], send=send), 1)


def test_a_hello_other_than_the_known_one_is_refused() -> None:
    read: dict[str, Any] = tomllib.loads((FOLDER / "epson-escvp.toml").read_text("utf-8"))
    read["hello"]["send"] = b"PWR OFF\r".hex()

    with pytest.raises(ValueError, match="not the hello"):
        frames.parse(read)


# --- what answers mean -----------------------------------------------------------------------------------------


def meaning(name: str, reading: str, frame: bytes, display_id: int = 1) -> float | None:
    """What one frame says of a reading."""
    family = frames.load(name)
    question = next(question for question in family.questions if question.reading == reading)
    assert frames.frame_size(family, frame) == len(frame)
    raw = frames.told(family, question, display_id, frames.body(family, frame))
    return frames.value_of(question, raw) if raw is not None else None


@pytest.mark.parametrize(
    ("name", "reading", "frame", "value"),
    [
        # as the makers' documents print them
        ("samsung-mdc", "power_state", bytes.fromhex("AA FF 01 03 41 11 01 56"), 1),
        ("samsung-mdc", "power_state", bytes.fromhex("AA FF 00 03 41 11 00 54"), 0),
        ("samsung-mdc", "power_state", bytes.fromhex("AA FF 00 03 41 11 09 5D"), None),
        ("samsung-mdc", "on_hours", bytes.fromhex("AA FF 01 04 41 83 1C EC D0"), 1234),
        ("samsung-mdc", "on_hours", bytes.fromhex("AA FF 01 06 41 83 00 01 1C EC D3"), 12156),
        ("samsung-mdc", "error_flags", bytes.fromhex("AA FF 01 08 41 0D 01 01 00 00 29 01 82"), 8 + 32 + 2),
        ("samsung-mdc", "error_flags", bytes.fromhex("AA FF 01 03 41 0D 01 52"), None),
        ("viewsonic-board", "power_state", b"801rl001\r", 1),
        ("viewsonic-board", "power_state", b"801rl000\r", 0),
        ("viewsonic-board", "power_state", b"801rb067\r", None),
        ("viewsonic-board", "input_source", b"801rj00A\r", 10),
        ("benq-board", "power_state", b"801rl002\r", 0),
        ("benq-board", "on_hours", b":01rv01234\r", 1234),
        ("benq-board", "on_hours", b":01rvABCDE\r", None),
        ("benq-projector", "power_state", b"\r\n*POW=ON#"[2:], 1),
        ("benq-projector", "power_state", b"*pow=off#", 0),
        ("benq-projector", "power_state", b">*pow=?#", None),
        ("benq-projector", "lamp_hours", b"*LTIM=852#", 852),
        ("epson-escvp", "power_state", b"PWR=01:", 1),
        ("epson-escvp", "lamp_hours", b"LAMP=852\r:", 852),
        ("epson-escvp", "lamp_hours", b"LAMP=852 1900\r:", 1900),
        ("epson-escvp", "error_flags", b"ERR=04\r:", 32),
        ("epson-escvp", "error_flags", b"ERR=1E\r:", 2048),
        ("epson-escvp", "error_flags", b"ERR\r:", None),
        ("epson-escvp", "input_source", b"SOURCE=30\r:", 48),
        ("lg", "power_state", b"a 01 OK01x", 1),
        ("lg", "power_state", b"ka 01 FF\ra 01 OK00x", 0),
        ("lg", "power_state", b"a 02 OK01x", None),
        ("lg", "on_hours", b"l 01 OK04d2x", 1234),
        ("lg", "error_flags", b"p 01 OK00x", 8),
        ("lg", "error_flags", b"p 01 OK02x", None),
        ("maxhub", "", b":01r0001\r", None),
    ],
)
def test_a_frame_means_what_its_makers_document_says(
    name: str, reading: str, frame: bytes, value: float | None
) -> None:
    assert meaning(name, reading, frame) == value


def test_a_wrong_checksum_and_a_strange_beginning_are_no_frames() -> None:
    family = frames.load("samsung-mdc")

    with pytest.raises(ValueError, match="checksum"):
        frames.body(family, bytes.fromhex("AA FF 01 03 41 11 01 57"))
    with pytest.raises(ValueError, match="does not begin"):
        frames.frame_size(family, b"HTTP/1.1 400")


def test_a_figure_in_parts_needs_each_of_them_in_turn() -> None:
    assert frames.joined([b"100", b"212", b"334", b"456"]) == b"00123456"
    assert frames.joined([b"100", b"334", b"212", b"456"]) is None


@pytest.mark.parametrize("name", families())
def test_whatever_bytes_come_nothing_else_is_raised_and_no_number_is_out_of_bounds(name: str) -> None:
    family, random_bytes = frames.load(name), random.Random(7)
    alphabet = b"\xaa\xff\x01\x03A\x118r-gl:0159x# \r=?*POWER" + bytes(range(256))

    for _ in range(3_000):
        data = bytes(random_bytes.choices(alphabet, k=random_bytes.randrange(40)))
        try:
            size = frames.frame_size(family, data)
            said = frames.body(family, data[:size]) if size else b""
        except ValueError:
            continue
        for question in family.questions:
            raw = frames.told(family, question, 1, said)
            value = frames.value_of(question, raw) if raw is not None else None
            assert value is None or READINGS[question.reading].low <= value <= READINGS[question.reading].high


# --- each family, well -----------------------------------------------------------------------------------------

EVERYTHING = {
    "samsung-mdc": {"power_state": 1, "input_source": 0x21, "error_flags": 0, "on_hours": 1234},
    "benq-board": {"power_state": 1, "input_source": 33, "on_hours": 1234},
    "viewsonic-board": {"power_state": 1, "input_source": 0x33, "on_hours": 1234},
    "maxhub": {},
    "benq-projector": {"power_state": 1, "lamp_hours": 1234},
    "epson-escvp": {"power_state": 1, "error_flags": 0, "lamp_hours": 1234, "input_source": 0x21},
    "lg": {"power_state": 1, "on_hours": 1234, "error_flags": 0, "input_source": 0x21},
}


@pytest.mark.parametrize("split", [False, True], ids=["whole", "one byte at a time"])
@pytest.mark.parametrize("name", families())
def test_a_display_that_is_on_tells_everything_and_is_only_asked(name: str, split: bool) -> None:
    with EmulatedDisplay(Display(name, one_byte_at_a_time=split)) as served:
        seen = observe(served)

    place = f"{frames.load(name).name} 127.0.0.1:{served.port}"
    assert seen == Observation({SIGNAL: State.UP}, told(**EVERYTHING[name]), {}, {SIGNAL: place})
    assert served.heard.frames
    assert (served.heard.changed, served.sessions) == ([], 1)


@pytest.mark.parametrize("name", sorted(set(families()) - {"maxhub"}))
def test_a_display_in_standby_is_up_and_not_down(name: str) -> None:
    with EmulatedDisplay(Display(name, on=False)) as served:
        seen = observe(served)

    assert seen.states == {SIGNAL: State.UP}
    assert seen.readings[SIGNAL, "power_state"] == 0


@pytest.mark.parametrize("name", families())
def test_a_refusal_is_an_answer_without_a_reading(name: str) -> None:
    with EmulatedDisplay(Display(name, refuses=("power", "hours"))) as served:
        seen = observe(served)

    readings = {key: value for key, value in EVERYTHING[name].items() if key in ("input_source", "error_flags")}
    assert (seen.states, seen.readings) == ({SIGNAL: State.UP}, told(**readings))


def test_faults_become_the_same_bits_as_a_projectors() -> None:
    with EmulatedDisplay(Display("samsung-mdc", errors=("lamp", "fan"))) as served:
        by_mdc = observe(served)
    with EmulatedDisplay(Display("epson-escvp", errors=("temperature",))) as served:
        by_escvp = observe(served)

    assert by_mdc.readings[SIGNAL, "error_flags"] == 8 + 2
    assert by_escvp.readings[SIGNAL, "error_flags"] == 32


@pytest.mark.parametrize("name", ["samsung-mdc", "viewsonic-board", "lg"])
def test_a_display_with_an_id_of_its_own_is_asked_by_it(name: str) -> None:
    with EmulatedDisplay(Display(name, id=12)) as served:
        seen = observe(served, ":12")

    assert seen.readings == told(**EVERYTHING[name])


@pytest.mark.parametrize("quirk", [{"family": "benq-projector", "prompt": True}, {"family": "lg", "echo": True}])
def test_a_prompt_and_an_echo_are_no_answers(quirk: dict[str, Any]) -> None:
    with EmulatedDisplay(Display(**quirk)) as served:
        seen = observe(served)

    assert seen.readings == told(**EVERYTHING[quirk["family"]])


def test_another_client_that_was_just_there_is_waited_for() -> None:
    with EmulatedDisplay(Display("samsung-mdc", refused_sessions=1)) as served:
        seen = observe(served, patience=AT_ONCE)

    assert (seen.states, served.sessions) == ({SIGNAL: State.UP}, 2)


def test_one_that_always_hangs_up_is_neither_up_nor_down() -> None:
    with EmulatedDisplay(Display("samsung-mdc", refused_sessions=9)) as served:
        seen = observe(served, patience=AT_ONCE)

    assert (seen.states, seen.causes, served.sessions) == ({SIGNAL: State.UNSEEN}, {}, 2)


def test_an_epson_that_takes_no_questions_now_is_up() -> None:
    with EmulatedDisplay(Display("epson-escvp", hello_code=0x45)) as served:
        seen = observe(served)

    assert (seen.states, seen.readings) == ({SIGNAL: State.UP}, {})
    assert "0x45" in seen.notes[SIGNAL]


# --- each family, not well -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", families())
def test_silence_is_down_or_where_standby_is_silent_unseen(name: str) -> None:
    with EmulatedDisplay(Display(name, silent=True)) as served:
        seen = observe(served, patience=QUICK)

    if name == "lg":
        assert (seen.states, seen.causes) == ({SIGNAL: State.UNSEEN}, {})
    else:
        assert (seen.states, seen.causes) == ({SIGNAL: State.DOWN}, {SIGNAL: "timeout"})
    assert seen.readings == {}


@pytest.mark.parametrize("name", families())
def test_a_flood_is_cut_off(name: str) -> None:
    with EmulatedDisplay(Display(name, flood=True)) as served:
        seen = observe(served, patience=AT_ONCE)

    assert seen.states == {SIGNAL: State.DOWN}
    assert seen.causes[SIGNAL] in ("too_much", "bad_answer")


@pytest.mark.parametrize("name", families())
def test_what_is_not_its_language_is_a_bad_answer(name: str) -> None:
    web = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0 #:x\r\n\r\n" * 4

    with EmulatedDisplay(Display(name, sent_instead=web)) as served:
        seen = observe(served, patience=QUICK)

    assert (seen.states, seen.causes) == ({SIGNAL: State.DOWN}, {SIGNAL: "bad_answer"})


@pytest.mark.parametrize("name", families())
def test_a_frame_that_never_ends_is_no_silence(name: str) -> None:
    begun = {"samsung-mdc": b"\xaa\xff\x01", "epson-escvp": b"ESC/VP"}

    with EmulatedDisplay(Display(name, sent_instead=begun.get(name, b"801"))) as served:
        seen = observe(served, patience=QUICK)

    assert seen.states == {SIGNAL: State.DOWN}
    assert seen.causes[SIGNAL] == ("timeout" if name == "epson-escvp" else "bad_answer")


def test_a_display_whose_plug_is_out_is_down() -> None:
    with deaf() as port:
        out = asyncio.run(display.probe(DisplayTarget("b-1", "127.0.0.1", "lg", port, QUICK), World()))
    closed = asyncio.run(display.probe(DisplayTarget("b-1", "127.0.0.1", "benq-board", free_port(), QUICK), World()))

    assert (out.states, out.causes) == ({SIGNAL: State.DOWN}, {SIGNAL: "timeout"})
    assert (closed.states, closed.causes) == ({SIGNAL: State.DOWN}, {SIGNAL: "refused"})


@pytest.mark.parametrize("locked", [Display("samsung-mdc", locked=True), Display("epson-escvp", hello_code=0x41)])
def test_one_behind_a_password_is_a_failed_measurement(locked: Display) -> None:
    with EmulatedDisplay(locked) as served, pytest.raises(ProbeFailed) as failed:
        observe(served)

    assert failed.value.cause == "auth_failed"


@pytest.mark.parametrize(
    "profile", ["", "sony", "lg:", "../lg", "samsung-mdc:255", "viewsonic-board:0", "epson-escvp:3"]
)
def test_a_profile_that_is_not_known_is_told_with_those_that_are(profile: str) -> None:
    with pytest.raises(ProbeFailed) as failed:
        asyncio.run(display.probe(DisplayTarget("b-1", "127.0.0.1", profile), World()))

    assert failed.value.cause == "not_configured"
    assert repr(profile) in failed.value.detail
    assert "samsung-mdc" in failed.value.detail or "id " in failed.value.detail


def test_a_family_that_is_none_is_never_loaded() -> None:
    with pytest.raises(UnknownFamily, match="benq-board"):
        frames.load("../../secrets")


def test_discovery_learns_which_language_a_display_speaks() -> None:
    with EmulatedDisplay("benq-board") as board, EmulatedDisplay(Display("samsung-mdc", locked=True)) as locked:
        right = asyncio.run(conversation.speaks("benq-board", board.address, board.port))
        wrong = asyncio.run(conversation.speaks("lg", board.address, board.port, patience=Patience(first_seconds=0.5)))
        shut = asyncio.run(conversation.speaks("samsung-mdc", locked.address, locked.port))

    assert right is not None
    assert right.readings == EVERYTHING["benq-board"]
    assert wrong is None
    assert shut is not None
    assert "secured protocol" in shut.note


# --- other authors' clients ------------------------------------------------------------------------------------


def test_other_authors_clients_read_the_same_of_the_emulators() -> None:
    if not OTHER_PYTHON.exists():
        pytest.skip(
            f"no {OTHER_PYTHON}: python3 -m venv build/other-clients && build/other-clients/bin/pip install "
            "aiopjlink==1.0.5 python-samsung-mdc epson-projector benqprojector, or name its python in "
            "SCHOOLBEAT_OTHER_CLIENTS"
        )
    projector = Projector(password="right", lamps=((1200, 1), (1450, 0)))
    with (
        EmulatedProjector(projector) as pjlink,
        EmulatedDisplay("samsung-mdc") as mdc,
        EmulatedDisplay("epson-escvp") as escvp,
        EmulatedDisplay("benq-projector") as benq,
    ):
        ports = [str(served.port) for served in (pjlink, mdc, escvp, benq)]
        command = [str(OTHER_PYTHON), str(OTHER_CLIENTS), *ports]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert json.loads(done.stdout) == {
        "pjlink": {"power": "1", "lamp_hours": [1200, 1450], "manufacturer": "EPSON"},
        "samsung-mdc": {"power": 1, "source": 0x21, "ten_minutes": 1234 * 6, "lamp": 0, "degrees": 41},
        "epson-escvp": {"PWR": "01", "LAMP": "1234", "SOURCE": "21"},
        "benq-projector": {"pow": "on", "ltim": "1234"},
    }


@pytest.mark.parametrize("name", families())
def test_the_emulated_displays_run_as_programs_too(name: str) -> None:
    port = free_port()
    script = Path(__file__).with_name("emulated_display.py")
    command = [sys.executable, str(script), name, "127.0.0.1", str(port), "--state", "0"]

    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"emulated {name} on 127.0.0.1:{port}\n"
        seen = asyncio.run(display.probe(DisplayTarget("b-1", "127.0.0.1", name, port), World()))
    finally:
        process.terminate()
        process.communicate(timeout=20)

    assert seen.states == {SIGNAL: State.UP}


# --- what is watched -------------------------------------------------------------------------------------------

ROOM = """
site = "th-a"
folder = "state"
[broker]
host = "mqtt.example.vn"
[[device]]
id = "p-1"
address = "127.0.0.1"
kind = "projector"
room = "7A1"
ask = "pjlink"
port = {pjlink}
credential = "projectors"
[[device]]
id = "b-1"
address = "127.0.0.1"
kind = "board"
room = "7A2"
ask = "display"
profile = "samsung-mdc:1"
port = {mdc}
"""


def room(tmp_path: Path, pjlink: int = 4352, mdc: int = 1515) -> Settings:
    for name, text in {
        "agent.toml": ROOM.format(pjlink=pjlink, mdc=mdc),
        "secrets.toml": '[[credential]]\nname = "projectors"\npassword = "right"\n',
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    return load(tmp_path / "agent.toml")


def watched(settings: Settings) -> list[Watch]:
    return [watch for watch in inventory.watches(settings) if watch.probe in ("pjlink", "display")]


def test_a_room_with_a_projector_and_a_board_is_watched(tmp_path: Path) -> None:
    settings = room(tmp_path)
    projector, board = watched(settings)

    assert projector.target == PjlinkTarget("p-1", "127.0.0.1", 4352, "right", "projectors")
    assert board.target == DisplayTarget("b-1", "127.0.0.1", "samsung-mdc:1", 1515)
    assert [(watch.signals, watch.every_seconds, watch.learns) for watch in (projector, board)] == [
        (("device.p-1",), 60, True),
        (("device.b-1",), 60, True),
    ]
    holds = inventory.holds(settings, [projector, board])
    assert holds == {"device.p-1": 300, "device.b-1": 300}
    assert all(
        hold > 2 * 60 + watch.timeout_seconds for hold, watch in zip(holds.values(), (projector, board), strict=True)
    )


def test_what_they_turn_out_to_tell_joins_the_inventory(tmp_path: Path) -> None:
    with EmulatedProjector(Projector(password="right")) as projector, EmulatedDisplay("samsung-mdc") as board:
        settings = room(tmp_path, projector.port, board.port)
        watches = watched(settings)
        runs = [asyncio.run(measure(watch, World(), watch.timeout_seconds, lambda: 0.0)) for watch in watches]

    assert [run.observation.states if isinstance(run, Run) and run.observation else run for run in runs] == [
        {"device.p-1": State.UP},
        {"device.b-1": State.UP},
    ]
    offered = {
        watch.name: list(run.observation.readings) for watch, run in zip(watches, runs, strict=True) if run.observation
    }
    made = inventory.of(settings, watches, "1.0", offered)
    assert made.signals == ["device.p-1", "device.b-1"]
    assert made.columns[:6] == [
        Column("power_state", ["device.p-1", "device.b-1"]),
        Column("input_source", ["device.p-1", "device.b-1"]),
        Column("error_flags", ["device.p-1", "device.b-1"]),
        Column("lamp_hours", ["device.p-1"]),
        Column("filter_hours", ["device.p-1"]),
        Column("on_hours", ["device.b-1"]),
    ]


def test_a_technician_reads_words_and_not_codes(tmp_path: Path) -> None:
    with (
        EmulatedProjector(Projector(password="right", errors="020010", power="2")) as projector,
        EmulatedDisplay(Display("samsung-mdc", on=False)) as board,
    ):
        watches = watched(room(tmp_path, projector.port, board.port))
        runs = [asyncio.run(measure(watch, World(), watch.timeout_seconds, lambda: 0.0)) for watch in watches]

    lines = [line for watch, run in zip(watches, runs, strict=True) for line in lines_of(watch, run, {}, "vi")]
    assert [(line.mark, line.what, line.cause) for line in lines] == [("✓", "p-1", ""), ("✓", "b-1", "")]
    assert "nguồn: đang nguội" in lines[0].value
    assert "lỗi thiết bị báo: đèn lỗi, lưới lọc cảnh báo" in lines[0].value
    assert "nguồn: chờ" in lines[1].value


def test_a_profile_that_is_not_known_is_refused_at_start(tmp_path: Path) -> None:
    room(tmp_path)
    path = tmp_path / "agent.toml"
    path.write_text(path.read_text().replace("samsung-mdc:1", "sony"))

    with pytest.raises(SettingsError, match=r"device\[2\]\.profile = 'sony'.*một trong.*viewsonic-board"):
        load(path)


def test_a_wrong_name_of_a_credential_is_a_failed_measurement(tmp_path: Path) -> None:
    room(tmp_path)
    path = tmp_path / "agent.toml"
    path.write_text(path.read_text().replace('"projectors"', '"others"'))
    (projector, _) = watched(load(path))

    run = asyncio.run(measure(projector, World(), 20, lambda: 0.0))

    assert (run.failure, run.observation) == ("not_configured", None)
    assert "'others'" in run.detail
