"""A classroom's computer: what it watches and what it leaves to the gateway, and that nothing needs a POSIX system."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.agent.probe_fakes import deaf, listening
from tests.ports import free_port

import schoolbeat_agent
from schoolbeat_agent import commands, inventory
from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes import witness
from schoolbeat_agent.probes.witness import WitnessTarget
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.settings import Settings, build

GATEWAY = "device.may-5a-gateway"


def classroom(**more: Any) -> Settings:
    found: dict[str, Any] = {
        "site": "th-nam-cuong",
        "agent": "may-5a",
        "role": "classroom",
        "broker": {"host": "mqtt.example.vn"},
        "classroom": {"gateway": "192.168.1.5"},
        "path": {"domestic": ["203.0.113.1"]},
        "service": [{"id": "csdl", "url": "https://csdl.example/"}],
        "device": [{"id": "sw-1", "address": "192.168.1.2"}],
    }
    return build(found | more, Path("/nowhere/agent.toml"))


# --- what it watches -----------------------------------------------------------------------------------------------


def test_it_claims_no_signal_of_the_site_only_its_own() -> None:
    settings = classroom()

    found = inventory.of(settings, inventory.watches(settings), "1")

    assert (found.role, found.signals) == ("classroom", [GATEWAY])
    assert found.probes == ["host", "wifi_heard", "witness"]
    assert [(device.id, device.kind, device.name) for device in found.devices] == [
        ("may-5a-gateway", "other", "Thiết bị cổng (nhìn từ may-5a)")
    ]


def test_two_classrooms_claim_different_signals_and_one_without_gateway_none() -> None:
    other = classroom(agent="may-5b")
    blind = classroom(classroom={})

    assert inventory.of(other, inventory.watches(other), "1").signals == ["device.may-5b-gateway"]
    assert inventory.of(blind, inventory.watches(blind), "1").signals == []


def test_the_gateways_agent_watches_no_witness() -> None:
    settings = classroom(role="gateway", agent="gateway")

    assert "witness" not in [watch.probe for watch in inventory.watches(settings)]
    assert "line.internet" in [signal for watch in inventory.watches(settings) for signal in watch.signals]


def test_the_documents_example_is_a_configuration() -> None:
    document = Path(__file__).parents[2] / "docs" / "classroom.md"
    example = tomllib.loads(document.read_text(encoding="utf-8").partition("```toml\n")[2].partition("```")[0])

    settings = classroom(**example)

    assert [watch.probe for watch in inventory.watches(settings)] == ["host", "wifi_heard", "witness"]
    assert (settings.classroom.gateway, settings.router) == ("192.168.1.5", "192.168.1.1")


# --- the witness ---------------------------------------------------------------------------------------------------


def asked(target: WitnessTarget, tmp_path: Path | None = None) -> Observation:
    """In a world without a default route, unless the target names the router."""
    return asyncio.run(witness.probe(target, World(proc=tmp_path or Path("/nowhere"))))


def target(port: int, router: str = "", router_port: int = 9) -> WitnessTarget:
    return WitnessTarget("may-5a-gateway", "127.0.0.1", port, router, (router_port,))


def test_a_gateway_that_accepts_is_up() -> None:
    with listening() as port:
        found = asked(target(port))

    assert found.states == {GATEWAY: State.UP}
    assert 0 < found.readings[GATEWAY, "connect_ms"] < 5_000
    assert found.notes == {GATEWAY: f"127.0.0.1:{port}"}


def test_a_gateway_whose_machine_refuses_is_down_without_asking_the_router() -> None:
    found = asked(target(free_port()))

    assert (found.states, found.causes) == ({GATEWAY: State.DOWN}, {GATEWAY: "refused"})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness, "SECONDS", 0.3)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("router_refuses", [True, False])
def test_a_silent_gateway_is_down_where_the_router_answers_or_refuses(router_refuses: bool) -> None:
    with deaf() as port, listening("127.0.0.2") as router_port:
        found = asked(target(port, "127.0.0.2", free_port() if router_refuses else router_port))

    assert (found.states, found.causes) == ({GATEWAY: State.DOWN}, {GATEWAY: "timeout"})


@pytest.mark.usefixtures("quick")
def test_a_computer_that_is_cut_off_itself_is_no_witness() -> None:
    with (
        deaf() as port,
        deaf("127.0.0.2") as router_port,
        pytest.raises(ProbeFailed, match="may be cut off") as failed,
    ):
        asked(target(port, "127.0.0.2", router_port))

    assert failed.value.cause == "unreachable"


@pytest.mark.usefixtures("quick")
def test_without_a_known_router_silence_proves_nothing() -> None:
    with deaf() as port:
        with pytest.raises(ProbeFailed, match=r"path\.router"):
            asked(target(port))
        with pytest.raises(ProbeFailed, match="the gateway is the router"):
            asked(target(port, "127.0.0.1"))


# --- on Windows, as far as it can be had here ----------------------------------------------------------------------

# What CPython's documentation says Windows does not have. The standard library and psutil are loaded before, as
# their own for Windows are not here; os.statvfs stays, since psutil for Linux needs it.
WITHOUT_POSIX = """
import asyncio, asyncio.selector_events, ctypes, errno, getpass, logging, os, pathlib, signal, socket, sqlite3, ssl
import subprocess, sys, tempfile, time, tomllib, json, random, concurrent.futures, multiprocessing, argparse
import psutil, msgspec, paho.mqtt.client
socket.socketpair = lambda pair=socket.socketpair, unix=socket.AF_UNIX: pair(unix)  # of Linux' own event loop
for name in ("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "curses", "syslog", "readline"):
    sys.modules[name] = None
for name in [name for name in dir(socket) if name.startswith(("AF_UNIX", "AF_PACKET", "AF_NETLINK", "MSG_ERRQUEUE",
        "SOCK_NONBLOCK", "SOCK_CLOEXEC", "SO_BINDTODEVICE", "SO_REUSEPORT", "PF_", "SCM_", "CMSG_", "IP_RECVERR"))]:
    delattr(socket, name)
for name in ("geteuid", "getuid", "getgid", "setuid", "fork", "chown", "fchmod", "fchown", "uname", "getloadavg",
             "O_CLOEXEC", "O_DIRECTORY", "O_NONBLOCK", "sched_getaffinity", "mkfifo", "setsid"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC", "clock_gettime"):
    delattr(time, name)
for name in ("start_unix_server", "open_unix_connection"):
    delattr(asyncio, name)
for name in ("SIGHUP", "SIGKILL", "SIGUSR1", "SIGWINCH", "SIGALRM"):
    if hasattr(signal, name):
        delattr(signal, name)
def no_signals(*_):
    raise NotImplementedError
asyncio.SelectorEventLoop.add_signal_handler = no_signals
async def no_programs(*_, **__):
    raise NotImplementedError
asyncio.create_subprocess_exec = no_programs
sys.platform = "win32"
"""


def without_posix(program: str, *arguments: str | Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_POSIX + textwrap.dedent(program), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def modules() -> list[str]:
    root = Path(schoolbeat_agent.__file__).parent
    found = [path.relative_to(root.parent).with_suffix("") for path in sorted(root.rglob("*.py"))]
    return [".".join(path.parts).removesuffix(".__init__") for path in found]


def test_every_module_of_the_agent_can_be_imported_where_there_is_no_posix() -> None:
    program = """
    import importlib, importlib.util
    failed = []
    for name in sys.argv[1:]:
        try:
            importlib.import_module(name)
        except ImportError as error:
            # Optional parts ([discover], SNMP) are not everywhere either; POSIX modules are what must not be missed.
            if error.name in ("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "curses", None) or not error.name:
                failed.append(f"{name}: {error!r}")
            elif error.name.startswith("schoolbeat"):
                failed.append(f"{name}: {error!r}")
        except Exception as error:
            failed.append(f"{name}: {error!r}")
    print("\\n".join(failed))
    """
    found = [name for name in modules() if not name.endswith("__main__")]

    done = without_posix(program, *found)

    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stdout + done.stderr


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "agent.toml"
    path.write_text(
        f'site = "th-thu"\nagent = "may-5a"\nrole = "classroom"\nfolder = "state"\n'
        f'[broker]\nhost = "127.0.0.1"\nport = {free_port()}\ntls = false\npassword = "pw"\n'
        f'[classroom]\ngateway = "127.0.0.1"\nport = {{port}}\n'
    )
    return path


RUN_CLI = """
from schoolbeat_agent import cli
sys.stdout.reconfigure(encoding="utf-8")
sys.exit(cli.main(sys.argv[1:]))
"""


def test_check_and_once_run_where_there_is_no_posix(config: Path) -> None:
    with listening() as port:
        config.write_text(config.read_text().replace("{port}", str(port)))
        checked = without_posix(RUN_CLI, "--config", config, "check")
        once = without_posix(RUN_CLI, "--config", config, "once")

    assert checked.returncode == 0, checked.stderr
    assert "th-thu" in checked.stdout
    assert "✓ Thiết bị cổng (nhìn từ may-5a)" in once.stdout, once.stdout + once.stderr
    assert "✓ Máy chạy tác tử" in once.stdout
    assert "Traceback" not in once.stderr


def test_the_agent_runs_and_stops_where_there_is_no_posix(config: Path) -> None:
    """Its own loop, lock and clock; Windows' own modules stand in as the documentation describes them."""
    program = """
    import types
    held = []
    sys.modules["msvcrt"] = types.SimpleNamespace(LK_NBLCK=2, locking=lambda *call: held.append(call))
    class FakeKey:
        def __enter__(self): return self
        def __exit__(self, *_): pass
    sys.modules["winreg"] = types.SimpleNamespace(
        HKEY_LOCAL_MACHINE=1, KEY_READ=2, KEY_WOW64_64KEY=4, OpenKey=lambda *_: FakeKey(),
        QueryValueEx=lambda _key, name: ("4f2c6f3e-0000-0000-0000-000000000000" if name == "MachineGuid" else None, 1),
    )
    from schoolbeat_agent import cli, runner
    begun = runner.Runner.run
    async def for_a_while(self, stop):
        asyncio.get_running_loop().call_later(4, stop.set)
        await begun(self, stop)
    runner.Runner.run = for_a_while
    code = cli.main(sys.argv[1:])
    print("held", [call[1:] for call in held], "code", code)
    """
    with listening() as port:
        config.write_text(config.read_text().replace("{port}", str(port)) + "\n")
        done = without_posix(program, "--config", config, "run", "--verbose")

    assert "held [(2, 1)] code 0" in done.stdout, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert ": internal: " not in done.stderr, done.stderr
    assert "status cannot be asked for" in done.stderr
    assert done.stderr.rstrip().endswith("INFO stopped")
    assert (config.parent / "state" / "outbox.sqlite").stat().st_size > 0


def test_the_same_windows_machine_and_boot_have_the_same_ids() -> None:
    program = """
    import types
    class FakeKey:
        def __enter__(self): return self
        def __exit__(self, *_): pass
    guid = ["a"]
    sys.modules["winreg"] = types.SimpleNamespace(
        HKEY_LOCAL_MACHINE=1, KEY_READ=2, KEY_WOW64_64KEY=4, OpenKey=lambda *_: FakeKey(),
        QueryValueEx=lambda *_: (guid[0], 1),
    )
    from schoolbeat_agent import machine
    psutil.boot_time = lambda: 1_765_000_000.0
    first = machine.hardware_id(), machine.boot_id()
    psutil.boot_time = lambda: 1_765_000_003.5  # the clock was corrected meanwhile
    again = machine.hardware_id(), machine.boot_id()
    guid[0] = "b"
    psutil.boot_time = lambda: 1_765_009_000.0
    other = machine.hardware_id(), machine.boot_id()
    print(first == again, first[0] != other[0], first[1] != other[1], len(first[0]), len(first[1]))
    """
    done = without_posix(program)

    assert done.stdout.strip() == "True True True 16 32", done.stderr


def test_programs_are_run_where_the_loop_cannot_start_them(monkeypatch: pytest.MonkeyPatch) -> None:
    async def cannot(*_: object, **__: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(asyncio, "create_subprocess_exec", cannot)

    found = asyncio.run(commands.output_of(["sh", "-c", "cat; echo err >&2; exit 3"], 20, given=b"in"))

    assert found == commands.Output(3, "in", "err\n")
    for command, cause in ((["sleep", "30"], "hung"), (["no-such-program"], "not_installed")):
        with pytest.raises(ProbeFailed) as failed:
            asyncio.run(commands.output_of(command, 0.3))
        assert failed.value.cause == cause
