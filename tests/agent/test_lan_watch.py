"""What is counted of a LAN and what is remembered of it; scapy's part runs in tests/e2e/test_lan_watch.py."""

from __future__ import annotations

import ast
import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import schoolbeat_agent
from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.discovery.found import device_id
from schoolbeat_agent.lan import watch
from schoolbeat_agent.lan.watch import Heard, Remembered, counts, from_text, marks, parse, to_text
from schoolbeat_agent.observation import ProbeFailed
from schoolbeat_agent.probes import lan
from schoolbeat_agent.probes.world import Memory, World
from schoolbeat_agent.settings import Lan, Settings
from schoolbeat_agent.settings import build as build_settings

KEY = bytes(range(32))
A, B, C = (f"24:71:21:00:00:{last:02x}" for last in (10, 11, 12))
HOLDERS = {"10.0.0.1": frozenset({A}), "10.0.0.2": frozenset({B})}


def settings(**lan_keys: object) -> Settings:
    found = build_settings({"site": "s1", "agent": "a1", "broker": {"host": "h"}}, Path("/tmp/agent.toml"))
    return replace(found, lan=Lan(**lan_keys))  # type: ignore[arg-type]


def test_the_first_run_calls_nothing_new() -> None:
    readings, now = counts(Heard(frozenset({"10.0.0.1"}), HOLDERS, "10.0.0.1"), Remembered(), KEY)

    assert readings == {
        ("lan", "dhcp_servers"): 1,
        ("lan", "addresses_duplicate"): 0,
        ("lan", "devices_seen"): 2,
    }
    assert (now.router, set(now.devices)) == (device_id(KEY, f"mac {A}")[:6], set(marks([A, B], KEY)))


def test_another_router_and_a_new_device_are_counted_once() -> None:
    _, before = counts(Heard(frozenset(), HOLDERS, "10.0.0.1"), Remembered(), KEY)
    changed = Heard(frozenset(), {"10.0.0.1": frozenset({C}), "10.0.0.2": frozenset({B})}, "10.0.0.1")

    first, now = counts(changed, before, KEY)
    second, after = counts(changed, now, KEY)

    assert [first[watch.SUBJECT, name] for name in ("gateway_changed", "devices_new")] == [1, 1]
    assert [second[watch.SUBJECT, name] for name in ("gateway_changed", "devices_new")] == [0, 0]
    assert after == now


def test_a_router_that_is_silent_has_not_changed() -> None:
    _, before = counts(Heard(frozenset(), HOLDERS, "10.0.0.1"), Remembered(), KEY)

    readings, now = counts(Heard(frozenset(), {"10.0.0.2": frozenset({B})}, "10.0.0.1"), before, KEY)

    assert ("lan", "gateway_changed") not in readings
    assert now == before


def test_two_that_answer_for_the_router_are_a_doubled_address() -> None:
    _, before = counts(Heard(frozenset(), HOLDERS, "10.0.0.1"), Remembered(), KEY)

    readings, now = counts(Heard(frozenset(), {"10.0.0.1": frozenset({A, C})}, "10.0.0.1"), before, KEY)

    assert (readings["lan", "addresses_duplicate"], readings["lan", "gateway_changed"]) == (1, 0)
    assert now.router == before.router


def test_a_router_that_answers_for_others_makes_no_doubled_address() -> None:
    proxy = {f"10.0.0.{last}": frozenset({A, f"24:71:21:00:01:{last:02x}"}) for last in range(2, 9)}

    assert watch.duplicates(Heard(holders=proxy)) == 0


def test_what_is_remembered_is_bounded_and_the_absent_are_forgotten_first() -> None:
    old = tuple(sorted(marks([f"24:71:21:00:{n // 256:02x}:{n % 256:02x}" for n in range(watch.MARKS)], KEY)))
    there = {f"10.0.0.{n}": frozenset({f"00:11:22:33:44:{n:02x}"}) for n in range(40)}

    readings, now = counts(Heard(holders=there), Remembered("abcdef", old), KEY)

    assert readings["lan", "devices_new"] == 40
    assert len(now.devices) <= watch.MARKS
    assert set(marks((mac for macs in there.values() for mac in macs), KEY)) <= set(now.devices)
    assert len(to_text(now, KEY)) <= 4_096


def test_what_was_kept_is_read_again_and_anything_else_is_nothing() -> None:
    kept = Remembered("abcdef", ("123456", "fedcba"))

    assert from_text(to_text(kept, KEY), KEY) == kept
    assert from_text(to_text(Remembered(), KEY), KEY) == Remembered()
    assert from_text(to_text(kept, KEY), b"another key") == Remembered()
    assert [from_text(text, KEY) for text in ("", "x", "1234567", to_text(kept, KEY)[:-1])] == [Remembered()] * 4


def test_the_childs_output_is_checked_and_never_quoted() -> None:
    good = parse(
        '{"dhcp_servers": ["10.0.0.1"], "router": "10.0.0.1",'
        f' "holders": {{"10.0.0.1": ["{A}"], "10.0.0.3": ["no mac", "00:00:00:00:00:00"]}}}}'
    )

    assert good == Heard(frozenset({"10.0.0.1"}), {"10.0.0.1": frozenset({A}), "10.0.0.3": frozenset()}, "10.0.0.1")
    for bad in ("", "[]", "{}", f'{{"holders": "{A}", "dhcp_servers": [], "router": ""}}', '{"holders": {"a": 5}}'):
        with pytest.raises(ProbeFailed) as failed:
            parse(bad)
        assert failed.value.cause == "bad_answer"
        assert A not in str(failed.value)


def test_it_is_asked_only_where_an_interface_is_named() -> None:
    with_key = replace(
        settings(watch="eth0", minutes=30), credentials={"site-key": Credential("site-key", password=KEY.hex())}
    )

    (asked,) = lan.watches(with_key)

    assert lan.watches(settings()) == []
    assert asked.target == lan.LanTarget("eth0", KEY)
    assert KEY.hex() not in repr(asked)
    assert str(KEY) not in repr(asked)
    assert (asked.every_seconds, asked.signals, asked.about, asked.timeout_seconds) == (1_800, (), "lan", 70)
    assert asked.readings == tuple(("lan", reading) for reading in watch.READINGS)


def test_without_a_sites_key_one_of_this_machine_is_made_once() -> None:
    world = World(memory=Memory(), entropy=lambda size: b"k" * size)

    first, second = lan._own_key(world), lan._own_key(replace(world, entropy=lambda size: b"z" * size))

    assert first == second == b"k" * 32
    assert world.memory.kept == {"lan key": (b"k" * 32).hex()}


def test_no_such_interface_is_said_so() -> None:
    with pytest.raises(ProbeFailed) as failed:
        asyncio.run(lan.probe(lan.LanTarget("nosuch0", KEY, 1), World()))

    # In an environment without [discover] it is the missing scapy that is told.
    assert failed.value.cause in ("not_configured", "not_installed")


def test_a_missing_scapy_is_said_so() -> None:
    hidden = "import sys; sys.modules['scapy'] = None; from schoolbeat_agent.lan import child; sys.exit(child.main(['lo', '1']))"

    done = subprocess.run([sys.executable, "-c", hidden], capture_output=True, timeout=60, check=False)

    assert done.returncode == 3
    assert lan.FAILURES[3][0] == "not_installed"


def test_the_agent_never_imports_scapy_or_zeroconf() -> None:
    everything = (
        "import sys, schoolbeat_agent.cli, schoolbeat_agent.runner, schoolbeat_agent.probes, "
        "schoolbeat_agent.discovery.discover, schoolbeat_agent.lan.watch\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'scapy', 'zeroconf'}))"
    )

    done = subprocess.run([sys.executable, "-c", everything], capture_output=True, text=True, timeout=60, check=False)

    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_only_the_children_name_scapy_and_zeroconf() -> None:
    folder = Path(schoolbeat_agent.__file__).parent
    naming = {}
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                if name.partition(".")[0] in ("scapy", "zeroconf"):
                    naming.setdefault(name.partition(".")[0], set()).add(file.relative_to(folder).as_posix())

    assert naming == {"scapy": {"lan/child.py"}, "zeroconf": {"discovery/mdns.py"}}
