"""The ladder: decided from replies alone, and climbed in namespaces whose cables are pulled."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.probe_fakes import THREAD_PROC, Lab, echo_reply, icmp_server, in_namespace, need_namespaces

from schoolbeat_agent.echo import Reply
from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes import path
from schoolbeat_agent.probes.attempts import Patience, first_answer
from schoolbeat_agent.probes.path import PathTarget, Route, decide, has_no_carrier, line_in_use, parse_default_route
from schoolbeat_agent.probes.world import Memory, World
from schoolbeat_wire.catalogue import CAUSES, READINGS, RUNGS

UP, DOWN, UNSEEN = State.UP, State.DOWN, State.UNSEEN
ROUTER, EDGE, HERE, ABROAD = "10.77.1.1", "100.77.0.1", "198.51.100.10", "198.51.100.20"
SILENT = Reply("timeout")

# Captured from a machine with a cable, Wi-Fi and a container bridge; gateways are in the machine's byte order.
ROUTES = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
wlan0	00000000	FE01A8C0	0003	0	0	600	00000000	0	0	0
eth0	00000000	01014D0A	0003	0	0	100	00000000	0	0	0
eth0	00000000	63014D0A	0203	0	0	0	00000000	0	0	0
docker0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
eth0	00014D0A	00000000	0001	0	0	100	00FFFFFF	0	0	0
"""


def answered(address: str, rtt_ms: float = 1.0) -> Reply:
    return Reply("reply", address, rtt_ms)


def hop(address: str) -> Reply:
    return Reply("ttl_exceeded", address, 2.0)


def unreachable(address: str) -> Reply:
    return Reply("unreachable", address, 3.0)


def states(seen: Observation) -> list[State]:
    return [seen.states[rung] for rung in RUNGS]


def decided(
    router: tuple[Reply, ...],
    isp: tuple[Reply, ...],
    domestic: tuple[Reply, ...],
    international: tuple[Reply, ...],
    edges: tuple[str, ...] = (EDGE,),
) -> list[State]:
    exchanges = dict(zip(RUNGS, (router, isp, domestic, international), strict=True))
    return states(decide(ROUTER, exchanges, edges))


def test_the_default_route_of_the_lowest_metric_names_the_router() -> None:
    assert parse_default_route(ROUTES) == Route("eth0", "10.77.1.1")


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("", None),
        ("Iface\tDestination\n", None),
        ("header\neth0\t00000000\tnonsense\t0003\t0\t0\t0\t00000000", None),
        ("header\neth0\t00000000\t01014D0A", None),
        ("header\neth0\t00000000\t1FFFFFFFFF\t0003\t0\t0\t0\t00000000", None),
        ("header\neth0\t00014D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF", None),
        ("header\nppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000", Route("ppp0", None)),
    ],
)
def test_a_routing_table_without_a_router_has_none(text: str, route: Route | None) -> None:
    assert parse_default_route(text) == route


@given(st.text())
def test_no_text_makes_the_route_parser_raise(text: str) -> None:
    parse_default_route("header\n" + text)


def interface(sys: Path, name: str, carrier: str | None, physical: bool = True) -> None:
    folder = sys / "class" / "net" / name
    folder.mkdir(parents=True)
    if physical:
        (folder / "device").mkdir()
    if carrier is not None:
        (folder / "carrier").write_text(carrier + "\n")


def test_no_carrier_is_said_only_when_every_physical_interface_that_tells_has_none(tmp_path: Path) -> None:
    interface(tmp_path, "lo", "1", physical=False)
    interface(tmp_path, "wlan0", None)  # switched off: reading its carrier fails
    nothing_known = has_no_carrier(tmp_path, None)
    interface(tmp_path, "eth0", "0")
    pulled = has_no_carrier(tmp_path, None)
    interface(tmp_path, "eth1", "1")
    other_plugged = has_no_carrier(tmp_path, None)

    assert (nothing_known, pulled, other_plugged) == (False, True, False)
    assert (has_no_carrier(tmp_path, "eth0"), has_no_carrier(tmp_path, "eth1")) == (True, False)
    assert has_no_carrier(tmp_path / "missing", None) is False


def test_everything_answers() -> None:
    exchanges = {
        "lan.router": (answered(ROUTER, 0.4),),
        "line.isp": (hop(EDGE),),
        "line.domestic": (SILENT, answered(HERE, 5.0)),
        "line.international": (answered(ABROAD, 40.0),),
    }

    assert decide(ROUTER, exchanges, ()) == Observation(
        states=dict.fromkeys(RUNGS, UP),
        readings={
            ("lan.router", "rtt_ms"): 0.4,
            ("line.isp", "rtt_ms"): 2.0,
            ("line.domestic", "rtt_ms"): 5.0,
            ("line.international", "rtt_ms"): 40.0,
        },
        causes={},
        notes={
            "lan.router": ROUTER,
            "line.isp": EDGE,
            "line.domestic": HERE,
            "line.international": ABROAD,
        },
    )


def test_hops_that_ignore_pings_are_up_when_something_beyond_answers() -> None:
    assert decided((SILENT,), (SILENT,), (SILENT,), (answered(ABROAD),)) == [UP, UP, DOWN, UP]
    assert decided((SILENT,), (hop(EDGE),), (SILENT,), (SILENT,)) == [UP, UP, DOWN, DOWN]


def test_an_edge_that_was_never_seen_says_nothing_by_its_silence() -> None:
    router, silence = (answered(ROUTER),), (SILENT, SILENT, SILENT)

    assert decided(router, silence, silence, silence, edges=()) == [UP, UNSEEN, DOWN, DOWN]
    assert decided(router, silence, silence, silence, edges=(EDGE,)) == [UP, DOWN, DOWN, DOWN]
    assert decided(router, silence, (answered(HERE),), silence, edges=()) == [UP, UP, UP, DOWN]


def test_unreachable_said_by_the_router_proves_the_router_and_no_edge() -> None:
    said = (unreachable(ROUTER),)
    exchanges = dict(zip(RUNGS, ((SILENT,), said, said, said), strict=True))

    seen = decide(ROUTER, exchanges, (EDGE,))

    assert states(seen) == [UP, DOWN, DOWN, DOWN]
    assert seen.causes == dict.fromkeys(("line.isp", "line.domestic", "line.international"), "unreachable")
    assert seen.readings == {}


def test_unreachable_said_by_a_known_edge_proves_it_and_by_a_stranger_does_not() -> None:
    silence = (SILENT,)

    assert decided(silence, silence, (unreachable(EDGE),), silence) == [UP, UP, DOWN, DOWN]
    # An ISP's box in router mode stands between: it is still inside the school.
    assert decided(silence, (unreachable("192.168.1.1"),), silence, silence) == [UP, DOWN, DOWN, DOWN]


def test_a_router_met_at_the_isp_s_distance_is_not_the_isp() -> None:
    assert decided((answered(ROUTER),), (hop(ROUTER),), (SILENT,), (SILENT,)) == [UP, DOWN, DOWN, DOWN]


def test_our_own_kernel_s_unreachable_proves_nobody() -> None:
    own = (unreachable(""),)

    assert decided(own, own, own, own) == [DOWN, DOWN, DOWN, DOWN]


def test_a_rung_that_was_not_asked_has_no_state() -> None:
    assert decide(ROUTER, {"lan.router": (answered(ROUTER),)}, ()).states == {"lan.router": UP}


replies = st.builds(
    Reply,
    st.sampled_from(["reply", "ttl_exceeded", "unreachable", "timeout"]),
    st.sampled_from(["", ROUTER, EDGE, HERE, "192.168.1.1"]),
    st.floats(0, 4_000),
)


@given(
    st.dictionaries(st.sampled_from(RUNGS), st.lists(replies, min_size=1, max_size=3).map(tuple)),
    st.sampled_from([ROUTER, None]),
    st.sampled_from([(), (EDGE,)]),
)
def test_whatever_the_replies_the_observation_is_consistent(
    exchanges: dict[str, tuple[Reply, ...]], router: str | None, edges: tuple[str, ...]
) -> None:
    seen = decide(router, exchanges, edges)

    assert set(seen.states) == set(exchanges)
    assert set(seen.causes) == {rung for rung, state in seen.states.items() if state is DOWN}
    assert set(seen.causes.values()) <= set(CAUSES)
    assert {rung for rung, _ in seen.readings} <= {rung for rung, state in seen.states.items() if state is UP}
    for rung in ("line.domestic", "line.international"):
        if seen.states.get(rung) is UP:
            assert seen.states.get("line.isp", UP) is UP


def test_loss_is_told_over_the_packets_of_several_answered_runs() -> None:
    memory = Memory()
    runs = [(1, 0), (1, 0), (2, 1), (1, 0), (1, 0), (1, 0), (1, 0), (1, 0), (1, 0)]

    told = [memory.loss_percent("line.isp", sent, lost) for sent, lost in runs]

    assert [round(percent, 1) for percent in told] == [0, 0, 25.0, 20.0, 16.7, 14.3, 14.3, 14.3, 0.0]


def test_only_the_newest_edges_are_remembered_each_once() -> None:
    memory = Memory()

    for number in [*range(12), 9]:
        memory.saw_isp_edge(f"100.77.0.{number}")

    assert memory.isp_edges == [f"100.77.0.{number}" for number in (4, 5, 6, 7, 8, 10, 11, 9)]


@pytest.mark.parametrize(
    ("isp", "state", "cause"),
    [
        ((hop(EDGE),), UP, None),
        ((SILENT, hop(EDGE)), UP, None),
        ((hop("100.99.0.1"),), DOWN, "other_line"),
        ((SILENT, SILENT, SILENT), UNSEEN, None),
        ((hop(ROUTER),), UNSEEN, None),
        ((answered(HERE),), UNSEEN, None),  # a target so near that no edge stands before it
        ((unreachable(EDGE),), UNSEEN, None),
    ],
)
def test_the_line_in_use_is_known_by_the_edge_that_answers(
    isp: tuple[Reply, ...], state: State, cause: str | None
) -> None:
    seen = line_in_use({"line.isp": isp}, ROUTER, (EDGE,))

    assert seen.states == {"line.main": state}
    assert seen.causes == ({"line.main": cause} if cause else {})


# --- in namespaces ---------------------------------------------------------------------------------------------

QUICK = Patience(packets=3, spacing_seconds=0.3, deadline_seconds=1.5)
TARGET = PathTarget((HERE,), (ABROAD,), patience=QUICK)


@pytest.fixture(scope="module")
def whole_lab() -> Iterator[Lab]:
    need_namespaces()
    lab = Lab()
    try:
        lab.up()
        yield lab
    finally:
        lab.down()


@pytest.fixture
def lab(whole_lab: Lab) -> Iterator[Lab]:
    whole_lab.sysctl(whole_lab.pi, "net.ipv4.ping_group_range=0 2147483647")
    yield whole_lab
    whole_lab.mend()


def climb(lab: Lab, memory: Memory | None = None, target: PathTarget = TARGET, sys: Path | None = None) -> Observation:
    """One run of the probe in the gateway's namespace."""

    async def run() -> Observation:
        world = World(proc=THREAD_PROC, sys=sys or Path("/nonexistent"), memory=memory or Memory())
        try:
            return await path.probe(target, world)
        finally:
            world.echo.close()

    return in_namespace(lab.pi, run)


@pytest.mark.namespaces
def test_the_whole_ladder_answers_and_the_router_is_found_by_itself(lab: Lab) -> None:
    memory = Memory()

    seen = climb(lab, memory)

    assert states(seen) == [UP, UP, UP, UP]
    assert seen.notes == dict(zip(RUNGS, (ROUTER, EDGE, HERE, ABROAD), strict=True))
    assert set(seen.readings) == {(rung, name) for rung in RUNGS for name in ("rtt_ms", "loss_percent")}
    for (rung, name), value in seen.readings.items():
        assert READINGS[name].low <= value <= READINGS[name].high
        assert name == "rtt_ms" or value == 0, rung
    assert memory.isp_edges == [EDGE]


@pytest.mark.namespaces
def test_a_cut_line_is_the_isp_s_once_its_edge_was_seen(lab: Lab) -> None:
    memory = Memory()
    before = climb(lab, memory)
    lab.cut_line()
    cut = climb(lab, memory)
    lab.mend()
    mended = climb(lab, memory)

    assert states(before) == [UP, UP, UP, UP]
    assert states(cut) == [UP, DOWN, DOWN, DOWN]
    assert set(cut.readings) == {("lan.router", "rtt_ms"), ("lan.router", "loss_percent")}
    assert states(mended) == [UP, UP, UP, UP]


@pytest.mark.namespaces
def test_a_line_that_was_cut_before_the_start_leaves_the_edge_unseen(lab: Lab) -> None:
    lab.cut_line()

    assert states(climb(lab)) == [UP, UNSEEN, DOWN, DOWN]


@pytest.mark.namespaces
def test_a_cut_beyond_the_edge_leaves_the_edge_up(lab: Lab) -> None:
    lab.ip(lab.edge, "route del 198.51.100.0/24")

    assert states(climb(lab, Memory(isp_edges=[EDGE]))) == [UP, UP, DOWN, DOWN]


@pytest.mark.namespaces
def test_a_cut_abroad_is_told_from_a_cut_at_home(lab: Lab) -> None:
    lab.ip(lab.edge, f"route add blackhole {ABROAD}/32")

    seen = climb(lab)

    lab.ip(lab.edge, f"route del {ABROAD}/32")
    assert states(seen) == [UP, UP, UP, DOWN]
    assert seen.causes["line.international"] in ("timeout", "unreachable")


@pytest.mark.namespaces
def test_a_router_and_an_edge_that_hide_are_up_by_what_answers_beyond(lab: Lab) -> None:
    lab.sysctl(lab.rt, "net.ipv4.icmp_echo_ignore_all=1")
    lab.mute(lab.edge, "icmp type time-exceeded")
    memory = Memory()

    seen = climb(lab, memory)

    assert states(seen) == [UP, UP, UP, UP]
    assert {rung for rung, _ in seen.readings} == {"line.domestic", "line.international"}
    assert memory.isp_edges == []


@pytest.mark.namespaces
def test_one_dead_target_of_several_is_no_dead_line(lab: Lab) -> None:
    target = PathTarget(("198.51.100.99", HERE), ("198.51.100.98", ABROAD), patience=QUICK)
    lab.ip(lab.edge, "route add blackhole 198.51.100.96/28")

    seen = climb(lab, target=target)

    lab.ip(lab.edge, "route del 198.51.100.96/28")
    assert states(seen) == [UP, UP, UP, UP]
    assert seen.readings["line.domestic", "loss_percent"] == 50.0
    assert seen.notes["line.domestic"] == HERE


@pytest.mark.namespaces
def test_a_dead_router_takes_all_down_and_is_masked_elsewhere(lab: Lab) -> None:
    lab.ip(lab.rt, "link set dev lan down")

    seen = climb(lab, Memory(isp_edges=[EDGE]))

    lab.ip(lab.rt, "link set dev lan up")
    assert states(seen) == [DOWN, DOWN, DOWN, DOWN]


@pytest.mark.namespaces
def test_a_pulled_cable_is_named(lab: Lab, tmp_path: Path) -> None:
    interface(tmp_path, "eth0", "0")
    lab.ip(lab.rt, "link set dev lan down")
    with_route = climb(lab, sys=tmp_path)
    lab.ip(lab.pi, "route del default")
    without_route = climb(lab, sys=tmp_path)
    lab.ip(lab.rt, "link set dev lan up")

    assert with_route.causes["lan.router"] == "no_carrier"
    assert without_route.causes == {
        "lan.router": "no_carrier",
        "line.isp": "unreachable",
        "line.domestic": "unreachable",
        "line.international": "unreachable",
    }


@pytest.mark.namespaces
def test_no_default_route_means_no_router(lab: Lab) -> None:
    lab.ip(lab.pi, "route del default")

    seen = climb(lab)

    assert states(seen) == [DOWN, DOWN, DOWN, DOWN]
    assert seen.causes["lan.router"] == "no_router"
    assert seen.readings == {}


@pytest.mark.namespaces
def test_a_configured_router_is_asked_though_no_route_is_there(lab: Lab) -> None:
    lab.ip(lab.pi, "route del default")
    target = PathTarget((HERE,), (ABROAD,), router=ROUTER, patience=QUICK)

    assert states(climb(lab, target=target)) == [UP, UNSEEN, DOWN, DOWN]


@pytest.mark.namespaces
def test_without_the_right_to_ping_the_run_fails_and_says_nothing(lab: Lab) -> None:
    lab.mute(lab.pi, "icmp type echo-request")

    with pytest.raises(ProbeFailed) as caught:
        climb(lab)

    assert caught.value.cause == "no_permission"


@pytest.mark.namespaces
def test_a_run_sends_one_packet_where_it_is_answered_and_three_before_it_says_down(lab: Lab) -> None:
    lab.nft(lab.rt, "add table ip count")
    lab.nft(lab.rt, "add chain ip count in { type filter hook forward priority 0; }")
    lab.nft(lab.rt, f"add rule ip count in ip daddr {HERE} icmp type echo-request counter")
    lab.nft(lab.rt, f"add rule ip count in ip daddr {ABROAD} icmp type echo-request counter drop")

    async def run() -> tuple[tuple[Reply, ...], ...]:
        world = World()
        asked = await asyncio.gather(first_answer(world.echo, [HERE], QUICK), first_answer(world.echo, [ABROAD], QUICK))
        world.echo.close()
        return tuple(asked)

    here, abroad = in_namespace(lab.pi, run)

    assert [reply.kind for reply in here] == ["reply"]
    assert [reply.kind for reply in abroad] == ["timeout", "timeout", "timeout"]
    listed = subprocess.run(
        ["ip", "netns", "exec", lab.rt, "nft", "list", "ruleset"], capture_output=True, text=True, check=True
    ).stdout
    assert [line.split("packets ")[1].split()[0] for line in listed.splitlines() if "packets" in line] == ["1", "3"]


@pytest.mark.namespaces
def test_a_slow_answer_to_the_first_packet_counts_though_a_second_was_sent(lab: Lab) -> None:
    def slowly(request: bytes) -> Iterator[bytes]:
        time.sleep(0.5)
        yield echo_reply(int.from_bytes(request[4:6], "big"), int.from_bytes(request[6:8], "big"), request[8:])

    async def run() -> tuple[Reply, ...]:
        world = World()
        replies = await first_answer(world.echo, [ROUTER], QUICK)
        world.echo.close()
        return replies

    lab.sysctl(lab.rt, "net.ipv4.icmp_echo_ignore_all=1")
    with icmp_server(lab.rt, slowly):
        replies = in_namespace(lab.pi, run)

    assert [reply.kind for reply in replies] == ["reply"]
    assert replies[0].rtt_ms is not None
    assert replies[0].rtt_ms > 500


@pytest.mark.namespaces
def test_the_main_line_is_in_use_while_its_own_edge_answers(lab: Lab) -> None:
    def line_main(*edges: str) -> tuple[State | None, str | None]:
        seen = climb(lab, target=PathTarget((HERE,), (ABROAD,), main_edges=edges, patience=QUICK))
        return seen.states.get("line.main"), seen.causes.get("line.main")

    mine, other, unasked = line_main(EDGE, "100.99.0.1"), line_main("100.99.0.1"), line_main()
    lab.cut_line()

    assert (mine, other, unasked) == ((UP, None), (DOWN, "other_line"), (None, None))
    assert line_main(EDGE) == (UNSEEN, None)
