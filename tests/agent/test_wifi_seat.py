"""A pupil's seat: real DHCP, DNS, ping and page over a cable in namespaces; joining by real and emulated programs."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.broker import wait_for
from tests.agent.probe_fakes import in_namespace
from tests.agent.wifi_lab import RADIO, School, calls, emulated, school

from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.observation import Observation, ProbeFailed, Run, State
from schoolbeat_agent.probes import wifi_seat
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.wifi_seat import SeatTarget
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.settings import Lessons, Settings, build
from schoolbeat_agent.wifi import dhcp, joining, sitting
from schoolbeat_agent.wifi.joining import Network, Programs
from schoolbeat_agent.wifi.radio import radio_lock
from schoolbeat_agent.wifi.seat import Steps, is_page
from schoolbeat_agent.wifi.turns import is_turn

SIGNAL = "wifi.H%E1%BB%8Dc%20sinh"
SSID = "Học sinh"
SECRET = 'mật "khẩu" $x'
SUPPLICANT_JOINS = f"echo '{RADIO}: CTRL-EVENT-CONNECTED - Connection completed'; exec sleep 60"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    with school(tmp_path_factory.mktemp("school")) as there:
        yield there


@pytest.fixture
def target(tmp_path: Path) -> SeatTarget:
    """Joins by an emulated wpa_supplicant; no NetworkManager."""
    return SeatTarget(
        RADIO,
        SSID,
        "http://page.test/generate_204",
        password=SECRET,
        nmcli="/nowhere/nmcli",
        wpa_supplicant=emulated(tmp_path, "supplicant", SUPPLICANT_JOINS),
        iw="/nowhere/iw",
        join_seconds=5.0,
        lease_seconds=6.0,
        windows=False,
    )


def tried(lab: School, target: SeatTarget, world: World | None = None) -> Observation:
    there = world or lab.world()
    seen = in_namespace(lab.desk, lambda: wifi_seat.probe(target, there))
    assert lab.left_behind() == ("", [], "")
    return seen


@pytest.mark.namespaces
def test_a_seat_that_can_use_the_wifi_and_leaves_nothing_behind(lab: School, target: SeatTarget) -> None:
    routes = lab.ip(lab.desk, "route list")

    with lab.dnsmasq() as log, lab.page():
        seen = tried(lab, target)
        wait_for(lambda: "DHCPRELEASE" in log.read_text())
        said = log.read_text()

    assert seen.states == {SIGNAL: State.UP}
    assert {reading for _, reading in seen.readings} == {"join_ms", "dhcp_ms", "dns_ms", "rtt_ms", "http_ms"}
    assert all(subject == SIGNAL and 0 < value < 6_000 for (subject, _), value in seen.readings.items())
    assert (seen.causes, seen.notes) == ({}, {})
    assert lab.ip(lab.desk, "route list") == routes
    assert re.findall(r"DHCP[A-Z]+(?=\(br0\))", said)[-4:] == ["DHCPOFFER", "DHCPREQUEST", "DHCPACK", "DHCPRELEASE"]
    # Else the router might take the seat's radio for the gateway itself: both are in one network.
    assert lab.run("ip", "netns", "exec", lab.desk, "sysctl", "-n", f"net.ipv4.conf.{RADIO}.arp_ignore") == "1\n"


@pytest.mark.namespaces
def test_a_real_wpa_supplicant_joins_by_its_wired_driver_and_is_gone_afterwards(
    lab: School, target: SeatTarget
) -> None:
    program = shutil.which("wpa_supplicant", path="/usr/sbin:/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("wpa_supplicant is not installed")
    real = replace(target, password="", wpa_supplicant=program, driver="wired")

    with lab.dnsmasq(), lab.page():
        seen = tried(lab, real)

    assert seen.states == {SIGNAL: State.UP}
    assert 0 < seen.readings[SIGNAL, "join_ms"] < 5_000
    assert not [
        path
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if f"-i\0{RADIO}".encode() in _read(path) and b"wpa_supplicant" in _read(path)
    ]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.namespaces
def test_where_it_breaks_off_is_said(lab: School, target: SeatTarget) -> None:
    with lab.page():
        quick = replace(target, lease_seconds=1.0)
        no_server = tried(lab, quick)
        with lab.dnsmasq():
            signin = tried(lab, replace(target, url="http://page.test/signin"))
            portal = tried(lab, replace(target, url="http://page.test/portal/generate_204"))
            page = tried(lab, replace(target, url="http://198.51.100.10/page"))
            refused = tried(lab, replace(target, url="http://page.test:81/generate_204"))
            no_name = tried(lab, replace(target, url="http://other.test/generate_204"))
        with lab.dnsmasq("--dhcp-option=6,10.88.0.77"):
            no_resolver = tried(lab, target)
        with lab.dnsmasq("--dhcp-option=3"):
            no_router = tried(lab, target)

    found = [seen.causes.get(SIGNAL) for seen in (no_server, signin, portal, page, refused, no_name)]
    assert found == ["no_lease", "http_status", "http_status", None, "refused", "resolver_failed"]
    assert no_resolver.causes[SIGNAL] in ("timeout", "unreachable")
    assert no_router.causes == {SIGNAL: "no_router"}
    assert set(no_server.readings) == {(SIGNAL, "join_ms")}
    assert (SIGNAL, "dns_ms") not in page.readings
    assert {(SIGNAL, "dhcp_ms"), (SIGNAL, "rtt_ms"), (SIGNAL, "http_ms")} <= set(signin.readings)


@pytest.mark.namespaces
def test_while_the_line_is_down_the_wifi_is_not_blamed(lab: School, target: SeatTarget) -> None:
    world = lab.world()
    down = Observation({"line.internet": State.DOWN}, {}, {"line.internet": "timeout"})
    world.memory.sight.take(Run("internet", 0.0, 0.1, down))

    with lab.dnsmasq():
        beyond = tried(lab, replace(target, url="http://198.51.100.10/page"), world)  # nobody listens there
    world.memory.of_probe.clear()
    inside = tried(lab, replace(target, lease_seconds=0.5), world)

    assert beyond.states == {SIGNAL: State.UNSEEN}
    assert (SIGNAL, "dhcp_ms") in beyond.readings
    assert inside.causes == {SIGNAL: "no_lease"}


@pytest.mark.namespaces
def test_a_seat_that_is_called_off_puts_everything_back(lab: School, target: SeatTarget) -> None:
    hanging = replace(target, url="http://page.test/hang")
    routes = lab.ip(lab.desk, "route list")

    async def called_off() -> None:
        task = asyncio.create_task(wifi_seat.probe(hanging, lab.world()))
        async with asyncio.timeout(20):
            while len(lab.left_behind()[1]) < 2:
                await asyncio.sleep(0.1)
        assert lab.ip(lab.desk, "route list") == routes  # while it sits, too: nobody else's packets go that way
        task.cancel()
        await asyncio.wait([task])

    with lab.dnsmasq() as log, lab.page():
        in_namespace(lab.desk, called_off)
        wait_for(lambda: "DHCPRELEASE" in log.read_text())

    assert lab.left_behind() == ("", [], "")


@pytest.mark.namespaces
def test_only_one_at_a_time_uses_the_radio_and_each_when_it_is_its_turn(lab: School, target: SeatTarget) -> None:
    at = 1_000.0
    world = replace(lab.world(), monotonic=lambda: at)
    quick = replace(target, lease_seconds=0.3)
    other = replace(quick, ssid="b")

    async def both() -> list[Observation]:
        return await asyncio.gather(*(wifi_seat.probe(one, world) for one in (quick, other)))

    async def busy() -> Observation:
        async with radio_lock(world):
            return await wifi_seat.probe(quick, world)

    first = in_namespace(lab.desk, both)  # the one waits for the other
    assert [seen.causes for seen in first] == [{SIGNAL: "no_lease"}, {"wifi.b": "no_lease"}]
    at = 1_100.0
    assert tried(lab, quick, world) == Observation()  # not its turn: it says nothing
    at = 1_900.0
    assert in_namespace(lab.desk, busy) == Observation()  # its turn, but later
    assert tried(lab, quick, world).causes == {SIGNAL: "no_lease"}


@pytest.mark.namespaces
def test_what_must_not_be_tried_is_not(lab: School, target: SeatTarget) -> None:
    world = lab.world()
    own = replace(target, radio="eth0")
    cases = {
        "not_configured": [own, replace(target, windows=True), replace(target, problem="wifi.credential = …")],
        "no_radio": [replace(target, radio="wlan77")],
    }

    for cause, targets in cases.items():
        for one in targets:
            with pytest.raises(ProbeFailed) as failed:
                in_namespace(lab.desk, partial(wifi_seat.probe, one, world))
            assert failed.value.cause == cause
    assert lab.ip(lab.desk, "-4 addr show dev eth0").count("10.88.0.9") == 1


@pytest.mark.namespaces
def test_a_seat_that_may_not_guard_its_neighbours_is_not_tried_and_says_so_until_its_next_turn(
    lab: School, target: SeatTarget
) -> None:
    world = lab.world()
    bare = lab.folder / "bare"
    (bare / "net").mkdir(parents=True, exist_ok=True)
    there = replace(world, proc=bare)  # nowhere to write arp_ignore

    for _ in range(2):
        with pytest.raises(ProbeFailed, match="arp_ignore") as failed:
            in_namespace(lab.desk, lambda: wifi_seat.probe(target, there))
        assert failed.value.cause == "no_permission"

    assert len(there.memory.of_probe) == 2  # the lock and the turn


async def emulated_dhcp(answers: Callable[[bytes, int], Sequence[bytes]], heard: list[bytes]) -> None:
    """An EMULATED DHCP server on br0: BOOTP bodies for each message and how many came before; until cancelled."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, 25, b"br0\0")
        sock.bind(("", 67))
        while True:
            body = await loop.sock_recv(sock, 2_048)
            for said in answers(body, len(heard)):
                await loop.sock_sendto(sock, said, ("255.255.255.255", 68))
            heard.append(body)


def bootp(asked: bytes, kind: int, options: bytes = bytes([1, 4, 255, 255, 255, 0, 54, 4, 10, 88, 0, 1])) -> bytes:
    fixed = bytearray(asked[:236])
    fixed[0] = 2
    fixed[16:20] = bytes([10, 88, 0, 55])
    return bytes(fixed) + dhcp.COOKIE + bytes([53, 1, kind]) + options + b"\xff"


OTHERS = b"\x02" + bytes(299)
BROKEN_SERVERS: dict[str, Callable[[bytes, int], Sequence[bytes]]] = {
    "says no": lambda asked, _: [bootp(asked, dhcp.NAK if bytes([53, 1, dhcp.REQUEST]) in asked else dhcp.OFFER)],
    "offers nothing of use": lambda asked, _: [bootp(asked, dhcp.OFFER, b"")],
    "is cut short": lambda asked, _: [bootp(asked, dhcp.OFFER)[:-8] + b"\x36\xff"],
    "answers others, very often": lambda asked, _: [OTHERS] * 3_000,
}


@pytest.mark.namespaces
@pytest.mark.parametrize("how", BROKEN_SERVERS)
def test_an_emulated_server_that_is_broken_gives_no_lease_and_is_not_pestered(lab: School, how: str) -> None:
    heard: list[bytes] = []
    stop = threading.Event()

    async def serve() -> None:
        task = asyncio.create_task(emulated_dhcp(BROKEN_SERVERS[how], heard))
        while not stop.is_set() and not task.done():
            await asyncio.sleep(0.05)
        task.cancel()

    async def ask() -> tuple[dhcp.Lease | None, float, int]:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.01)
                turns += 1

        beside = asyncio.create_task(others())
        client = dhcp.Client(RADIO, os.urandom)
        started = time.monotonic()
        try:
            return await client.obtain(2.0), time.monotonic() - started, turns
        finally:
            client.close()
            beside.cancel()

    thread = threading.Thread(target=in_namespace, args=(lab.school, serve))
    thread.start()
    try:
        time.sleep(0.2)
        lease, seconds, turns = in_namespace(lab.desk, ask)
    finally:
        stop.set()
        thread.join()

    assert lease is None
    assert seconds < 5
    assert turns > 20  # the rest of the agent went on meanwhile
    assert 1 <= len(heard) <= 16


# --- joining -----------------------------------------------------------------------------------------------------

NM_ROW = f"{RADIO}:wifi:disconnected::\\nlo:loopback:unmanaged::"
NM_WAS_ON = f"{RADIO}:wifi:connected:Phòng họp\\\\: A:0f-0e\\nlo:loopback:unmanaged::"


def network_manager(folder: Path, up: str, row: str = NM_ROW, add: str = "exit 0") -> Programs:
    """EMULATED nmcli: prints what nmcli(1) of NetworkManager 1.42 is documented to print."""
    body = f"""
case "$*" in
  *"connection add"*) {add} ;;
  *"connection up id"*)
    for last in "$@"; do :; done
    case "$last" in /proc/self/fd/*) cat "$last" > {folder}/secret ;; esac
    {up} ;;
  *"connection up uuid"*|*"connection delete"*) exit 0 ;;
  *device) printf '{row}\\n' ;;
esac
"""
    return Programs(emulated(folder, "nmcli", body), "/nowhere/wpa_supplicant")


async def join(network: Network, programs: Programs, seconds: float = 5.0) -> str:
    async with joining.joined(network, programs, seconds):
        return "joined"


def cause_of(network: Network, programs: Programs, seconds: float = 5.0) -> str:
    try:
        return asyncio.run(join(network, programs, seconds))
    except (NoAnswer, ProbeFailed) as problem:
        return f"{type(problem).__name__} {problem.cause}" if SECRET not in str(problem) else "a secret was told"


NETWORK = Network(RADIO, SSID, SECRET)


def test_network_manager_joins_and_forgets_and_never_sees_the_password_on_a_command_line(tmp_path: Path) -> None:
    programs = network_manager(tmp_path, "exit 0", NM_WAS_ON)

    assert cause_of(NETWORK, programs) == "joined"

    lines = calls(tmp_path, "nmcli")
    assert [line.split("connection ")[-1].split(" ")[0] for line in lines[1:]] == [
        "delete",
        "add",
        "up",
        "delete",
        "up",
    ]
    assert "save no" in lines[2]
    assert f"ssid {SSID}" in lines[2]
    assert lines[-1] == f"--wait 0 connection up uuid 0f-0e ifname {RADIO}"
    assert (tmp_path / "secret").read_text() == f"802-11-wireless-security.psk:{SECRET}\n"
    assert not any(SECRET in line for line in lines)
    assert SECRET not in repr(NETWORK)


def test_network_manager_joins_an_open_network_without_a_password(tmp_path: Path) -> None:
    programs = network_manager(tmp_path, "exit 0")

    assert cause_of(Network(RADIO, "open"), programs) == "joined"

    assert not any("security" in line or "passwd-file" in line for line in calls(tmp_path, "nmcli"))
    assert not any("uuid" in line for line in calls(tmp_path, "nmcli"))


@pytest.mark.parametrize(
    ("up", "expected"),
    [
        (
            "echo 'Error: Connection activation failed: Secrets were required, but not provided.' >&2; exit 4",
            "auth_failed",
        ),
        ("echo 'Error: Connection activation failed: (7) secrets.' >&2; exit 4", "auth_failed"),
        ("echo 'Error: Connection activation failed: The Wi-Fi network could not be found' >&2; exit 4", "not_heard"),
        ("echo 'Error: Timeout expired (5 seconds)' >&2; exit 3", "join_failed"),
        ("echo 'Error: something else' >&2; exit 1", "join_failed"),
    ],
)
def test_why_network_manager_could_not_join(tmp_path: Path, up: str, expected: str) -> None:
    programs = network_manager(tmp_path, up)

    assert cause_of(NETWORK, programs) == f"NoAnswer {expected}"
    assert "connection delete" in calls(tmp_path, "nmcli")[-1]


def test_a_network_manager_that_does_not_let_us_is_a_failed_measurement(tmp_path: Path) -> None:
    refused = network_manager(tmp_path, "", add="echo 'Error: Insufficient privileges.' >&2; exit 1")
    assert cause_of(NETWORK, refused) == "ProbeFailed no_permission"

    strange = Programs(
        emulated(tmp_path, "nmcli", "echo 'Error: invalid field' >&2; exit 2"), "/nowhere/wpa_supplicant"
    )
    assert cause_of(NETWORK, strange) == "ProbeFailed bad_answer"

    off = network_manager(tmp_path, "", f"{RADIO}:wifi:unavailable::")
    assert cause_of(NETWORK, off) == "ProbeFailed not_configured"


def test_programs_that_hang_are_ended_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "NMCLI_SECONDS", 1.0)
    deaf = Programs(emulated(tmp_path, "nmcli", "exec sleep 60"), "/nowhere/wpa_supplicant")
    silent = Programs("/nowhere/nmcli", emulated(tmp_path, "supplicant", "exec sleep 60"))
    started = time.monotonic()

    assert cause_of(NETWORK, deaf) == "ProbeFailed hung"
    assert cause_of(NETWORK, silent, 0.5) == "NoAnswer not_heard"
    assert time.monotonic() - started < 20


def test_where_network_manager_leaves_the_radio_alone_we_join_by_ourselves(tmp_path: Path) -> None:
    no_bus = "echo 'Error: Could not create NMClient object: Could not connect.' >&2; exit 1"
    for body in ("exit 8", no_bus, f"printf '{RADIO}:wifi:unmanaged::\\n'", "printf 'wlan9:wifi:connected:x:y\\n'"):
        supplicant = emulated(tmp_path, "supplicant", f"cat /proc/$$/fd/* > /dev/null 2>&1; {SUPPLICANT_JOINS}")
        programs = Programs(emulated(tmp_path, "nmcli", body), supplicant)
        assert cause_of(NETWORK, programs) == "joined"


def test_what_wpa_supplicant_is_given(tmp_path: Path) -> None:
    copy = f'for word in "$@"; do case "$word" in /proc/self/fd/*) cat "$word" > {tmp_path}/config ;; esac; done'
    programs = Programs("/nowhere/nmcli", emulated(tmp_path, "supplicant", f"{copy}\n{SUPPLICANT_JOINS}"))

    assert cause_of(NETWORK, programs) == "joined"

    assert (tmp_path / "config").read_text() == (
        "ap_scan=1\nfast_reauth=0\nnetwork={\n ssid=48e1bb8d632073696e68\n scan_ssid=1\n"
        f' key_mgmt=WPA-PSK WPA-PSK-SHA256 SAE\n ieee80211w=1\n psk="{SECRET}"\n}}\n'
    )
    (call,) = calls(tmp_path, "supplicant")
    assert SECRET not in call
    assert joining.supplicant_config(Network(RADIO, "a", "0f" * 32), "nl80211").count("psk=" + "0f" * 32) == 1
    assert "key_mgmt=NONE" in joining.supplicant_config(Network(RADIO, "a"), "nl80211")


HEARD_NOTHING = [f"{RADIO}: CTRL-EVENT-SCAN-STARTED", f"{RADIO}: CTRL-EVENT-NETWORK-NOT-FOUND"]
WRONG = f'{RADIO}: CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid="x" auth_failures=1 duration=10 reason=WRONG_KEY'


@pytest.mark.parametrize(
    ("lines", "ends", "expected"),
    [
        (HEARD_NOTHING, False, "NoAnswer not_heard"),
        ([*HEARD_NOTHING, f"{RADIO}: Trying to associate with SSID 'x'", WRONG], False, "NoAnswer auth_failed"),
        ([f"{RADIO}: Trying to associate with SSID 'x'"], False, "NoAnswer join_failed"),
        ([f"{RADIO}: CTRL-EVENT-ASSOC-REJECT status_code=17"], False, "NoAnswer join_failed"),
        ([f"{RADIO}: CTRL-EVENT-CONNECTED - Connection to 02:00:00:00:00:01 completed"], False, "joined"),
        (["nl80211: Could not set interface up: Operation not permitted"], True, "ProbeFailed no_permission"),
        (["Could not read interface seat0 flags: No such device"], True, "ProbeFailed no_radio"),
        ([], True, "ProbeFailed internal"),
    ],
)
def test_what_wpa_supplicant_says(tmp_path: Path, lines: list[str], ends: bool, expected: str) -> None:
    said = "".join(f"cat <<'E'\n{line}\nE\n" for line in lines) + ("exit 255" if ends else "exec sleep 60")
    programs = Programs("/nowhere/nmcli", emulated(tmp_path, "supplicant", said))

    assert cause_of(NETWORK, programs, 1.0) == expected


def test_where_nothing_can_join_that_is_said() -> None:
    assert cause_of(NETWORK, Programs("/nowhere/nmcli", "/nowhere/wpa_supplicant")) == "ProbeFailed not_installed"


def test_a_supplicant_that_never_stops_talking_or_does_not_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "STOP_SECONDS", 0.5)
    flood = Programs("/nowhere/nmcli", emulated(tmp_path, "supplicant", "exec tr '\\0' x < /dev/zero"))
    stubborn = f"trap '' TERM; echo CTRL-EVENT-CONNECTED; echo $$ > {tmp_path}/pid; while :; do sleep 1; done"
    deaf = Programs("/nowhere/nmcli", emulated(tmp_path, "stubborn", stubborn))

    assert cause_of(NETWORK, flood) == "ProbeFailed too_much"
    assert cause_of(NETWORK, deaf) == "joined"
    pid = (tmp_path / "pid").read_text().strip()
    assert not _read(Path(f"/proc/{pid}/cmdline"))


# --- DHCP --------------------------------------------------------------------------------------------------------

MAC = bytes.fromhex("020000000001")


def answer(kind: int, options: dict[int, bytes], address: str = "10.88.0.50", number: int = 7) -> bytes:
    """A server's message, made from a client's by turning its direction."""
    packet = bytearray(dhcp.build(kind, number, MAC, options))
    packet[20:24] = bytes([0, 67, 0, 68])
    packet[28] = 2
    packet[44:48] = bytes(int(part) for part in address.split("."))
    return bytes(packet)


GIVEN = {
    1: b"\xff\xff\xff\0",
    3: bytes([10, 88, 0, 1]),
    6: bytes([10, 88, 0, 1, 8, 8, 8, 8]),
    54: bytes([10, 88, 0, 1]),
}


def test_a_servers_answer_is_a_lease() -> None:
    message = dhcp.parse_packet(answer(dhcp.ACK, GIVEN), 7, MAC)

    assert message is not None
    assert (message.kind, dhcp.lease_of(message)) == (
        dhcp.ACK,
        dhcp.Lease("10.88.0.50", 24, "10.88.0.1", ("10.88.0.1", "8.8.8.8"), "10.88.0.1"),
    )


def test_answers_to_others_and_leases_that_nobody_could_use_are_none() -> None:
    good = answer(dhcp.ACK, GIVEN)
    assert dhcp.parse_packet(good, 8, MAC) is None
    assert dhcp.parse_packet(good, 7, b"\x02" * 6) is None
    assert dhcp.parse_packet(dhcp.build(dhcp.DISCOVER, 7, MAC, {}), 7, MAC) is None
    for options, address in (
        (GIVEN | {1: b"\xff\0\xff\0"}, "10.88.0.50"),
        (GIVEN | {1: b"\0\0\0\0"}, "10.88.0.50"),
        (GIVEN | {54: b"\x0a"}, "10.88.0.50"),
        (GIVEN, "0.0.0.0"),
        (GIVEN, "127.0.0.1"),
        (GIVEN, "224.0.0.1"),
    ):
        message = dhcp.parse_packet(answer(dhcp.ACK, options, address), 7, MAC)
        assert message is not None
        assert dhcp.lease_of(message) is None


@given(st.lists(st.tuples(st.integers(0, 600), st.binary(min_size=1, max_size=8)), max_size=6), st.integers(0, 400))
def test_a_spoilt_answer_never_raises(spoilt: list[tuple[int, bytes]], size: int) -> None:
    packet = answer(dhcp.ACK, GIVEN)
    for place, put in spoilt:
        packet = packet[:place] + put + packet[place + len(put) :]
    for one in (packet, packet[:size]):
        message = dhcp.parse_packet(one, 7, MAC)
        if message is not None:
            dhcp.lease_of(message)


# --- when, and what is asked -------------------------------------------------------------------------------------

# Monday 7:00-7:45, 7:50-8:35, 8:35-9:20 and 9:40-10:25
TABLE = Lessons(((0, 420, 465), (0, 470, 515), (0, 515, 560), (0, 580, 625)), ("2026-11-30",))
MONDAY = 1_763_917_200 + 52 * 7 * 86_400  # 2026-11-23T00:00 in Viet Nam


def at(clock: str, day: int = 0) -> float:
    hours, minutes = clock.split(":")
    return MONDAY + day * 86_400 + int(hours) * 3_600 + int(minutes) * 60


@pytest.mark.parametrize(
    ("clock", "since_seconds", "expected"),
    [
        ("06:45", None, False),
        ("06:46", None, True),  # so that the word holds when the first lesson begins
        ("07:10", 600, False),
        ("07:10", 790, False),
        ("07:10", 800, True),  # a lesson: at the last moment at which the word still holds
        ("07:46", 300, False),
        ("07:46", 460, True),  # a break: sooner
        ("08:40", 800, True),  # two lessons without a break between
        ("09:25", 450, True),
        ("10:25", 5_000, False),  # school is over
        ("12:00", None, False),
        ("23:00", None, False),
    ],
)
def test_when_a_seat_is_tried_with_lesson_hours(clock: str, since_seconds: float | None, expected: bool) -> None:
    assert is_turn(TABLE, at(clock), since_seconds, 900) is expected
    assert is_turn(TABLE, at(clock, 1), since_seconds, 900) is False  # no school on Tuesday
    assert is_turn(TABLE, at(clock, 7), since_seconds, 900) is False  # an exam day


def test_in_a_lesson_it_waits_for_the_break_while_the_last_word_holds() -> None:
    assert is_turn(TABLE, at("07:40"), 300, 300) is False
    assert is_turn(TABLE, at("07:46"), 300, 300) is True
    assert is_turn(TABLE, at("07:20"), 300, 300) is True  # 25 minutes are too long to wait
    assert is_turn(TABLE, at("08:34"), 300, 300) is True  # the next lesson begins at once


def test_when_a_seat_is_tried_without_lesson_hours_or_without_time() -> None:
    for lessons, unix in ((Lessons(), at("23:00")), (TABLE, None)):
        assert [is_turn(lessons, unix, since, 900) for since in (None, 0, 700, 790, 800)] == [
            True,
            False,
            False,
            False,
            True,
        ]


def test_a_day_of_ticks_leaves_no_lesson_without_a_word() -> None:
    """Every 90 s plus the runner's delay: from one try to the next at most 900 s, and most of them in breaks."""
    tries: list[float] = []
    now = at("06:00")
    while now < at("11:00"):
        if is_turn(TABLE, now, now - tries[-1] if tries else None, 900):
            tries.append(now)
        now += 99
    gaps = [after - before for before, after in pairwise(tries)]

    assert tries[0] <= at("07:00")
    assert max(gaps) <= 900
    assert tries[-1] + 900 >= at("10:25")


def test_what_is_a_page_and_what_a_sign_in() -> None:
    assert [is_page("/generate_204", status) for status in (204, 200, 302, 511)] == [True, False, False, False]
    assert [is_page("/", status) for status in (204, 200, 302, 404, 511)] == [True, True, False, False, False]


def settings_for(tmp_path: Path, **wifi: object) -> Settings:
    found = {"site": "a", "broker": {"host": "b", "tls": False}, "wifi": wifi}
    entry = {"cũ": Credential("c", password=SECRET), "eap": Credential("eap", username="u", password="p")}
    return build(found, tmp_path / "agent.toml", entry)


def test_what_is_watched(tmp_path: Path) -> None:
    assert wifi_seat.watches(settings_for(tmp_path, ssids=["a"])) == []
    one, two = wifi_seat.watches(settings_for(tmp_path, radio="wlan1", seats=[SSID, "b"], credential="cũ"))

    assert (one.signals, two.signals) == ((SIGNAL,), ("wifi.b",))
    assert isinstance(one.target, SeatTarget)
    assert (one.target.password, one.target.problem) == (SECRET, "")
    assert SECRET not in repr(one)
    for wrong in ({"radio": "w", "credential": "other"}, {"radio": "w", "credential": "eap"}, {}):
        (watch,) = wifi_seat.watches(settings_for(tmp_path, seats=["b"], **wrong))
        assert isinstance(watch.target, SeatTarget)
        with pytest.raises(ProbeFailed) as failed:
            asyncio.run(wifi_seat.probe(watch.target, World()))
        assert failed.value.cause == "not_configured"


def test_a_seat_with_all_steps_is_up() -> None:
    seen = sitting.judge("wifi.a", Steps({"join_ms": 900.0}), line_is_down=True)

    assert seen == Observation({"wifi.a": State.UP}, {("wifi.a", "join_ms"): 900.0})
