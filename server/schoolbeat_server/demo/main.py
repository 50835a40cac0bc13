"""`schoolbeat-server demo`: a whole province on this machine, of simulated schools and one real agent."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from schoolbeat_server import database, enrol, plans, register
from schoolbeat_server.demo import (
    children,
    inspected,
    internet,
    lab,
    own_plans,
    past_verdicts,
    province,
    relay,
    simulator,
    this_machine,
    words,
)
from schoolbeat_server.demo.children import Child
from schoolbeat_server.demo.folder import FolderError, fresh
from schoolbeat_server.demo.lab import Lab
from schoolbeat_server.demo.sink import Arrived, Sink
from schoolbeat_server.demo.this_machine import Enrolled
from schoolbeat_server.said import Said

START_SECONDS = 90.0
BLIND_SECONDS = 50  # the server is blind for 60 s after its start; the script's first cut comes 20 s after this
JUDGING_MS = 5_000  # a judgement that ends sooner than this after the history was in may have begun without it
USUAL_WEB_PORT = 8080


class DemoError(RuntimeError):
    """The demo cannot go on; `said` tells why and what to do."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(f"{vi} / {en}")
        self.said = Said(vi, en)


@dataclass(frozen=True)
class Options:
    folder: Path
    schools: int = 60
    days: int = 7
    seed: int = 1
    seconds: float | None = None


@dataclass
class Demo:
    """What runs, and what has arrived."""

    options: Options
    terminal: words.Terminal
    notices: list[Arrived] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)  # site -> what people call it

    def take(self, arrived: Arrived) -> None:
        self.notices.append(arrived)
        self.terminal.notice(arrived)


def main(argv: Sequence[str] | None = None) -> int:
    """0 after a clean end, 1 when it could not start or a part of it died, 2 for wrong words."""
    given = _parser().parse_args(argv)
    options = Options(given.folder.absolute(), given.schools, given.days, given.seed, given.seconds)
    terminal = words.Terminal(sys.stdout)
    try:
        return asyncio.run(_run(Demo(options, terminal), os.environ))
    except (DemoError, FolderError) as error:
        terminal.say(error.said)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="schoolbeat-server demo",
        description="Bản trình diễn: một tỉnh mô phỏng trên máy này / a simulated province on this machine",
    )
    parser.add_argument("--folder", type=Path, default=Path(".demo"), help="thư mục / folder (.demo)")
    parser.add_argument(
        "--schools", type=_between(6, province.MOST_SCHOOLS), default=60, help="số trường / schools (60)"
    )
    parser.add_argument("--days", type=_between(1, 14), default=7, help="số ngày lịch sử / days of history (7)")
    parser.add_argument("--seed", type=_between(0, 2**31), default=1, help="hạt giống / seed (1)")
    parser.add_argument("--seconds", type=float, help="tự dừng sau / ends by itself after")
    return parser


def _between(low: int, high: int) -> Any:
    def parse(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r}: cần số nguyên / allowed is {low}-{high}")
        return int(text)

    return parse


# ---- putting it together -----------------------------------------------------------------------------------


async def _run(demo: Demo, environment: Mapping[str, str]) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if demo.options.seconds is not None:
        asyncio.get_running_loop().call_later(demo.options.seconds, stop.set)
    lock = fresh(demo.options.folder)
    async with AsyncExitStack() as stack:
        stack.callback(lock.close)
        stack.callback(
            lambda: demo.terminal.say(Said("Đã dừng; không còn gì chạy.", "Stopped; nothing is left running."))
        )
        whole = asyncio.create_task(_play(demo, environment, stack))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({whole, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if whole.done():
            await whole  # raises what went wrong
        whole.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await whole
        demo.terminal.say(Said("Đang dừng…", "Stopping…"))
    return 0


async def _play(demo: Demo, environment: Mapping[str, str], stack: AsyncExitStack) -> None:
    """Everything in order; what is started is put on the stack, which ends it in reverse. Never returns."""
    options = demo.options
    sink = await stack.enter_async_context(Sink(demo.take))
    broker_port = children.free_port()
    demo.terminal.say(
        Said(
            f"Đang lập sổ đăng ký {options.schools} trường mô phỏng…",
            f"Registering {options.schools} simulated schools…",
        )
    )
    accounts, enrolled = await asyncio.to_thread(_enrol, demo, broker_port)
    web_port = children.free_port(USUAL_WEB_PORT)  # only now: somebody might take it while schools are registered
    settings_file = _write_settings(options.folder, web_port, broker_port, sink.channels)
    started_s = int(time.time())
    server = await _start_server(demo, stack, settings_file, web_port)
    url = f"http://127.0.0.1:{web_port}/"
    demo.terminal.say(Said(f"Máy chủ đã chạy: {url}", f"The server runs: {url}"))
    kind, agent = await _start_agent(demo, stack, enrolled, web_port, environment)
    plan = simulator.Plan(
        host="127.0.0.1",
        port=broker_port,
        accounts=accounts,
        seed=options.seed,
        schools=options.schools,
        days=options.days,
        server=enrolled.server,
        not_before_s=started_s + BLIND_SECONDS,
    )
    _write_private(options.folder / "simulator.json", msgspec.json.encode(plan))
    command: Sequence[str | Path] = [
        sys.executable,
        "-m",
        "schoolbeat_server.demo.simulator",
        options.folder / "simulator.json",
    ]
    schools = await _start(demo, stack, "simulator", command, listen=True)
    explained = words.what_to_see(url, options.schools, this_machine.WORDS[kind])
    history_in = asyncio.Event()
    await asyncio.gather(
        _follow(demo, schools, explained, history_in),
        _inspect(demo, web_port, history_in),
        _fatal(server),
        _fatal(schools),
        _remark(demo, agent),
    )


async def _start(
    demo: Demo, stack: AsyncExitStack, name: str, command: Sequence[str | Path], *, listen: bool = False
) -> Child:
    child = await children.start(name, command, demo.options.folder / f"{name}.log", listen=listen)
    stack.push_async_callback(child.stop)
    return child


# ---- server ------------------------------------------------------------------------------------------------


FOLLOW = ("lao-cai-2022-2025", "profile-giga-itu", "profile-contract-80")
LESSONS = ("07:00-11:30", "13:30-17:00")  # of every day but Sunday


def _write_settings(folder: Path, web_port: int, broker_port: int, channels: Mapping[str, str]) -> Path:
    lines = [
        f"folder = {json.dumps(str(folder / 'server'))}",
        "demo = true",
        f"plans = {json.dumps(str(own_plans.write(folder / 'plans')))}",
        f"follow = {json.dumps(FOLLOW)}",
        "",
        "[web]",
        f"port = {web_port}",
        "",
        "[broker]",
        'mode = "managed"',
        f"port = {broker_port}",
        "",
        "[lessons]",
        f"week = {json.dumps([f'{day} {part}' for day in range(2, 8) for part in LESSONS])}",
    ]
    for name, url in channels.items():
        lines += ["", f"[channels.{name}]", f"url = {json.dumps(url)}"]
    path = folder / "server.toml"
    _write_private(path, ("\n".join(lines) + "\n").encode())
    return path


def _write_private(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)


def _enrol(demo: Demo, broker_port: int) -> tuple[dict[str, tuple[str, str]], Enrolled]:
    """Fills the register and gives every simulated gateway, and this machine's agent, an account of its own."""
    options = demo.options
    made = province.make(options.seed, options.schools)
    folder = options.folder / "server"
    folder.mkdir(mode=0o700)
    engine = database.open_database(folder / "schoolbeat.db")
    rows = {section: made.register[section] + this_machine.REGISTER.get(section, []) for section in made.register}
    register.apply(engine, register.rows_of(rows, "demo"))
    now_ms = time.time_ns() // 1_000_000
    accounts = {}
    for site in made.sites:
        found = enrol.add_agent(engine, site.id, now_ms=now_ms, simulated=True)
        accounts[site.id] = (found.username, found.password)
    own = enrol.add_agent(engine, this_machine.SITE, now_ms=now_ms)
    enrolled = Enrolled("127.0.0.1", broker_port, own, database.server_id(engine))
    known = plans.all_plans(own_plans.write(options.folder / "plans"), FOLLOW)
    past_verdicts.issue(engine, known, made.sites, options.seed, now_ms)
    engine.dispose()
    schools = {row["id"]: row["name"] for row in rows["schools"]}
    demo.names = {
        row["id"]: schools[row["school"]] + ("" if row["kind"] == "main" else f" – {row['name']}")
        for row in rows["sites"]
    }
    return accounts, enrolled


async def _start_server(demo: Demo, stack: AsyncExitStack, settings_file: Path, web_port: int) -> Child:
    command: list[str | Path] = [sys.executable, "-m", "schoolbeat_server.cli", "--settings", settings_file, "run"]
    server = await _start(demo, stack, "server", command)
    deadline = time.monotonic() + START_SECONDS
    while not await asyncio.to_thread(_healthy, web_port):
        if server.ended or time.monotonic() > deadline:
            raise _died(server)
        await asyncio.sleep(0.3)
    return server


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code == 503  # it speaks, and will be well when the broker is there
    except OSError:
        return False


def _died(child: Child) -> DemoError:
    said = child.last_words()
    return DemoError(
        f"{child.name} đã dừng ngoài ý muốn; xem {child.log}\n{said}",
        f"{child.name} has ended unexpectedly; see {child.log}",
    )


# ---- the real agent ----------------------------------------------------------------------------------------


async def _start_agent(
    demo: Demo, stack: AsyncExitStack, enrolled: Enrolled, web_port: int, environment: Mapping[str, str]
) -> tuple[str, Child]:
    folder = demo.options.folder
    kind, lab_, ca_file = "machine", None, None
    if environment.get("CI") == "true" or not await asyncio.to_thread(this_machine.router_answers):
        kind = "loopback"
        problems = await asyncio.to_thread(lab.missing)
        for said in problems:
            demo.terminal.say(Said(f"Mạng thử (lab): {said.vi}", f"The lab: {said.en}"))
        if not problems:
            kind, lab_ = "lab", await asyncio.to_thread(_build_lab, stack)
            ca_file = await asyncio.to_thread(lab_.start_internet)
            enrolled = await _relay_to(demo, stack, lab_, enrolled)
    path = folder / "agent.toml"
    _write_private(path, this_machine.agent_toml(kind, folder / "agent", enrolled, web_port, ca_file).encode())
    (folder / "agent").mkdir(mode=0o700)
    command: list[str | Path] = [sys.executable, "-m", "schoolbeat_agent.cli", "--config", path, "run"]
    if lab_ is not None:
        command = [*lab_.command("pi", command)]
    return kind, await _start(demo, stack, "agent", command)


def _build_lab(stack: AsyncExitStack) -> Lab:
    """The lab goes when the stack does; should we be killed, the watch takes it away."""
    watch = subprocess.Popen(
        [sys.executable, "-m", "schoolbeat_server.demo.lab_watch", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )

    def end_watch() -> None:
        assert watch.stdin is not None
        watch.stdin.close()
        watch.terminate()
        watch.wait()

    stack.callback(end_watch)
    built = Lab()
    built.up()
    stack.callback(built.down)
    return built


async def _relay_to(demo: Demo, stack: AsyncExitStack, lab_: Lab, enrolled: Enrolled) -> Enrolled:
    """In the lab the broker has an address on the Internet's side; a Unix socket carries it out to the real one."""
    folder = os.open(demo.options.folder, os.O_DIRECTORY)  # the name of a Unix socket must be short
    stack.callback(os.close, folder)
    outside = await relay.from_unix(Path(f"/proc/self/fd/{folder}/relay.sock"), enrolled.host, enrolled.port)
    stack.callback(outside.close)
    port = this_machine.LAB_BROKER_PORT
    argv = [sys.executable, "-m", "schoolbeat_server.demo.relay", internet.SERVER, str(port), "relay.sock"]
    await _start(demo, stack, "relay", lab_.command("inet", argv))
    return Enrolled(internet.SERVER, port, enrolled.credentials, enrolled.server)


# ---- while it runs -----------------------------------------------------------------------------------------


_HISTORY_IS_IN = Said(
    "Lịch sử đã vào đủ, trang đã xem được. Phần có sự cố bắt đầu khi máy chủ đã theo dõi được gần một phút…",
    "The history is in, the page can be opened. The faults begin when the server has watched for nearly a minute…",
)


async def _follow(demo: Demo, schools: Child, explained: Said, history_in: asyncio.Event) -> None:
    """What the simulator tells, as words. Never returns."""
    assert schools.process.stdout is not None
    days = demo.options.days
    async for line in schools.process.stdout:
        told = json.loads(line)
        if told["kind"] == "progress":
            demo.terminal.progress(f"Đang gửi lịch sử {days} ngày", f"Sending {days} days of history", told["percent"])
            if told["percent"] == 100:
                demo.terminal.say(_HISTORY_IS_IN)
                history_in.set()
        elif told["kind"] == "ready":
            demo.terminal.say(explained)
        elif told["kind"] == "fault" and (told["fault"], told["mended"]) in words.FAULTS:
            said = words.FAULTS[told["fault"], told["mended"]]
            name = demo.names[told["site"]]
            demo.terminal.say(Said(f"⚙ kịch bản: {name}: {said.vi}", f"script: {name}: {said.en}"))
    await asyncio.Event().wait()


async def _inspect(demo: Demo, web_port: int, history_in: asyncio.Event) -> None:
    """Once the verdicts are of the whole history, two inspections are entered as an office would, over the API."""
    await history_in.wait()
    since_ms = time.time_ns() // 1_000_000 + JUDGING_MS
    made = province.make(demo.options.seed, demo.options.schools)
    while True:
        await asyncio.sleep(2)
        if await asyncio.to_thread(inspected.are_judged, web_port, since_ms):
            break
    try:
        await asyncio.to_thread(inspected.record, made, *inspected.over_the_api(web_port))
    except OSError as error:
        said = Said(f"Chưa ghi được biên bản kiểm tra mô phỏng: {error}", f"No simulated inspections: {error}")
        demo.terminal.say(said)


async def _fatal(child: Child) -> None:
    await child.process.wait()
    raise _died(child)


async def _remark(demo: Demo, agent: Child) -> None:
    """Without the real agent the rest is still worth seeing."""
    await agent.process.wait()
    demo.terminal.say(
        Said(
            f"Tác tử thật đã dừng; xem {agent.log}\n{agent.last_words()}", f"The real agent has ended; see {agent.log}"
        )
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(main())
