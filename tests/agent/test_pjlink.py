"""Projectors by PJLink: what answers mean, the quirks real ones are known for, search, and emulators of other authors."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.agent.emulated_projector import COOLING, STANDBY, EmulatedProjector, Projector
from tests.agent.probe_fakes import deaf, in_namespace, need_namespaces
from tests.ports import free_port

from schoolbeat_agent.displays import pjlink as protocol
from schoolbeat_agent.displays.patience import USUAL, Patience
from schoolbeat_agent.displays.pjlink import Identity, identify, search
from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes import pjlink
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.pjlink import PjlinkTarget
from schoolbeat_agent.probes.world import World

SIGNAL = "device.p-1"
QUICK = Patience(0.3, 0.4, 0.4, again_seconds=0.05)  # for what never comes
AT_ONCE = Patience(again_seconds=0.05)  # tried again
EMULATOR_TEXT = Path(__file__).with_name("emulated_projector.py")
# An emulator by other authors: PyPI pjlink-advance, for Python 3.13 and later, in an environment of its own.
OTHER_PYTHON = Path(
    os.environ.get("SCHOOLBEAT_PJLINK_ADVANCE", Path(__file__).parents[2] / "build/pjlink-advance/bin/python")
)


def observe(
    served: EmulatedProjector, world: World | None = None, password: str = "", patience: Patience = USUAL
) -> Observation:
    target = PjlinkTarget("p-1", served.address, served.port, password, patience=patience)
    return asyncio.run(pjlink.probe(target, world or World()))


def of(served: EmulatedProjector, **readings: float) -> Observation:
    """The observation of a projector that is up and tells this."""
    told = {(SIGNAL, name): value for name, value in readings.items()}
    return Observation({SIGNAL: State.UP}, told, {}, {SIGNAL: f"{served.address}:{served.port}"})


# --- what answers mean -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("%1POWR=0\r", ("POWR", "0")),
        ("%1powr=0\r", ("POWR", "0")),
        ("\n%1POWR=1\r", ("POWR", "1")),
        ("%2FILT=300\r", ("FILT", "300")),
        ("%1INFO=\r", ("INFO", "")),
        ("%1NAME=Phòng 7A1\r", ("NAME", "Phòng 7A1")),
        ("%1POWR 1\r", None),
        ("PJLINK ERR1\r", None),
        ("\r", None),
    ],
)
def test_a_line_is_read_in_any_case_and_with_any_line_end(line: str, meaning: tuple[str, str] | None) -> None:
    assert protocol.parse_line(line) == meaning


@pytest.mark.parametrize(
    ("line", "salt"), [("PJLINK 0\r", ""), ("pjlink 0\r", ""), ("PJLINK 1 498e4a67\r", "498e4a67")]
)
def test_a_greeting_tells_whether_a_password_is_wanted(line: str, salt: str) -> None:
    assert protocol.parse_greeting(line) == salt


@pytest.mark.parametrize(
    "line", ["", "SSH-2.0-dropbear\r", "PJLINK\r", "PJLINK 2\r", "PJLINK 1\r", "PJLINK 1 " + "a" * 80]
)
def test_what_is_no_greeting_is_no_projector(line: str) -> None:
    with pytest.raises(NoAnswer) as no:
        protocol.parse_greeting(line)

    assert no.value.cause == "bad_answer"


def test_the_digest_is_that_of_the_specification() -> None:
    # PJLink Specifications, section 5.1, gives this example.
    assert protocol.digest("498e4a67", "JBMIAProjectorLink") == "5d8409bc1c3fa39749434aa3a5c38682"


@pytest.mark.parametrize(
    ("value", "hours"),
    [
        ("1200 0", 1200),
        ("1200 1 3400 0", 3400),
        ("852", 852),
        ("", None),
        ("ERR1", None),
        ("ERR4", None),
        ("12 1 13", None),
        ("99999999 1", None),
        ("-3 1", None),
        ("100 7", None),
        (" ".join(["5 1"] * 9), None),
    ],
)
def test_of_several_lamps_the_oldest_counts(value: str, hours: int | None) -> None:
    assert protocol.parse_lamp_hours(value) == hours


@pytest.mark.parametrize(
    ("value", "flags"),
    [
        ("000000", 0),
        ("200000", 2),
        ("010000", 4),
        ("002000", 32),
        ("000001", 1024),
        ("222222", 2730),
        ("00000", None),
        ("300000", None),
        ("ERR3", None),
    ],
)
def test_each_digit_of_the_error_status_becomes_two_bits(value: str, flags: int | None) -> None:
    assert protocol.parse_errors(value) == flags


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("31", 31),
        ("11", 11),
        ("69", 69),
        ("3A", 310),
        ("3z", 335),
        ("30", None),
        ("71", None),
        ("ERR3", None),
        ("", None),
    ],
)
def test_each_input_has_a_number_of_its_own(value: str, code: int | None) -> None:
    assert protocol.parse_input(value) == code


@pytest.mark.parametrize(
    ("value", "number"), [("1", 1), ("2", 2), ("Class 1", 1), ("Class 2", 2), ("", 1), ("ERR2", 1)]
)
def test_the_class_is_found_in_words_too(value: str, number: int) -> None:
    assert protocol.parse_class(value) == number


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("EB-L735U", "EB-L735U"),
        ("  máy \x07 chiếu\u202e ", "máy chiếu"),
        ("x" * 100, "x" * 64),
        ("ERR3", ""),
        ("ERRATIC", "ERRATIC"),
    ],
)
def test_a_name_is_cleaned_before_people_read_it(value: str, name: str) -> None:
    assert protocol.clean(value) == name


@pytest.mark.parametrize(
    ("data", "mac"),
    [
        (b"%2ACKN=00:26:ab:00:00:01\r", "00:26:ab:00:00:01"),
        (b"%2ackn=0026AB000001\r\n", "00:26:ab:00:00:01"),
        (b"%2ACKN=00:26:ab:00:00\r", None),
        (b"%2SRCH\r", None),
        (b"\xff" * 2_000, None),
    ],
)
def test_an_answer_to_a_search_has_a_mac(data: bytes, mac: str | None) -> None:
    assert protocol.parse_found(data) == mac


# --- well ------------------------------------------------------------------------------------------------------


def test_a_projector_of_class_2_tells_everything() -> None:
    with EmulatedProjector(Projector(errors="010020", lamps=((1200, 1), (1450, 0)))) as served:
        seen = observe(served)

    assert seen == of(served, power_state=1, input_source=31, error_flags=4 + 512, lamp_hours=1450, filter_hours=300)


def test_a_projector_of_class_1_is_not_asked_for_its_filter() -> None:
    with EmulatedProjector(Projector(pjlink_class=1)) as served:
        seen = observe(served)

    assert seen == of(served, power_state=1, input_source=31, error_flags=0, lamp_hours=1200)
    assert served.asked == ["%1POWR ?", "%1ERST ?", "%1LAMP ?", "%1INPT ?", "%1CLSS ?"]


def test_a_projector_in_standby_is_up_and_not_down() -> None:
    with EmulatedProjector(Projector(power=STANDBY)) as served:
        seen = observe(served)

    assert seen == of(served, power_state=0, error_flags=0, lamp_hours=1200, filter_hours=300)


def test_the_class_is_asked_once_and_only_one_session_is_open_at_a_time() -> None:
    world = World()

    with EmulatedProjector() as served:
        observe(served, world)
        first = list(served.asked)
        observe(served, world)

    assert served.asked[len(first) :] == ["%1POWR ?", "%1ERST ?", "%1LAMP ?", "%1INPT ?", "%2FILT ?"]
    assert (served.sessions, served.most_open_sessions, served.open_sessions) == (2, 1, 0)


def test_a_password_opens_a_projector_that_wants_one() -> None:
    with EmulatedProjector(Projector(password="mật khẩu")) as served:
        seen = observe(served, password="mật khẩu")

    assert seen.readings[SIGNAL, "power_state"] == 1


def test_only_questions_are_ever_asked() -> None:
    with EmulatedProjector() as served:
        observe(served)
        asyncio.run(identify(served.address, served.port))

    assert len(served.asked) > 10
    assert all(line.endswith(" ?") for line in served.asked)


# --- quirks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "quirks",
    [
        {"lower_case": True},  # openhab-addons #6725
        {"line_end": b"\r\n"},
        {"one_byte_at_a_time": True},
        {"refused_sessions": 1},  # another client was just there
        {"locked_sessions": 1},
        {"info": "", "names_err_in_standby": True},
    ],
    ids=lambda quirks: next(iter(quirks)),
)
def test_these_quirks_change_nothing(quirks: dict[str, object]) -> None:
    with EmulatedProjector(replace(Projector(), **quirks)) as served:  # type: ignore[arg-type]
        seen = observe(served)

    assert seen == of(served, power_state=1, input_source=31, error_flags=0, lamp_hours=1200, filter_hours=300)


@pytest.mark.parametrize(
    ("answers", "missing"),
    [
        ({"CLSS": "Class 1"}, "filter_hours"),  # an Optoma X351, pypjlink #1
        ({"LAMP": "ERR1"}, "lamp_hours"),  # a laser: Panasonic PT-RZ470
        ({"LAMP": "ERR4"}, "lamp_hours"),  # a Sony with an error
        ({"ERST": "ERR2"}, "error_flags"),
        ({"INPT": "ERR3"}, "input_source"),
        ({"POWR": "ERR3"}, "power_state"),
        ({"POWR": "7"}, "power_state"),
        ({"FILT": "ERR1"}, "filter_hours"),
        ({"FILT": "9" * 50}, "filter_hours"),
    ],
)
def test_what_a_projector_does_not_tell_is_no_reading(answers: dict[str, str], missing: str) -> None:
    with EmulatedProjector(Projector(answers=answers)) as served:
        seen = observe(served)

    everything = {"power_state": 1, "input_source": 31, "error_flags": 0, "lamp_hours": 1200, "filter_hours": 300}
    del everything[missing]
    assert seen == of(served, **everything)


def test_cooling_is_a_state_of_its_own() -> None:
    with EmulatedProjector(Projector(power=COOLING)) as served:
        seen = observe(served)

    assert seen.readings[SIGNAL, "power_state"] == 2


def test_one_that_hangs_up_after_its_first_answer_has_answered() -> None:
    with EmulatedProjector(Projector(hangs_up_after=1)) as served:
        seen = observe(served)

    assert seen == of(served, power_state=1)
    assert served.sessions == 1


def test_one_question_may_stay_unanswered() -> None:
    with EmulatedProjector(Projector(silent_to=("LAMP",))) as served:
        seen = observe(served, patience=Patience(next_seconds=1.0))

    assert seen == of(served, power_state=1, input_source=31, error_flags=0, filter_hours=300)


def test_a_projector_that_is_slow_with_the_rest_is_up_all_the_same() -> None:
    with EmulatedProjector(Projector(silent_to=("ERST",))) as served:
        seen = observe(served, patience=Patience(rest_seconds=0.4))

    assert seen == of(served, power_state=1)


# --- down ------------------------------------------------------------------------------------------------------


def down(cause: str, seen: Observation) -> bool:
    return (seen.states, seen.readings, seen.causes) == ({SIGNAL: State.DOWN}, {}, {SIGNAL: cause})


def test_a_projector_whose_plug_is_out_is_down_and_not_off() -> None:
    with deaf() as port:
        seen = asyncio.run(pjlink.probe(PjlinkTarget("p-1", "127.0.0.1", port, patience=QUICK), World()))

    assert down("timeout", seen)


def test_a_closed_port_is_refused_after_a_second_attempt() -> None:
    seen = asyncio.run(pjlink.probe(PjlinkTarget("p-1", "127.0.0.1", free_port(), patience=QUICK), World()))

    assert down("refused", seen)


@pytest.mark.parametrize(
    ("projector", "cause"),
    [
        (Projector(silent=True), "timeout"),
        (Projector(says_nothing=True), "timeout"),
        (Projector(greeting=b"SSH-2.0-dropbear\r\n"), "bad_answer"),
        (Projector(greeting=b"\0" * 50), "timeout"),
        (Projector(flood=True), "too_much"),
        (Projector(greeting=b"x" * 100_000), "too_much"),
        (Projector(greeting=b"PJLINK 0\r%1XXXX=1\r%1XXXX=1\r%1XXXX=1\r%1XXXX=1\r"), "bad_answer"),
    ],
    ids=[
        "silent",
        "no greeting",
        "not PJLink",
        "zeroes",
        "flood",
        "long greeting",
        "strange lines",
    ],
)
def test_a_projector_that_never_answers_rightly_is_down(projector: Projector, cause: str) -> None:
    with EmulatedProjector(projector) as served:
        seen = observe(served, patience=QUICK)

    assert down(cause, seen)


@pytest.mark.parametrize("projector", [Projector(greeting_only=True), Projector(refused_sessions=2)])
def test_one_that_hangs_up_is_neither_up_nor_down_for_another_may_hold_its_only_session(projector: Projector) -> None:
    with EmulatedProjector(projector) as served:
        seen = observe(served, patience=AT_ONCE)

    assert (seen.states, seen.readings, seen.causes) == ({SIGNAL: State.UNSEEN}, {}, {})
    assert "another client" in seen.notes[SIGNAL]
    assert served.sessions == 2


def test_an_address_that_is_none_is_a_failed_measurement() -> None:
    with pytest.raises(ProbeFailed) as failed:
        asyncio.run(pjlink.probe(PjlinkTarget("p-1", "projector.local", 4352), World()))

    assert failed.value.cause == "not_configured"


# --- passwords -------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_a_failed_measurement_that_says_what_to_do() -> None:
    world = World()

    with EmulatedProjector(Projector(password="right")) as served:
        target = PjlinkTarget("p-1", served.address, served.port, "wrong-secret", "projectors", AT_ONCE)
        with pytest.raises(ProbeFailed) as failed:
            asyncio.run(pjlink.probe(target, world))
        sessions = served.sessions
        with pytest.raises(ProbeFailed):
            asyncio.run(pjlink.probe(target, world))

    assert failed.value.cause == "auth_failed"
    assert "'projectors'" in failed.value.detail
    assert "wrong-secret" not in failed.value.detail + repr(target)
    assert (sessions, served.sessions) == (2, 3)  # once it is known to be wrong, it is tried once a run


def test_a_wanted_password_that_is_not_given_is_said() -> None:
    with EmulatedProjector(Projector(password="right")) as served, pytest.raises(ProbeFailed) as failed:
        observe(served, patience=AT_ONCE)

    assert failed.value.cause == "auth_failed"
    assert "wants a password" in failed.value.detail


def test_an_entry_of_secrets_that_is_not_there_is_named() -> None:
    with pytest.raises(ProbeFailed) as failed:
        asyncio.run(pjlink.probe(PjlinkTarget("p-1", "127.0.0.1", 4352, None, "projectors"), World()))

    assert failed.value.cause == "not_configured"
    assert "'projectors'" in failed.value.detail


# --- discovery -------------------------------------------------------------------------------------------------


def test_a_projector_says_what_it_is() -> None:
    with EmulatedProjector(Projector(name="Phòng 7A1", info="v1.2")) as served:
        found = asyncio.run(identify(served.address, served.port))

    assert found == Identity("Phòng 7A1", "EPSON", "EB-L735U", "v1.2", "X8JK0000001", 2)


def test_names_that_err_in_standby_are_empty() -> None:
    with EmulatedProjector(Projector(pjlink_class=1, power=STANDBY, names_err_in_standby=True)) as served:
        found = asyncio.run(identify(served.address, served.port))

    assert found == Identity(pjlink_class=1)


def test_one_that_wants_a_password_is_known_as_such() -> None:
    with EmulatedProjector(Projector(password="right")) as served:
        without = asyncio.run(identify(served.address, served.port, patience=AT_ONCE))
        right = asyncio.run(identify(served.address, served.port, "right"))

    assert without == Identity(wants_password=True)
    assert right is not None
    assert right.model == "EB-L735U"


def test_nothing_that_speaks_pjlink_is_nothing() -> None:
    with EmulatedProjector(Projector(greeting=b"220 ftp\r\n")) as served:
        assert asyncio.run(identify(served.address, served.port, patience=AT_ONCE)) is None
    assert asyncio.run(identify("127.0.0.1", free_port(), patience=AT_ONCE)) is None


def test_a_search_finds_projectors_of_class_2() -> None:
    port = free_port()

    with (
        EmulatedProjector(Projector(mac="00:26:ab:00:00:07"), "127.0.0.7", port),
        EmulatedProjector(Projector(pjlink_class=1), "127.0.0.8", port),
    ):
        found = asyncio.run(search(["127.0.0.7", "127.0.0.8"], 0.5, port))

    assert found == {"127.0.0.7": "00:26:ab:00:00:07"}


@pytest.mark.namespaces
def test_a_search_by_broadcast_finds_those_on_the_lan() -> None:
    need_namespaces()
    name, far = f"sbj{os.getpid()}a", f"sbj{os.getpid()}b"
    try:
        for namespace in (name, far):
            subprocess.run(["ip", "netns", "add", namespace], check=True)
            subprocess.run(["ip", "-n", namespace, "link", "set", "lo", "up"], check=True)
        ends = ["link", "add", "lan0", "type", "veth", "peer", "name", "lan0", "netns", far]
        subprocess.run(["ip", "-n", name, *ends], check=True)
        for namespace, host in ((name, "1"), (far, "21"), (far, "22")):
            subprocess.run(
                ["ip", "-n", namespace, "addr", "add", f"192.0.2.{host}/24", "brd", "+", "dev", "lan0"], check=True
            )
            subprocess.run(["ip", "-n", namespace, "link", "set", "lan0", "up"], check=True)
        with (
            script(far, "192.0.2.21", "--broadcast", "192.0.2.255", "--mac", "00:26:ab:00:00:21"),
            script(far, "192.0.2.22", "--broadcast", "192.0.2.255", "--mac", "00:26:ab:00:00:22", "--password", "x"),
        ):
            found = in_namespace(name, lambda: search(["192.0.2.255"], 1.0))
            known = in_namespace(name, lambda: identify("192.0.2.21"))
    finally:
        for namespace in (name, far):
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)

    assert found == {"192.0.2.21": "00:26:ab:00:00:21", "192.0.2.22": "00:26:ab:00:00:22"}
    assert known is not None
    assert known.model == "EB-L735U"


@contextmanager
def script(namespace: str, address: str, *more: str) -> Iterator[None]:
    """The emulator as laboratories start it."""
    command = ["ip", "netns", "exec", namespace, sys.executable, str(EMULATOR_TEXT), address, "4352", *more]
    with started(command):
        yield


@contextmanager
def started(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield
    finally:
        process.terminate()
        process.communicate(timeout=20)


# --- other authors ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def other_emulator() -> Iterator[dict[str, int]]:
    """PyPI pjlink-advance's emulator of a class 2 projector in standby: one open, one with a password."""
    if not OTHER_PYTHON.exists():
        pytest.skip(
            f"no {OTHER_PYTHON}: python3.13 -m venv build/pjlink-advance && "
            "build/pjlink-advance/bin/pip install pjlink-advance, or name its python in SCHOOLBEAT_PJLINK_ADVANCE"
        )
    ports = {"open": free_port(), "locked": free_port()}
    emulator = [str(OTHER_PYTHON), "-u", "-m", "pjlink_advance.emulator", "--host", "127.0.0.1", "--port"]
    locked = ["--password", "JBMIAProjectorLink", "--pj-class", "1"]
    with started([*emulator, str(ports["open"])]), started([*emulator, str(ports["locked"]), *locked]):
        yield ports


def test_another_authors_emulator_is_read_rightly(other_emulator: dict[str, int]) -> None:
    port = other_emulator["open"]

    seen = asyncio.run(pjlink.probe(PjlinkTarget("p-1", "127.0.0.1", port), World()))
    found = asyncio.run(identify("127.0.0.1", port))
    searched = asyncio.run(search(["127.0.0.1"], 0.5, port))

    told = {"power_state": 0, "error_flags": 0, "lamp_hours": 1200, "filter_hours": 300}
    assert (seen.states, seen.causes) == ({SIGNAL: State.UP}, {})
    assert seen.readings == {(SIGNAL, name): value for name, value in told.items()}
    assert found == Identity("EB-L735U", "EPSON", "EB-L735U", "", "X8JK0000001", 2)
    assert searched == {"127.0.0.1": "00:26:ab:00:00:01"}


def test_another_authors_emulator_lets_in_who_has_the_password(other_emulator: dict[str, int]) -> None:
    port = other_emulator["locked"]

    seen = asyncio.run(pjlink.probe(PjlinkTarget("p-1", "127.0.0.1", port, "JBMIAProjectorLink"), World()))
    with pytest.raises(ProbeFailed) as failed:
        asyncio.run(pjlink.probe(PjlinkTarget("p-1", "127.0.0.1", port, "bad"), World()))

    told = {"power_state": 0, "error_flags": 0, "lamp_hours": 1200}
    assert seen.readings == {(SIGNAL, name): value for name, value in told.items()}
    assert failed.value.cause == "auth_failed"
