"""The project's own lab: real packets through it, and what each cut shows and hides."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schoolbeat_server.demo import internet
from schoolbeat_server.demo.lab import CABLES, EDGE, PI, ROUTER, Lab, LabError, Plug, missing, stale_prefixes

pytestmark = pytest.mark.namespaces

# Knows nothing of our own code: one echo request per TTL, and who answered it.
HOPS = """
import os, select, socket, struct, sys, time
def total(data):
    words = sum(struct.unpack(f"!{len(data) // 2}H", data)); words = (words >> 16) + (words & 0xFFFF)
    return ~(words + (words >> 16)) & 0xFFFF
target, last = sys.argv[1], int(sys.argv[2])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
raw.bind((sys.argv[3], 0))
seen = {}
me = os.getpid() & 0xFFFF
for ttl in range(1, last + 1):
    raw.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    head = struct.pack("!BBHHH", 8, 0, 0, me, ttl) + b"schoolbeat.."
    try: raw.sendto(head[:2] + struct.pack("!H", total(head)) + head[4:], (target, 0))
    except OSError: pass
end = time.monotonic() + 1.0
while len(seen) < last and (left := end - time.monotonic()) > 0:
    if not select.select([raw], [], [], left)[0]: break
    data, (source, _) = raw.recvfrom(2048)
    icmp = data[(data[0] & 15) * 4:]
    if icmp[0] == 11: icmp = icmp[8:][(icmp[8] & 15) * 4:]
    elif icmp[0] != 0: continue
    number, ttl = struct.unpack("!HH", icmp[4:8])
    if number == me: seen.setdefault(ttl, source)
print(" ".join(seen.get(ttl, "-") for ttl in range(1, last + 1)))
"""

RESOLVE = "import socket, sys; print(socket.gethostbyname(sys.argv[1]))"

FETCH = """
import http.client, ssl, sys
connection = http.client.HTTPSConnection(sys.argv[1], timeout=5, context=ssl.create_default_context(cafile=sys.argv[2]))
connection.request("GET", "/")
answer = connection.getresponse()
print(answer.status, answer.read().decode().strip())
"""

WHOLE = f"{ROUTER} {EDGE} 203.0.113.2 198.51.100.10"


@pytest.fixture(scope="module", autouse=True)
def _possible() -> None:
    problems = "; ".join(said.en for said in missing())
    if problems and os.environ.get("CI") == "true":
        pytest.fail(f"CI must have network namespaces: {problems}")
    if problems:
        pytest.skip(f"no network namespaces here: {problems}")


@pytest.fixture(scope="module")
def built(_possible: None) -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture
def lab(built: Lab) -> Iterator[Lab]:
    yield built
    for cable in CABLES:
        built.mend(cable)


def hops(lab: Lab, target: str = "198.51.100.10", last: int = 4) -> str:
    """Who answers to TTL 1, 2, …; '-' for silence."""
    done = lab.run("pi", [sys.executable, "-c", HOPS, target, str(last), PI])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def eventually(question: Callable[[], str], answer: str, seconds: float = 15) -> str:
    """The last word of `question`, asked until it is `answer`."""
    deadline = time.monotonic() + seconds
    while (said := question()) != answer and time.monotonic() < deadline:
        time.sleep(0.1)
    return said


def test_every_hop_answers_when_all_is_well(lab: Lab) -> None:
    assert eventually(lambda: hops(lab), WHOLE) == WHOLE
    assert hops(lab, internet.DOMESTIC[0], 3) == f"{ROUTER} {EDGE} {internet.DOMESTIC[0]}"


@pytest.mark.parametrize(
    ("cable", "answers", "without_carrier"),
    [
        ("c1", "- - - -", {"pi", "router"}),
        ("c2", f"{ROUTER} - - -", {"router", "edge"}),
        ("c3", f"{ROUTER} {EDGE} - -", {"edge", "core"}),
        ("c4", f"{ROUTER} {EDGE} 203.0.113.2 -", {"core", "inet"}),
    ],
)
def test_a_cut_shows_the_hops_before_it_and_takes_the_carrier_from_both_plugs(
    lab: Lab, cable: str, answers: str, without_carrier: set[str]
) -> None:
    lab.cut(cable)

    assert hops(lab) == answers
    dark = [plug for pair in CABLES.values() for plug in pair if not lab.carrier(plug)]
    assert {plug.namespace for plug in dark} == without_carrier
    assert len(dark) == 2

    lab.mend(cable)

    assert eventually(lambda: hops(lab), WHOLE) == WHOLE


@pytest.mark.parametrize("cable", ["c1", "c2", "c3", "c4"])
def test_a_silent_cable_keeps_its_carrier_and_passes_nothing(lab: Lab, cable: str) -> None:
    lab.silence(cable)

    answers = hops(lab).split()
    heard = int(cable[1]) - 1
    assert answers[:heard] == WHOLE.split()[:heard]
    assert answers[heard:] == ["-"] * (4 - heard)
    assert all(lab.carrier(plug) for plug in CABLES[cable])


def test_cutting_c4_leaves_the_domestic_targets_alive(lab: Lab) -> None:
    lab.cut("c4")

    assert hops(lab, internet.DOMESTIC[1], 3).endswith(internet.DOMESTIC[1])


def test_the_agent_sees_no_carrier_as_the_kernel_tells_it(lab: Lab) -> None:
    before = lab.run("pi", ["cat", "/sys/class/net/eth0/carrier"]).stdout
    lab.cut("c1")

    assert (before, lab.run("pi", ["cat", "/sys/class/net/eth0/carrier"]).stdout) == ("1\n", "0\n")
    assert "default via 10.77.1.1" in lab.run("pi", ["ip", "route"]).stdout


def test_loss_loses_about_the_share_it_was_told(lab: Lab) -> None:
    lab.loss("c2", 30)  # there and back: 1 - 0.7² = 51 % of the answers
    assert eventually(lambda: hops(lab, last=1), ROUTER) == ROUTER

    answers = " ".join(hops(lab, internet.DOMESTIC[0], 63) for _ in range(4)).split()
    lost = answers.count("-") / len(answers)

    assert 0.3 < lost < 0.7
    lab.loss("c2", 0)
    assert eventually(lambda: hops(lab), WHOLE) == WHOLE


def test_delay_works_or_says_what_is_missing(lab: Lab) -> None:
    if "netem" not in lab.run("wires", ["sh", "-c", "tc qdisc add dev lo root netem delay 1ms && echo netem"]).stdout:
        with pytest.raises(LabError, match="no netem"):
            lab.delay("c3", 100)
        return
    lab.delay("c3", 100)
    started = time.monotonic()
    assert hops(lab).endswith("198.51.100.10")
    assert time.monotonic() - started > 0.2


def test_devices_answer_behind_the_router_until_their_cable_is_cut(lab: Lab) -> None:
    assert hops(lab, "10.77.1.21", 1) == "10.77.1.21"
    assert hops(lab, "10.77.1.30", 1) == "10.77.1.30"

    lab.cut("lan")

    assert hops(lab, "10.77.1.21", 1) == "-"
    assert hops(lab) == WHOLE


def test_unprivileged_ping_is_allowed_in_the_school(lab: Lab) -> None:
    code = "import os, socket; os.setuid(65534); socket.socket(2, 2, 1).close(); print('may')"

    assert lab.run("pi", [sys.executable, "-c", code]).stdout == "may\n"


def test_names_resolve_and_pages_open_over_verified_tls() -> None:
    with Lab() as lab:
        ca = lab.start_internet()
        asked = {name: lab.run("pi", [sys.executable, "-c", RESOLVE, name]).stdout.strip() for name in internet.NAMES}
        unknown = lab.run("pi", [sys.executable, "-c", RESOLVE, "nowhere.example"])
        page = lab.run("pi", [sys.executable, "-c", FETCH, "csdl.edu.example", str(ca)])
        abroad = lab.run("pi", [sys.executable, "-c", FETCH, "www.world.example", str(ca)])

        assert asked == dict(internet.NAMES)
        assert "Name or service not known" in unknown.stderr
        assert page.stdout == "200 SchoolBeat: Internet mô phỏng / simulated Internet\n", page.stderr
        assert abroad.stdout == page.stdout

        lab.cut("c4")

        assert lab.run("pi", [sys.executable, "-c", FETCH, "csdl.edu.example", str(ca)]).returncode == 0
        assert lab.run("pi", [sys.executable, "-c", FETCH, "www.world.example", str(ca)]).returncode == 1


# Coming and going


def test_two_labs_live_beside_each_other_and_leave_nothing(lab: Lab) -> None:
    with Lab() as other:
        other.cut("c1")
        sleeper = other.popen("pi", ["sleep", "1000"])
        there = Path("/run/netns", other.namespace("pi"))

        assert there.exists()
        assert hops(lab) == WHOLE

    assert not there.exists()
    assert sleeper.wait(10) == -signal.SIGTERM
    assert not Path("/etc/netns", other.namespace("pi")).exists()
    assert hops(lab) == WHOLE


def test_the_lab_of_a_killed_process_is_taken_away_by_the_next(lab: Lab) -> None:
    code = (
        "import os, signal; from schoolbeat_server.demo.lab import Lab; lab = Lab(); lab.up(); lab.start_internet()\n"
        "lab.popen('pi', ['sleep', '1000'], stdout=-3, stderr=-3)\n"
        "print(lab.prefix, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    prefix = done.stdout.strip()
    left = [path.name for path in Path("/run/netns").iterdir() if path.name.startswith(f"{prefix}-")]
    assert len(left) == 7

    with Lab():
        pass

    assert [path.name for path in Path("/run/netns").iterdir() if path.name.startswith(f"{prefix}-")] == []
    assert Path("/run/netns", lab.namespace("pi")).exists()


def test_a_process_that_forgets_to_leave_takes_its_lab_away_at_exit() -> None:
    code = "from schoolbeat_server.demo.lab import Lab; lab = Lab(); lab.up(); print(lab.prefix)"
    prefix = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()

    assert [path.name for path in Path("/run/netns").iterdir() if path.name.startswith(f"{prefix}-")] == []


def test_only_labs_of_dead_processes_are_stale() -> None:
    names = ["sb12x0-pi", "sb12x0-wires", "sb13x1-pi", "cni-1", "sb-pi", "xsb14x0-pi", "sb15x0-pi-more"]

    assert stale_prefixes(names, lambda pid: pid == 13) == ["sb12x0"]


def test_what_the_lab_does_not_have_is_named(lab: Lab) -> None:
    with pytest.raises(LabError, match="cable 'c9': c1, c2, c3, c4, lan"):
        lab.cut("c9")
    with pytest.raises(LabError, match="namespace 'moon': wires, pi"):
        lab.run("moon", ["true"])
    with pytest.raises(LabError, match="loss 101"):
        lab.loss("c1", 101)
    assert CABLES["c1"][0] == Plug("pi", "eth0")


def test_the_check_command_says_yes() -> None:
    done = subprocess.run([sys.executable, "-m", "schoolbeat_server.demo.lab", "check"], capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "Máy này dựng được lab.\nThis machine can build the lab.\n")


# The name server


def query(name: str, kind: int = 1, number: int = 7) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def test_a_name_has_its_address_no_other_type_and_strangers_do_not_exist() -> None:
    zone = {"a.example": "192.0.2.1"}

    found, other, none = (
        internet.answer(asked, zone) for asked in (query("A.Example"), query("a.example", 28), query("b"))
    )

    assert found == struct.pack("!6H", 7, 0x8580, 1, 1, 0, 0) + query("A.Example")[12:] + bytes.fromhex(
        "c00c 0001 0001 0000003c 0004 c0000201"
    )
    assert other == struct.pack("!6H", 7, 0x8580, 1, 0, 0, 0) + query("a.example", 28)[12:]
    assert none == struct.pack("!6H", 7, 0x8583, 1, 0, 0, 0) + query("b")[12:]


@pytest.mark.parametrize("cut", range(0, 27))
def test_a_cut_question_gets_a_format_error_or_nothing(cut: int) -> None:
    whole = query("a.example")
    assert len(whole) == 27

    said = internet.answer(whole[:cut], {"a.example": "192.0.2.1"})

    assert said == (None if cut < 12 else struct.pack("!6H", 7, 0x8181, 0, 0, 0, 0))


def test_an_answer_is_not_answered() -> None:
    assert internet.answer(struct.pack("!6H", 7, 0x8180, 1, 0, 0, 0), {}) is None
    assert internet.answer(bytes(600), {}) is None
