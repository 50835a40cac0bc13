"""`schoolbeat-agent setup|check|once|run|status`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import logging
import os
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from schoolbeat_agent import config_file, inventory, machine
from schoolbeat_agent.doubts import doubts
from schoolbeat_agent.settings import Settings, SettingsError, load
from schoolbeat_agent.texts import Language, Text
from schoolbeat_wire import __version__
from schoolbeat_wire.errors import WireError

log = logging.getLogger("schoolbeat_agent")
T = TypeVar("T")

CONFIG = (
    Path("/etc/schoolbeat/agent.toml")
    if sys.platform != "win32"
    else Path(os.environ.get("PROGRAMDATA", r"C:\ProgramData"), "SchoolBeat", "agent.toml")
)


def main(arguments: Sequence[str] | None = None) -> int:
    if sys.platform == "win32":
        for stream in (sys.stdout, sys.stderr):  # a console's own code page has no Vietnamese
            stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    options = _parser().parse_args(arguments)
    if options.command == "setup":
        return _setup(options)
    try:
        settings = load(options.config)
        _watchable(settings, options.config)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    language: Language = options.lang or settings.language
    commands = {"check": _check, "once": _once, "run": _run, "status": _status}
    return commands[options.command](settings, options, language)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="schoolbeat-agent",
        description="Tác tử SchoolBeat: đo ở trường, không mất phút nào. / Measures in a school, loses nothing.",
    )
    parser.add_argument("--config", type=Path, default=CONFIG, help=f"tệp cấu hình / configuration file ({CONFIG})")
    parser.add_argument("--lang", choices=("vi", "en"), help="ngôn ngữ / language")
    commands = parser.add_subparsers(dest="command", required=True)
    setup = commands.add_parser(
        "setup", help="thiết lập trường, hoặc xem có gì đổi / set a school up, or see what changed"
    )
    setup.add_argument("--answers", type=Path, metavar="FILE", help="tệp trả lời sẵn / answers from a file")
    setup.add_argument("--all", action="store_true", help="cả cái không đổi / also what has not changed")
    setup.add_argument("--dry-run", action="store_true", help="không ghi gì, chỉ in ra / write nothing, only print")
    commands.add_parser("check", help="kiểm tra cấu hình, không đo gì / check the configuration, measure nothing")
    commands.add_parser("once", help="đo mọi thứ một lần, in bảng / run every probe once and print a table")
    commands.add_parser("run", help="chạy liên tục / run").add_argument(
        "--verbose", action="store_true", help="ghi nhiều chi tiết / log details"
    )
    commands.add_parser("status", help="tác tử đang chạy ra sao? / how is the running agent?").add_argument(
        "--json", action="store_true", help="in JSON / print JSON"
    )
    return parser


def _setup(options: argparse.Namespace) -> int:
    from schoolbeat_agent.setup import command

    return command.run(
        options.config, options.lang, answers=options.answers, dry_run=options.dry_run, everything=options.all
    )


def _watchable(settings: Settings, path: Path) -> None:
    try:
        inventory.of(settings, inventory.watches(settings), version())
    except WireError as error:
        raise SettingsError(f"{path}: {error}") from None


def version() -> str:
    """Read from the source: importlib.metadata would bring zip files, mail and 1 MiB with it."""
    return __version__


_WELL = Text(
    "{path}: cấu hình đúng: điểm trường {site}, tác tử {agent}, máy môi giới {host}:{port}, "
    "{devices} thiết bị, {services} dịch vụ",
    "{path}: the configuration is right: site {site}, agent {agent}, broker {host}:{port}, "
    "{devices} devices, {services} services",
)


def _check(settings: Settings, options: argparse.Namespace, language: Language) -> int:
    print(
        _WELL.say(
            language,
            path=options.config,
            site=settings.site,
            agent=settings.agent,
            host=settings.broker.host,
            port=settings.broker.port,
            devices=len(settings.devices),
            services=len(settings.services),
        )
    )
    kept = config_file.laid_over(settings, config_file.load(settings.folder / "config.json"))
    for doubt in doubts(kept, language):
        print(f"! {doubt}")
    return 0


def _once(settings: Settings, _options: argparse.Namespace, language: Language) -> int:
    from schoolbeat_agent.table import measured_once

    kept = config_file.laid_over(settings, config_file.load(settings.folder / "config.json"))
    text, well = in_loop(measured_once(kept, language, sys.stderr))
    print(text)
    return 0 if well else 1


def _status(settings: Settings, options: argparse.Namespace, language: Language) -> int:
    from schoolbeat_agent.standing import describe

    text, well = describe(settings, language, as_json=options.json)
    print(text)
    return 0 if well else 1


WAIT_FOR_DISK_SECONDS = 10.0
_TAKEN = Text(
    "thư mục {folder}: một tác tử khác đang chạy ở đó; dừng nó trước, hoặc đổi `folder`",
    "folder {folder}: another agent runs there; stop it first, or change `folder`",
)
_NO_FOLDER = Text("thư mục {folder}: không ghi được: {error}", "folder {folder}: cannot be written: {error}")


def _lock_file(settings: Settings, language: Language) -> int:
    """A disk that is full or read-only is waited for: to be started again and again would change nothing."""
    told = False
    while True:
        try:
            settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(settings.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.ENOSPC):
                raise
            if not told:
                print(_NO_FOLDER.say(language, folder=settings.folder, error=error), file=sys.stderr, flush=True)
            told = True
            time.sleep(WAIT_FOR_DISK_SECONDS)


def _run(settings: Settings, options: argparse.Namespace, language: Language) -> int:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(levelname)s %(message)s",  # the service manager adds time and name
    )
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    try:
        lock = _lock_file(settings, language)
    except OSError as error:
        print(_NO_FOLDER.say(language, folder=settings.folder, error=error), file=sys.stderr)
        return 2
    try:
        _hold(lock)
    except OSError:
        print(_TAKEN.say(language, folder=settings.folder), file=sys.stderr)
        return 2
    try:
        in_loop(_until_stopped(settings))
    except KeyboardInterrupt:  # where Ctrl-C is no signal that a loop can wait for
        pass
    return 0


def in_loop(work: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run; on Windows in the loop that watches sockets, which ours need."""
    factory = asyncio.SelectorEventLoop if sys.platform == "win32" else None
    with asyncio.Runner(loop_factory=factory) as running:
        return running.run(work)


def _hold(lock: int) -> None:
    """For as long as this process lives. OSError: another one holds it."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


async def _until_stopped(settings: Settings) -> None:
    from schoolbeat_agent.outbox import Outbox
    from schoolbeat_agent.probes.world import World
    from schoolbeat_agent.runner import Runner

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C cancels, the service manager kills
            loop.add_signal_handler(number, stop.set)
    box = Outbox(
        settings.folder / "outbox.sqlite",
        hardware=machine.hardware_id(),
        boot=machine.boot_id(),
        max_bytes=settings.outbox_max_bytes,
    )
    runner = Runner(settings, box, World(ca_file=settings.ca_file), version=version())
    log.info("agent %s.%s, version %s, folder %s", settings.site, settings.agent, version(), settings.folder)
    await runner.run(stop)
    log.info("stopped")


if __name__ == "__main__":
    sys.exit(main())
